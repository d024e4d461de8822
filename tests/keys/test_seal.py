import datetime as dt
import hashlib
import json
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.model.party import RecipientKey
from keys import base64url, certificates, cms, hpke, jwe
from keys.problem import BadKey, CannotOpen, CannotSeal, KeyProblem
from keys.seal import open_sealed, recipient_key, seal
from tests.keys.material import CONTEXT, FORMS, NOW, PLAINTEXT, identity, mail_signer, pair

QUICK_FORMS = [form for form in FORMS if form != "cms-rsa"]  # reading an RSA key takes 40 ms


def sealed(form: str, plaintext: bytes = PLAINTEXT, context: bytes = CONTEXT) -> bytes:
    key, _ = pair(form)
    return seal(plaintext, key, context=context, now=NOW, mail_signer=mail_signer())


def webhook_body(form: str) -> bytes:
    blob = sealed(form)
    value = json.loads(blob) if form == "hpke" else blob.decode()
    envelope = {"specversion": "1.0", "id": "alt_1", "source": "urn:example", "type": "x"}
    return json.dumps({**envelope, "data": {"sealed": value, "proof": "c2sp.org/..."}}).encode()


@pytest.mark.parametrize("form", FORMS)
def test_what_is_sealed_in_any_form_opens_with_its_own_key(form: str) -> None:
    assert open_sealed(sealed(form), pair(form)[1]) == PLAINTEXT


@pytest.mark.parametrize("form", QUICK_FORMS)
@settings(max_examples=50)
@given(plaintext=st.binary(max_size=300), context=st.binary(max_size=100))
def test_any_content_and_context_come_back(form: str, plaintext: bytes, context: bytes) -> None:
    assert open_sealed(sealed(form, plaintext, context), pair(form)[1]) == plaintext


@pytest.mark.parametrize("form", FORMS)
def test_no_plaintext_shows_in_what_leaves(form: str) -> None:
    blob = sealed(form)
    for word in (b"Testerson", b"9990000018", b"family_name"):
        assert word not in blob


@pytest.mark.parametrize("form", FORMS)
def test_another_recipients_key_does_not_open(form: str) -> None:
    with pytest.raises(CannotOpen):
        open_sealed(sealed(form), pair(form, 1)[1])


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("other", FORMS)
def test_a_key_of_another_form_is_a_key_problem_and_nothing_else(form: str, other: str) -> None:
    if form != other:
        with pytest.raises(KeyProblem):
            open_sealed(sealed(form), pair(other)[1])


@pytest.mark.parametrize("form", QUICK_FORMS)
@settings(max_examples=60)
@given(position=st.integers(min_value=0))
def test_any_flipped_bit_is_refused(form: str, position: int) -> None:
    blob = bytearray(sealed(form))
    bit = position % (len(blob) * 8)
    blob[bit // 8] ^= 1 << bit % 8
    with pytest.raises(CannotOpen):
        open_sealed(bytes(blob), pair(form)[1])


@pytest.mark.parametrize("form", ["hpke", "jwe-x25519", "jwe-p256"])
def test_the_context_cannot_be_exchanged(form: str) -> None:
    blob, wanted = sealed(form), base64url.encode(b"alert:alt_2")
    if form == "hpke":
        changed = json.dumps({**json.loads(blob), "ctx": wanted}).encode()
    else:
        first, *rest = blob.decode().split(".")
        header = {**json.loads(base64url.decode(first)), "apu": wanted}
        changed = ".".join([base64url.encode(json.dumps(header).encode()), *rest]).encode()
    with pytest.raises(CannotOpen) as error:
        open_sealed(changed, pair(form)[1])
    assert error.value.code == "undecryptable"


@pytest.mark.parametrize("kind", ["rsa", "p256"])
def test_mail_carries_its_context_inside_the_signature(kind: str) -> None:
    entity = cms.open(sealed(f"cms-{kind}"), private_key_pem=identity(kind).private)
    assert b"Throughgate-Context: " + base64url.encode(CONTEXT).encode() + b"\r\n" in entity
    assert entity.startswith(b"Content-Type: application/json; charset=utf-8\r\n")


@pytest.mark.parametrize("form", ["hpke", "jwe-x25519", "jwe-p256"])
def test_a_whole_webhook_body_opens(form: str) -> None:
    body = webhook_body(form)
    assert open_sealed(body, pair(form)[1]) == PLAINTEXT
    indented = json.dumps(json.loads(body), indent=2).encode()
    assert open_sealed(indented, pair(form)[1]) == PLAINTEXT
    with pytest.raises(CannotOpen):
        open_sealed(body, pair(form, 1)[1])


@pytest.mark.parametrize("form", FORMS)
def test_a_file_saved_with_a_line_feed_still_opens(form: str) -> None:
    if not form.startswith("cms"):
        assert open_sealed(sealed(form) + b"\n", pair(form)[1] + b"\n") == PLAINTEXT


@pytest.mark.parametrize("private_only", [True, False])
def test_mail_opens_with_and_without_the_certificate_beside_the_key(private_only: bool) -> None:
    mine = identity("p256")
    assert open_sealed(sealed("cms-p256"), mine.private if private_only else mine.both) == PLAINTEXT
    wrong = identity("p256", 1).certificate.encode() + mine.private
    with pytest.raises(CannotOpen):
        open_sealed(sealed("cms-p256"), wrong)


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b'{"data":null}',
        b'{"data":{}}',
        b'{"data":{"sealed":null}}',
        b'{"data":{"sealed":[]}}',
        b'{"data":{"sealed":{}}}',
        b'{"data":{"sealed":""}}',
        b'{"data":{"sealed":"\\u00e9"}}',
        b'{"data":{"sealed":"a.b.c.d.e"}}',
        b'{"ct":1}',
        b'{"data":{"sealed":"a"},"data":{"sealed":"b"}}',
        b"{",
        b"",
        b"-----BEGIN CMS-----",
        b"-----BEGIN CMS-----\n!\n-----END CMS-----",
        b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----",
        b"Content-Type: text/plain\n\nhello",
    ],
)
@pytest.mark.parametrize("form", QUICK_FORMS)
def test_what_holds_nothing_sealed_is_refused(body: bytes, form: str) -> None:
    with pytest.raises(KeyProblem):
        open_sealed(body, pair(form)[1])


@given(st.binary(max_size=300), st.binary(max_size=100) | st.sampled_from(QUICK_FORMS))
def test_arbitrary_bytes_and_keys_raise_a_key_problem_and_nothing_else(
    blob: bytes, key: bytes | str
) -> None:
    private = pair(key)[1] if isinstance(key, str) else key
    with pytest.raises(KeyProblem):
        open_sealed(blob, private)


@given(st.data())
def test_a_spliced_message_raises_a_key_problem_and_nothing_else(data: st.DataObject) -> None:
    form = data.draw(st.sampled_from(QUICK_FORMS))
    whole = data.draw(st.booleans()) and not form.startswith("cms")
    blob = webhook_body(form) if whole else sealed(form)
    # Drawn apart from the message: its length varies with each signature's encoding.
    positions = data.draw(st.lists(st.integers(0, 1 << 16), min_size=2, max_size=2))
    start, end = sorted(position % (len(blob) + 1) for position in positions)
    spliced = blob[:start] + data.draw(st.binary(max_size=20)) + blob[end:]
    with suppress(KeyProblem):
        # A splice in the proof or white space of a webhook body leaves the sealed part whole.
        assert open_sealed(spliced, pair(form)[1]) == PLAINTEXT


def test_messages_beyond_four_mebibytes_are_not_looked_at() -> None:
    with pytest.raises(CannotOpen) as error:
        open_sealed(b"A" * ((4 << 20) + 1), pair("hpke")[1])
    assert error.value.code == "too-long"


@pytest.mark.parametrize("form", FORMS)
def test_content_beyond_half_a_mebibyte_is_not_sealed(form: str) -> None:
    with pytest.raises(CannotSeal):
        sealed(form, bytes((512 << 10) + 1))
    longest = bytes(512 << 10)
    assert open_sealed(sealed(form, longest), pair(form)[1]) == longest


def test_mail_is_never_sealed_unsigned() -> None:
    with pytest.raises(CannotSeal) as error:
        seal(PLAINTEXT, pair("cms-rsa")[0], context=CONTEXT, now=NOW)
    assert error.value.code == "no-signer"


def test_nothing_is_sealed_to_an_expired_certificate() -> None:
    late = NOW + dt.timedelta(days=400)
    with pytest.raises(BadKey) as error:
        seal(PLAINTEXT, pair("cms-p256")[0], context=b"", now=late, mail_signer=mail_signer())
    assert error.value.code == "expired"


def test_a_recipient_key_is_named_after_its_public_half() -> None:
    key = pair("hpke")[0]
    raw = hpke.public_bytes(key.public)
    assert key == RecipientKey(
        form="hpke", key_id=hashlib.sha256(raw).hexdigest()[:16], public=key.public
    )
    token_key = pair("jwe-p256")[0]
    assert token_key.key_id == jwe.thumbprint(token_key.public)
    mail_key = pair("cms-rsa")[0]
    der = certificates.der(certificates.parse_certificate(mail_key.public))
    assert mail_key.key_id == hashlib.sha256(der).hexdigest()


@pytest.mark.parametrize("form", ["hpke", "jwe", "cms"])
@pytest.mark.parametrize("public", ["", "x", "{}", "thpk_AAAA"])
def test_what_is_no_public_key_never_becomes_a_recipient_key(form: str, public: str) -> None:
    with pytest.raises(BadKey):
        recipient_key(form, public)  # type: ignore[arg-type]


def test_a_private_key_pasted_into_the_directory_is_refused() -> None:
    with pytest.raises(BadKey):
        recipient_key("hpke", pair("hpke")[1].decode())
    with pytest.raises(BadKey) as error:
        recipient_key("jwe", pair("jwe-p256")[1].decode())
    assert error.value.code == "private"
    with pytest.raises(BadKey):
        recipient_key("cms", identity("rsa").private.decode())
