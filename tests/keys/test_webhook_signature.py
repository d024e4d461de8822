import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook

from keys.problem import BadKey, BadSignature
from keys.signing import SigningKey, generate_shared_secret
from keys.webhook_signature import sign, verify
from tests.third_party import vector_files, vectors

SET = "standard-webhooks"
SIGNING = SigningKey.parse(
    "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg=="
)
SHARED = generate_shared_secret()
NOW = 1_614_265_330


def cases() -> list[dict]:
    found = [json.loads(path.read_text())["cases"] for path in vector_files(SET, "vectors.json")]
    return [{**group[0], **case} for group in found for case in group]


def check(headers: dict, body: bytes, key: str, now: int, **options: int) -> None:
    verify(
        [key],
        message_id=headers.get("webhook-id", ""),
        timestamp=headers.get("webhook-timestamp", ""),
        signature=headers.get("webhook-signature", ""),
        body=body,
        now=now,
        **options,
    )


def test_the_standard_webhooks_vectors_are_run() -> None:
    assert vectors(SET)
    assert len(cases()) >= 17


@pytest.mark.parametrize("case", cases(), ids=lambda case: case["id"])
def test_a_standard_webhooks_vector_is_accepted_or_refused_as_stated(case: dict) -> None:
    headers = {name: case[name] for name in case if name.startswith("webhook-")}
    headers.pop(case.get("drop", ""), None)
    if case["id"] == "id-with-dot":
        headers["webhook-id"] = "msg_p5jXN8AQ.M9LWM0D4loKWxJek"
    if case["id"] == "10000-signatures":
        headers["webhook-signature"] = " ".join([headers["webhook-signature"]] * 10_000)
    now = NOW + case.get("now_offset_s", 0)
    if case["expect"].startswith("accept"):
        check(headers, case["body"].encode(), case["secret"], now)
    else:
        with pytest.raises(BadSignature):
            check(headers, case["body"].encode(), case["secret"], now)


def test_the_published_v1a_vector_is_reproduced_exactly() -> None:
    header = sign([SIGNING], "msg_p5jXN8AQM9LWM0D4loKWxJek", NOW, b'{"test": 2432232314}')
    assert header == (
        "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg=="
    )


ids = st.text(
    st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters="."), min_size=1
)


@given(ids, st.integers(0, 2**33), st.text())
def test_our_v1_is_what_the_reference_library_makes_and_accepts_it(
    message_id: str, at: int, body: str
) -> None:
    reference = Webhook(SHARED).sign(message_id, datetime.fromtimestamp(at, UTC), body)
    assert sign([SHARED], message_id, at, body.encode()) == reference


@given(ids, st.integers(0, 2**33), st.binary(), st.integers(-300, 300))
def test_what_is_signed_verifies_with_either_key_within_five_minutes(
    message_id: str, at: int, body: bytes, drift: int
) -> None:
    header = sign([SHARED, SIGNING], message_id, at, body)
    assert [part.split(",")[0] for part in header.split(" ")] == ["v1a", "v1"]
    headers = {
        "webhook-id": message_id,
        "webhook-timestamp": str(at),
        "webhook-signature": header,
    }
    check(headers, body, SHARED, at + drift)
    check(headers, body, SIGNING.public_text, at + drift)


@given(st.data())
def test_any_change_to_id_time_or_body_is_refused(data: st.DataObject) -> None:
    body = b'{"a":1}'
    good = {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(NOW),
        "webhook-signature": sign([SHARED, SIGNING], "msg_1", NOW, body),
    }
    field = data.draw(st.sampled_from(["webhook-id", "webhook-timestamp", "body"]))
    original = body if field == "body" else good[field].encode()
    bit = data.draw(st.integers(0, len(original) * 8 - 1))
    changed = bytearray(original)
    changed[bit // 8] ^= 1 << bit % 8
    if field == "body":
        body = bytes(changed)
    else:
        good[field] = changed.decode("latin-1")
    for key in (SHARED, SIGNING.public_text):
        with pytest.raises(BadSignature):
            check(good, body, key, NOW)


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("webhook-id", "", "id"),
        ("webhook-id", "a.b", "id"),
        ("webhook-id", "a b", "id"),
        ("webhook-id", "a\n", "id"),
        ("webhook-id", "é", "id"),
        ("webhook-id", "a" * 257, "id"),
        ("webhook-timestamp", "", "timestamp"),
        ("webhook-timestamp", "-1614265330", "timestamp"),
        ("webhook-timestamp", "+1614265330", "timestamp"),
        ("webhook-timestamp", "01614265330", "timestamp"),
        ("webhook-timestamp", "1_614_265_330", "timestamp"),
        ("webhook-timestamp", "1614265330\n", "timestamp"),
        ("webhook-timestamp", "١٦١٤٢٦٥٣٣٠", "timestamp"),
        ("webhook-timestamp", "9" * 5000, "timestamp"),
        ("webhook-timestamp", str(NOW - 301), "stale"),
        ("webhook-timestamp", str(NOW + 301), "stale"),
        ("webhook-signature", "v1,\udc80", "no-match"),
        ("webhook-signature", "v1a,***", "no-match"),
        ("webhook-signature", "v1", "no-match"),
        ("webhook-signature", ",", "no-match"),
        ("webhook-signature", "v1," + "A" * 100_000, "no-match"),
    ],
)
def test_each_refusal_says_which_part_failed(field: str, value: str, code: str) -> None:
    good = {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(NOW),
        "webhook-signature": sign([SHARED], "msg_1", NOW, b"{}"),
    }
    with pytest.raises(BadSignature) as error:
        check({**good, field: value}, b"{}", SHARED, NOW)
    assert error.value.code == code


def test_unknown_versions_and_malformed_parts_do_not_spoil_a_good_one() -> None:
    good = sign([SIGNING], "msg_1", NOW, b"{}")
    header = f"v9,AAAA junk v1, ,x v1a,%%% {good}"
    headers = {"webhook-id": "msg_1", "webhook-timestamp": str(NOW), "webhook-signature": header}
    check(headers, b"{}", SIGNING.public_text, NOW)


def test_sixteen_signatures_are_read_and_seventeen_are_not() -> None:
    good = sign([SIGNING], "msg_1", NOW, b"{}")
    headers = {"webhook-id": "msg_1", "webhook-timestamp": str(NOW)}
    headers["webhook-signature"] = " ".join(["v2,AAAA"] * 15 + [good])
    check(headers, b"{}", SIGNING.public_text, NOW)
    headers["webhook-signature"] = " ".join(["v2,AAAA"] * 16 + [good])
    with pytest.raises(BadSignature):
        check(headers, b"{}", SIGNING.public_text, NOW)


def test_a_mac_is_not_taken_as_a_signature_nor_the_reverse() -> None:
    mac = sign([SHARED], "msg_1", NOW, b"{}").replace("v1,", "v1a,")
    headers = {"webhook-id": "msg_1", "webhook-timestamp": str(NOW), "webhook-signature": mac}
    for key in (SHARED, SIGNING.public_text):
        with pytest.raises(BadSignature):
            check(headers, b"{}", key, NOW)


def test_no_known_key_means_no_match() -> None:
    with pytest.raises(BadSignature):
        verify([], message_id="m", timestamp="1", signature="v1,AA==", body=b"", now=1)


def test_signing_an_ambiguous_id_or_with_no_or_a_broken_key_is_refused() -> None:
    with pytest.raises(BadSignature):
        sign([SHARED], "a.b", NOW, b"")
    with pytest.raises(BadSignature):
        sign([SHARED], "a", -1, b"")
    for signers in ([], [SHARED] * 17, ["whpk_AAAA"], [SIGNING.secret_text]):
        with pytest.raises(BadKey):
            sign(signers, "a", NOW, b"")
