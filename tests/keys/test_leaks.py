"""No error text, repr or chained exception shows key bytes or plaintext."""

import base64
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from keys import base64url, cms, hpke, jwe, jwk
from keys.at_rest import DataKey, RootKey
from keys.problem import KeyProblem
from keys.providers import file
from keys.seal import open_sealed, recipient_key, seal
from keys.signing import SigningKey, parse_public, parse_shared
from keys.webhook_signature import sign, verify
from tests.keys.material import CONTEXT, FORMS, NOW, PLAINTEXT, identity, mail_signer, pair

CANARY = bytes(range(160, 192))  # 32 bytes that occur nowhere by chance
PERSON = b"Testerson 9990000018 07700 900123"


def spellings(secret: bytes) -> list[str]:
    """Ways a secret might show: hex, both alphabets of base64 at each offset, text, repr."""
    found = [secret.hex(), repr(secret)[2:-1], secret.decode("utf-8", "backslashreplace")]
    for shift in range(3):
        part = secret[shift : shift + (len(secret) - shift) // 3 * 3]
        found += [base64.b64encode(part).decode(), base64url.encode(part)]
    return found


def said_by(error: BaseException | None) -> Iterator[str]:
    while error is not None:
        yield from (str(error), repr(error), repr(error.args), repr(vars(error)))
        error = error.__cause__ or error.__context__


def assert_silent(call: Callable[[], object], *secrets: bytes) -> None:
    with pytest.raises(KeyProblem) as caught:
        call()
    said = [*said_by(caught.value), "".join(traceback.format_exception(caught.value))]
    for secret in secrets:
        for spelling in spellings(secret):
            assert not any(spelling in text for text in said)


def filled(text: str) -> str:
    return text.replace("KEY", URL)


B64 = base64.b64encode(CANARY).decode()
URL = base64url.encode(CANARY)


@pytest.mark.parametrize(
    "call",
    [
        lambda: SigningKey.parse("whsk_" + B64),
        lambda: SigningKey.parse("whsk_" + base64.b64encode(CANARY * 2).decode()),
        lambda: SigningKey.parse("whsk_é" + B64),
        lambda: parse_public("whsk_" + B64),
        lambda: parse_shared("whsec_!" + B64),
        lambda: parse_shared("whsec_" + base64.b64encode(CANARY * 3).decode()),
        lambda: sign(["whsec_*" + B64], "id", 1, PERSON),
        lambda: verify(
            ["whsec_" + B64], message_id="i", timestamp="1", signature="v1,x", body=PERSON, now=1
        ),
        lambda: hpke.public_bytes("thsk_" + URL),
        lambda: hpke.open(b"{}", private_text="thsk_" + URL),
        lambda: hpke.open(PERSON, private_text="thsk_" + URL),
        lambda: hpke.public_of("thsk_" + URL + URL),
        lambda: hpke.public_of("thsk_" + URL + "="),
        lambda: jwk.parse_public(filled('{"kty":"OKP","crv":"X25519","x":"KEY","d":"KEY"}')),
        lambda: jwk.parse_private(filled('{"kty":"OKP","crv":"X25519","x":"KEY","d":"KEY"}')),
        lambda: jwk.parse_private(filled('{"kty":"EC","crv":"P-256","x":"AA","y":"AA","d":"KEY"}')),
        lambda: jwk.parse_private(filled('{"d":"KEY","d":"KEY"}')),
        lambda: jwk.parse_private(filled('{"d":"KEY')),
        lambda: open_sealed(PERSON, CANARY),
        lambda: open_sealed(b'{"data":{"sealed":"x"}}', CANARY),
        lambda: open_sealed(b"a.b.c.d.e", b"\xff" + CANARY),
        lambda: open_sealed(b'{"name":"%b' % PERSON, CANARY),
        lambda: cms.MailSigner(identity("p256").certificate, _pem(B64)),
        lambda: cms.open(PERSON, private_key_pem=_pem(B64).encode()),
        lambda: DataKey(CANARY + b"x"),
        lambda: RootKey(CANARY[:-1]),
        lambda: DataKey(CANARY).open(b"\x01" + bytes(40), PERSON),
        lambda: DataKey(CANARY).open(PERSON, PERSON),
        lambda: RootKey(CANARY).wrap(CANARY * 2, PERSON),
        lambda: RootKey(CANARY).unwrap(bytes(60), PERSON),
    ],
)
def test_a_refusal_shows_no_key_and_no_content(call: Callable[[], object]) -> None:
    assert_silent(call, CANARY[:-1], PERSON)


def _pem(body: str) -> str:
    return f"-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n"


@pytest.mark.parametrize("form", FORMS)
def test_a_message_that_does_not_open_shows_no_key_and_no_content(form: str) -> None:
    key, private = pair(form)
    blob = seal(PERSON, key, context=CONTEXT, now=NOW, mail_signer=mail_signer())
    body = private.split(b"\n")[-3] if b"-----" in private else private
    assert_silent(lambda: open_sealed(blob, pair(form, 1)[1]), PERSON, body)
    # Never the same again, as an ending of its own choice would be once in 256.
    damaged = blob[:-6] + (b"BBBB" if blob[-6:-2] == b"AAAA" else b"AAAA") + blob[-2:]
    assert damaged != blob
    assert_silent(lambda: open_sealed(damaged, private), PERSON, body)
    assert_silent(lambda: recipient_key("hpke", private.decode()), body)
    assert_silent(lambda: recipient_key("jwe", private.decode()), body)


def test_content_too_long_to_seal_is_not_quoted() -> None:
    key, _ = pair("hpke")
    assert_silent(lambda: seal(PERSON * 20_000, key, context=b"", now=NOW), PERSON)


def test_a_key_file_that_is_refused_is_not_quoted(tmp_path: Path) -> None:
    path = tmp_path / "kek"
    path.write_text(f"thkek_{URL}=")
    path.chmod(0o600)
    assert_silent(lambda: file.load(path), CANARY)
    path.chmod(0o644)
    assert_silent(lambda: file.load(path), CANARY)


def test_no_repr_shows_key_bytes() -> None:
    signing = SigningKey.generate()
    private, _ = jwe.generate("X25519")
    parsed = jwk.parse_private(private)
    shown = [
        repr(DataKey(CANARY)),
        repr(RootKey(CANARY)),
        repr(signing),
        repr(mail_signer()),
        repr(parsed),
        repr(parse_public(signing.public_text)),
    ]
    secrets = [CANARY, base64.b64decode(signing.secret_text[5:])[:32]]
    secrets.append(base64url.decode(str(parsed.key.as_dict(private=True)["d"])))
    for text in shown:
        for secret in secrets:
            assert not any(spelling in text for spelling in spellings(secret))


def test_this_test_can_see_a_leak() -> None:
    def leak() -> None:
        raise KeyProblem("x", f"the key is {URL}")

    with pytest.raises(AssertionError):
        assert_silent(leak, CANARY)
    assert PLAINTEXT.decode() in spellings(PLAINTEXT)
