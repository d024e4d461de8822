import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keys.problem import BadKey, BadSignature
from keys.signing import SigningKey, generate_shared_secret, parse_public, parse_shared

SECRET = (
    "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg=="
)
PUBLIC = "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4="


def b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def test_a_published_signing_key_has_its_published_public_half() -> None:
    key = SigningKey.parse(SECRET)
    assert key.public_text == PUBLIC
    assert key.secret_text == SECRET


def test_a_generated_key_reads_back_as_itself() -> None:
    key = SigningKey.generate()
    again = SigningKey.parse(key.secret_text)
    assert again.public_text == key.public_text
    assert again.sign(b"m") == key.sign(b"m")
    assert SigningKey.generate().public_text != key.public_text


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_a_signature_verifies_for_its_message_and_no_other(message: bytes, other: bytes) -> None:
    key = SigningKey.parse(SECRET)
    public = parse_public(PUBLIC)
    signature = key.sign(message)
    public.verify(signature, message)
    assert public.verifies(signature, other) is (message == other)
    with pytest.raises(BadSignature):
        public.verify(signature[:-1], message)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "malformed"),
        ("whpk_" + b64(bytes(64)), "malformed"),
        ("whsk_", "length"),
        ("whsk_!!!!", "malformed"),
        ("whsk_é", "malformed"),
        ("whsk_" + b64(bytes(32)), "length"),
        ("whsk_" + b64(bytes(64)), "mismatch"),
        ("whsk_" + b64(bytes(65)), "length"),
    ],
)
def test_a_signing_key_that_is_not_one_is_refused(text: str, code: str) -> None:
    with pytest.raises(BadKey) as error:
        SigningKey.parse(text)
    assert error.value.code == code


@pytest.mark.parametrize("text", ["", PUBLIC[5:], "whpk_", "whpk_AAAA", SECRET, "whpk_é"])
def test_a_public_key_that_is_not_one_is_refused(text: str) -> None:
    with pytest.raises(BadKey):
        parse_public(text)


@pytest.mark.parametrize(("length", "fits"), [(23, False), (24, True), (64, True), (65, False)])
def test_a_shared_secret_has_24_to_64_bytes(length: int, fits: bool) -> None:
    text = "whsec_" + b64(bytes(length))
    if fits:
        assert parse_shared(text) == bytes(length)
    else:
        with pytest.raises(BadKey):
            parse_shared(text)


@given(st.binary(min_size=24, max_size=64))
def test_an_unpadded_shared_secret_equals_its_padded_form(raw: bytes) -> None:
    assert parse_shared("whsec_" + b64(raw).rstrip("=")) == raw == parse_shared("whsec_" + b64(raw))


def test_the_reference_librarys_unpadded_secret_is_accepted() -> None:
    unpadded = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwBr"
    assert parse_shared(unpadded) == parse_shared(unpadded + "==")


@pytest.mark.parametrize(
    "text", ["", "whsec_", "whsec_" + "=" * 40, "MfKQ9r8GKYqrTwjUPD8ILPZIo2La"]
)
def test_an_empty_or_unmarked_shared_secret_is_refused(text: str) -> None:
    with pytest.raises(BadKey):
        parse_shared(text)


def test_generated_shared_secrets_are_usable_and_differ() -> None:
    first, second = generate_shared_secret(), generate_shared_secret()
    assert len(parse_shared(first)) == 32
    assert first != second
