import email
import email.policy
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keys import cms, mime, mime_headers
from keys.problem import CannotOpen, CannotSeal
from keys.seal import open_mail, open_sealed, recipient_key, seal
from tests.keys.material import CONTEXT, NOW, PLAINTEXT, identity, mail_signer, signer_identity
from tests.third_party import missing

TRUE = {
    "Subject": "MAPPA level 3: Testerson, É. – release 1 December",
    "From": "Example Gateway <gateway@example.org>",
    "To": "mappa@example.org",
    "Date": "Fri, 20 Nov 2026 12:00:00 +0000",
}
SHOWN = {"Subject": "[...]", "From": "gateway@example.org", "To": "mappa@example.org"}
MINE = identity("p256")


def sealed(cipher: str = "gcm", headers: dict | None = None, outer: dict | None = None) -> bytes:
    return seal(
        PLAINTEXT,
        recipient_key("cms", MINE.certificate),
        context=CONTEXT,
        now=NOW,
        mail_signer=mail_signer(),
        cipher=cipher,  # type: ignore[arg-type]
        headers=TRUE if headers is None else headers,
        outer=SHOWN if outer is None else outer,
    )


def entity_of(blob: bytes) -> bytes:
    return cms.open(blob, private_key_pem=MINE.private)


def test_the_true_fields_travel_inside_and_come_back() -> None:
    opened = open_mail(sealed(), MINE.both)
    assert opened.content == PLAINTEXT
    assert dict(opened.headers) == TRUE
    assert opened.signer == mail_signer().fingerprint
    assert dict(mime_headers.outside(entity_of(sealed()))) == SHOWN


def test_the_sender_is_proven_only_by_a_certificate_for_that_address() -> None:
    assert open_mail(sealed(), MINE.both).sender_proven
    for sender in ("Gateway <other@example.org>", "gateway@example.net", "nobody"):
        blob = sealed(headers={**TRUE, "From": sender})
        assert not open_mail(blob, MINE.both).sender_proven
    assert not open_mail(sealed(headers={}), MINE.both).sender_proven


def test_nothing_of_them_shows_in_what_leaves() -> None:
    for word in (b"MAPPA", b"Testerson", b"December"):
        assert word not in sealed()


def test_the_standard_library_reads_them_as_rfc_9788_has_it() -> None:
    message = email.message_from_bytes(entity_of(sealed()), policy=email.policy.default)
    assert message["subject"] == TRUE["Subject"]
    assert message["content-type"].params["hp"] == "cipher"
    assert message.get_all("hp-outer") == [f"{name}: {value}" for name, value in SHOWN.items()]
    assert message.get_content() == PLAINTEXT or message.get_payload(decode=True) == PLAINTEXT
    assert not message.defects


def test_openssl_hands_the_true_subject_to_a_reader(tmp_path: Path) -> None:
    if shutil.which("openssl") is None:
        missing("openssl")
    (tmp_path / "m").write_bytes(sealed())
    (tmp_path / "key").write_bytes(MINE.both)
    (tmp_path / "ca").write_text(signer_identity().certificate)
    at = ("-purpose", "any", "-attime", str(int(NOW.timestamp())))
    for words in (
        ("-decrypt", "-inform", "DER", "-in", "m", "-inkey", "key", "-out", "signed"),
        ("-verify", "-in", "signed", "-CAfile", "ca", *at, "-out", "opened"),
    ):
        done = subprocess.run(
            ["openssl", "cms", *words], check=False, cwd=tmp_path, capture_output=True
        )
        assert done.returncode == 0, done.stderr
    read = email.message_from_bytes((tmp_path / "opened").read_bytes(), policy=email.policy.default)
    assert read["subject"] == TRUE["Subject"]


def test_mail_without_protected_fields_has_none_and_says_so() -> None:
    blob = sealed(headers={}, outer={})
    assert dict(open_mail(blob, MINE.both).headers) == {}
    assert b"hp=" not in entity_of(blob)


@given(st.text(st.characters(exclude_categories=["C", "Z"]) | st.just(" "), max_size=200))
def test_any_printable_subject_comes_back(subject: str) -> None:
    headers = mime_headers.fields({"Subject": f"a{subject}z"}, {})
    content = ("Content-Type", "application/json; hp=cipher")
    entity = mime.write_entity([*headers, content], b"{}")
    assert mime_headers.protected(entity) == {"Subject": f"a{subject}z"}
    assert mime.read_entity(entity, ("application/json",)) == b"{}"


@pytest.mark.parametrize(
    "headers",
    [
        {"Subject": "a\r\nBcc: b@example.org"},
        {"Subject": "a\nb"},
        {"Subject": "a\x00b"},
        {"Subject": "a\u2028b"},
        {"Subject": "x" * 901},
        {"Content-Type": "text/plain"},
        {"HP-Outer": "Subject: a"},
        {"Subject\r\nBcc": "a"},
        {"Bcc": "b@example.org"},
    ],
)
def test_a_field_that_could_change_the_message_is_refused(headers: dict) -> None:
    for given_ in ({"headers": headers}, {"outer": headers}):
        with pytest.raises(CannotSeal) as error:
            sealed(**given_)
        assert error.value.code == "headers"


def test_a_field_stated_twice_is_refused() -> None:
    entity = b'Subject: a\r\nSubject: b\r\nContent-Type: application/json; hp="cipher"\r\n\r\n'
    with pytest.raises(CannotOpen):
        mime_headers.protected(entity)
    with pytest.raises(CannotOpen):
        mime_headers.outside(b"HP-Outer: nothing\r\n\r\n")


def test_the_same_fields_protect_mail_in_cbc() -> None:
    blob = sealed("cbc")
    with pytest.raises(CannotOpen) as error:
        open_sealed(blob, MINE.both)
    assert error.value.code == "cbc"
    assert dict(open_mail(blob, MINE.both, accept_cbc=True).headers) == TRUE
