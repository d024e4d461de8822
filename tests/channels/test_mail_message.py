"""The mail message: nothing in it but what was put there, and CRLF between."""

import base64
import contextlib
import email
import email.policy
import json
import re
from collections.abc import Mapping
from email.message import EmailMessage
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.channels.contract import Undeliverable
from gateway.channels.mail_message import SEALED_SUBJECT, SUBJECT, mail_message
from tests.channels.parcels import ALERT, CMS, ENVELOPED, NOTICE, NOW, a_cms, a_parcel
from tests.third_party import vector_files, vectors

SIGNED = bytes.fromhex("06092a864886f70d010702")
HEADERS = [
    "From",
    "To",
    "Subject",
    "Date",
    "Message-ID",
    "Auto-Submitted",
    "MIME-Version",
    "Content-Type",
    "Content-Transfer-Encoding",
    "Throughgate-Proof",
]


def _probes() -> Mapping[str, list[str]]:
    found = vector_files("own-probes", "mail-injection.json")
    return json.loads(found[0].read_text()) if found else {}


HEADER_PROBES = _probes().get("subject_or_header_values", [])
END_OF_DATA_PROBES = _probes().get("body_end_of_data", [])


def _rendered(**changes: Any) -> bytes:
    return mail_message(
        a_parcel("email", **changes),
        sender="alerts@gateway.example.org",
        recipient="duty.desk@police.example.org",
        hostname="gateway.example.org",
        sent_at=NOW,
    )


def _parsed(message: bytes) -> EmailMessage:
    return email.message_from_bytes(message, policy=email.policy.SMTP)


def _only_crlf(message: bytes) -> bool:
    bare = message.replace(b"\r\n", b"")
    return b"\r" not in bare and b"\n" not in bare


def test_the_probes_of_mail_were_there_to_run() -> None:
    vectors("own-probes/mail-injection.json")
    assert len(HEADER_PROBES) > 4
    assert len(END_OF_DATA_PROBES) > 4


def test_a_notice_is_plain_text_under_content_free_headers() -> None:
    message = _rendered()
    parsed = _parsed(message)
    assert parsed.keys() == HEADERS
    assert parsed["Subject"] == SUBJECT == "A message is waiting for you"
    assert parsed["Message-ID"] == f"<{ALERT}@gateway.example.org>"
    assert parsed["Date"] == "Fri, 20 Nov 2026 09:30:00 +0000"
    assert parsed["Auto-Submitted"] == "auto-generated"
    assert parsed.get_content_type() == "text/plain"
    assert parsed.get_content().replace("\r\n", "\n") == NOTICE.decode()
    assert _only_crlf(message)
    assert max(map(len, message.split(b"\r\n"))) <= 78


@pytest.mark.parametrize(
    ("sealed", "smime_type"),
    [
        (CMS, "authEnveloped-data"),
        (a_cms(b"x" * 100_000), "authEnveloped-data"),
        (a_cms(oid=ENVELOPED), "enveloped-data"),
        (a_cms(b"x" * 100_000, oid=ENVELOPED), "enveloped-data"),
    ],
    ids=["gcm", "gcm-large", "cbc", "cbc-large"],
)
def test_a_sealed_alert_is_an_smime_part_and_says_nothing_more(
    sealed: bytes, smime_type: str
) -> None:
    parsed = _parsed(_rendered(form="sealed", sealed=sealed))
    assert parsed.keys() == [*HEADERS[:9], "Content-Disposition", HEADERS[9]]
    assert parsed["Subject"] == SEALED_SUBJECT == "[...]"
    assert parsed.get_content_type() == "application/pkcs7-mime"
    assert parsed.get_param("smime-type") == smime_type
    assert parsed.get_filename() == "smime.p7m"
    assert parsed.get_payload(decode=True) == sealed


def test_the_proof_comes_back_out_of_its_folded_header() -> None:
    proof = "c2sp.org/tlog-proof@v1\n" + "— log.example.org é\n" * 200
    parsed = _parsed(_rendered(proof=proof))
    folded = re.sub(r"\s", "", str(parsed["Throughgate-Proof"]))
    assert base64.b64decode(folded, validate=True).decode() == proof


def test_two_attempts_differ_in_their_date_and_nothing_else() -> None:
    parcels = [a_parcel("email", attempt=attempt) for attempt in (1, 2)]
    first, second = (
        mail_message(parcel, sender="a@b.example", recipient="c@d.example", hostname="h", sent_at=t)
        for parcel, t in zip(parcels, (NOW, NOW + 60), strict=True)
    )
    assert first != second
    assert first.replace(b"09:30:00", b"09:31:00") == second


@pytest.mark.parametrize("probe", END_OF_DATA_PROBES, ids=ascii)
def test_no_end_of_data_sequence_survives_in_the_content(probe: str) -> None:
    for form, sealed in (
        ("notice", f"before{probe}after".encode()),
        ("sealed", a_cms(probe.encode())),
    ):
        message = _rendered(form=form, sealed=sealed, proof=f"p{probe}q")
        assert _only_crlf(message)
        assert b"\r\n." not in message
        assert b"MAIL FROM" not in message
        assert len(_parsed(message).keys()) == len(HEADERS) + (form == "sealed")


@pytest.mark.parametrize("probe", HEADER_PROBES, ids=lambda probe: ascii(probe)[:30])
def test_a_header_value_given_in_any_member_changes_no_header(probe: str) -> None:
    plain = _parsed(_rendered())
    # In the two members that travel encoded, the probe travels and does nothing.
    parsed = _parsed(_rendered(sealed=probe.encode(), proof=probe))
    assert parsed.keys() == HEADERS
    assert parsed["Subject"] == plain["Subject"]
    # In the one that stands in a header as it is, it stays inside that header or is refused.
    with contextlib.suppress(Undeliverable):
        assert _parsed(_rendered(alert=f"alt_{probe}")).keys() == HEADERS


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"form": "sealed", "sealed": b"Arthur Sample was released today"}, "not-sealed"),
        ({"form": "sealed", "sealed": b""}, "not-sealed"),
        ({"form": "sealed", "sealed": b"Text " + CMS[2:15]}, "not-sealed"),
        # SignedData: whole, and open to every reader.
        ({"form": "sealed", "sealed": a_cms(oid=SIGNED)}, "not-sealed"),
        ({"form": "sealed", "sealed": bytes.fromhex("300b06092a864886f70d010703")}, "not-sealed"),
        ({"form": "sealed", "sealed": CMS + b"and more"}, "not-sealed"),
        ({"form": "sealed", "sealed": CMS[:-1]}, "not-sealed"),
        # BER that is no DER: a length written longer than it need be, and one left open.
        ({"form": "sealed", "sealed": b"\x30\x81" + CMS[1:]}, "not-sealed"),
        ({"form": "sealed", "sealed": b"\x30\x80" + CMS[2:] + b"\0\0"}, "not-sealed"),
        ({"form": "sealed", "sealed": b"\x30\x80" + b"\0" * 128}, "not-sealed"),
        ({"form": "notice", "sealed": b"\xff\xfe"}, "not-text"),
        ({"alert": "alt_1>\r\nBcc: x@y.example\r\nX: <"}, "not-a-message"),
        ({"alert": "alt_\u2028"}, "not-a-message"),
    ],
)
def test_what_must_not_be_sent_is_not_rendered(changes: dict[str, Any], code: str) -> None:
    with pytest.raises(Undeliverable, match=f"^{code}$"):
        _rendered(**changes)


@given(st.text(max_size=300), st.text(max_size=300), st.sampled_from(["notice", "pointer"]))
def test_any_text_and_proof_come_back_as_they_went_in(text: str, proof: str, form: str) -> None:
    message = _rendered(
        sealed=text.encode("utf-8", "replace"), form=form, proof=proof.replace("\ud800", "")
    )
    assert _only_crlf(message)
    assert message.isascii()
    parsed = _parsed(message)
    assert parsed.keys() == HEADERS
    content = parsed.get_payload(decode=True)
    assert isinstance(content, bytes)
    assert re.sub(rb"\r\n|\r|\n", b"\n", content) == re.sub(
        rb"\r\n|\r|\n", b"\n", text.encode("utf-8", "replace")
    )


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=40))
def test_an_alert_id_of_any_kind_is_one_header_or_nothing(tail: str) -> None:
    try:
        message = _rendered(alert=f"alt_{tail}")
    except Undeliverable:
        return
    assert _parsed(message).keys() == HEADERS
    assert _only_crlf(message)
