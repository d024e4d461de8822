import base64
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keys import base64url, jwe
from keys.envelope import Envelope, examine
from keys.problem import CannotOpen
from keys.seal import open_sealed, seal
from tests.keys.material import CONTEXT, FORMS, NOW, PLAINTEXT, mail_signer, pair
from tests.keys.test_seal import webhook_body


def sealed(form: str, cipher: str = "gcm") -> bytes:
    signer = mail_signer()
    return seal(
        PLAINTEXT,
        pair(form)[0],
        context=CONTEXT,
        now=NOW,
        mail_signer=signer,
        cipher=cipher,  # type: ignore[arg-type]
    )


def codes(found: Envelope) -> list[str]:
    return [one.code for one in found.faults]


@pytest.mark.parametrize("form", FORMS)
def test_what_we_seal_is_within_the_profile_and_named(form: str) -> None:
    found = examine(sealed(form))
    assert found.faults == ()
    assert form.startswith(found.form)
    if found.form != "cms":
        assert found.key_id == pair(form)[0].key_id
    assert found.sizes["whole"] == len(sealed(form)) or found.form == "cms"


@pytest.mark.parametrize(
    ("form", "algorithms"),
    [
        ("hpke", {"alg": "HPKE-MLKEM768X25519-SHA256-A256GCM"}),
        ("jwe-p256", {"alg": "ECDH-ES+A256KW", "enc": "A256GCM", "typ": jwe.TYPE}),
        (
            "cms-rsa",
            {"content": "AuthEnvelopedData", "key": "RSAES-OAEP", "cipher": "AES-256-GCM"},
        ),
        (
            "cms-p256",
            {"content": "AuthEnvelopedData", "key": "ECDH-SHA256-KDF", "cipher": "AES-256-GCM"},
        ),
    ],
)
def test_its_algorithms_are_listed(form: str, algorithms: dict) -> None:
    assert dict(examine(sealed(form)).algorithms) == algorithms


@pytest.mark.parametrize("form", ["hpke", "jwe-x25519"])
def test_a_whole_webhook_body_is_looked_into(form: str) -> None:
    found = examine(webhook_body(form))
    assert (found.wrapping, found.faults) == ("webhook body", ())


@pytest.mark.parametrize("kind", ["rsa", "p256"])
def test_cbc_is_outside_the_profile_and_says_by_whose_leave(kind: str) -> None:
    found = examine(sealed(f"cms-{kind}", "cbc"))
    assert codes(found) == ["cbc"]
    assert "recorded acceptance" in found.faults[0].text
    assert found.algorithms["cipher"] == "AES-256-CBC"


def test_pem_and_mail_are_told_apart() -> None:
    der = sealed("cms-p256")
    lines = base64.encodebytes(der)
    assert examine(der).wrapping == "DER"
    assert examine(b"-----BEGIN CMS-----\n" + lines + b"-----END CMS-----\n").wrapping == "PEM"
    mail = b"Content-Type: application/pkcs7-mime\nContent-Transfer-Encoding: base64\n\n" + lines
    assert (examine(mail).wrapping, examine(mail).faults) == ("mail", ())


def with_header(**changes: object) -> bytes:
    first, *rest = sealed("jwe-x25519").decode().split(".")
    header = {**json.loads(base64url.decode(first)), **changes}
    kept = {name: value for name, value in header.items() if value is not None}
    return ".".join([base64url.encode(json.dumps(kept).encode()), *rest]).encode()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"zip": "DEF"}, "zip"),
        ({"crit": ["b64"], "b64": False}, "b64, crit"),
        ({"jku": "https://x.example/"}, "jku"),
        ({"x5c": ["AA"]}, "x5c"),
        ({"something-of-mine": 1}, "unknown members"),
        ({"alg": "RSA1_5"}, "algorithm"),
        ({"alg": "PBES2-HS256+A128KW", "p2s": "AA", "p2c": 1}, "p2c, p2s"),
        ({"enc": "A128CBC-HS256"}, "algorithm"),
        ({"typ": "JWT"}, "not marked"),
        ({"kid": None}, "lacks kid"),
        ({"epk": None}, "lacks epk"),
        ({"epk": {"kty": "OKP", "crv": "X448", "x": "AA"}}, "epk"),
        ({"apu": "=="}, "apu"),
    ],
)
def test_every_fault_of_a_token_is_listed(changes: dict, said: str) -> None:
    token = with_header(**changes)
    texts = [one.text for one in examine(token).faults]
    assert any(said in text for text in texts), texts
    with pytest.raises(CannotOpen):
        open_sealed(token, pair("jwe-x25519")[1])


def test_several_faults_are_all_named() -> None:
    found = examine(with_header(zip="DEF", alg="dir", typ="JWT", epk=None))
    assert len(found.faults) >= 4


def test_a_strangers_text_is_cut_short_and_kept_plain() -> None:
    assert len(examine(with_header(kid="k" * 900)).key_id or "") == 128
    assert examine(with_header(kid="\x1b[2J")).key_id == "not a plain text"


@pytest.mark.parametrize(
    ("blob", "code"),
    [
        (b"", "malformed"),
        (b"{}", "malformed"),
        (b'{"ct":1}', "malformed"),
        (b'{"a":1,"a":2}', "malformed"),
        (b"hello", "malformed"),
        (b"\x30\x03\x02\x01\x00", "malformed"),
        (b"Content-Type: text/plain\nContent-Transfer-Encoding: base64\n\nAA==", "unsupported"),
        (b"a" * (5 << 20), "too-long"),
    ],
)
def test_what_is_nothing_sealed_is_said_to_be_nothing(blob: bytes, code: str) -> None:
    assert codes(examine(blob))[0] == code


@given(st.binary(max_size=300))
def test_arbitrary_bytes_never_raise(blob: bytes) -> None:
    assert examine(blob).faults


@pytest.mark.parametrize("form", ["hpke", "jwe-p256", "cms-p256", "cms-rsa"])
@settings(max_examples=60)
@given(position=st.integers(min_value=0), noise=st.binary(min_size=1, max_size=4))
def test_a_spliced_envelope_never_raises_and_is_never_worse_than_it_opens(
    form: str, position: int, noise: bytes
) -> None:
    blob = sealed(form)
    at = position % len(blob)
    found = examine(blob[:at] + noise + blob[at + len(noise) :])
    assert found.form in ("hpke", "jwe", "cms", "unknown")
