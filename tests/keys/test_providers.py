"""What every provider of a key-encryption key promises, shown of each: file, HSM, KMS."""

import pickle
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path

import pytest

from keys.at_rest import KeyEncryptionKey, header, key_id_of
from keys.key_ring import KeyRing
from keys.problem import BadKey, CannotOpen, KeyProblem
from keys.providers import aws_kms, file, pkcs11
from keys.providers.aws_kms import KmsKey
from keys.providers.problem import ProviderProblem
from keys.providers.token import Token
from tests.support.tokens import (
    REGION,
    KmsServer,
    SoftHsm,
    aws_credentials,
    new_token_key,
    refusing_kms,
    soft_hsm,
)

KEY = bytes(range(160, 192))
SOME_KEY = "11111111-2222-3333-4444-555555555555"
_numbers = count(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """How a contract test gets keys of one provider."""

    make: Callable[[], KeyEncryptionKey]
    again: Callable[[KeyEncryptionKey], KeyEncryptionKey]  # the same key, as after a restart


@pytest.fixture(scope="module")
def hsm() -> SoftHsm:
    made = soft_hsm()
    made.add("contract")
    return made


@pytest.fixture(scope="module")
def kms() -> Iterator[KmsServer]:
    aws_credentials()
    server = KmsServer()
    yield server
    server.stop()


@pytest.fixture(params=["file", "pkcs11", "aws-kms"])
def provider(request: pytest.FixtureRequest, tmp_path: Path) -> Provider:
    if request.param == "pkcs11":
        return _in_token(request.getfixturevalue("hsm"))
    if request.param == "aws-kms":
        return _in_kms(request.getfixturevalue("kms"))
    return _in_files(tmp_path)


def _in_files(folder: Path) -> Provider:
    paths: dict[str, Path] = {}

    def make() -> KeyEncryptionKey:
        path = folder / f"kek-{next(_numbers)}"
        file.create(path)
        key = file.load(path)
        paths[key.id] = path
        return key

    return Provider(make=make, again=lambda key: file.load(paths[key.id]))


def _in_token(hsm: SoftHsm) -> Provider:
    token, labels = hsm.token("contract"), {}

    def make() -> KeyEncryptionKey:
        label = f"kek-{next(_numbers)}"
        key = new_token_key(token, label)
        labels[key.id] = label
        return key

    return Provider(
        make=make, again=lambda key: pkcs11.TokenKey(hsm.token("contract"), labels[key.id])
    )


def _in_kms(kms: KmsServer) -> Provider:
    return Provider(
        make=lambda: KmsKey(kms.client(), kms.new_key()),
        again=lambda key: KmsKey(kms.client(), key.id.removeprefix("aws-kms:")),
    )


def code(call: Callable[[], object]) -> str:
    with pytest.raises(KeyProblem) as caught:
        call()
    return caught.value.code


def test_a_wrapped_key_comes_back_also_after_a_restart(provider: Provider) -> None:
    kek = provider.make()
    wrapped = kek.wrap(KEY, b"person-key:per_1")
    assert kek.unwrap(wrapped, b"person-key:per_1") == KEY
    assert provider.again(kek).unwrap(wrapped, b"person-key:per_1") == KEY
    assert KEY not in wrapped


def test_wrapping_twice_never_gives_the_same_bytes(provider: Provider) -> None:
    kek = provider.make()
    assert kek.wrap(KEY, b"c") != kek.wrap(KEY, b"c")


def test_a_wrapped_key_names_its_key_and_the_name_is_stable(provider: Provider) -> None:
    kek = provider.make()
    wrapped = kek.wrap(KEY, b"c")
    assert key_id_of(wrapped) == kek.id == provider.again(kek).id
    assert wrapped.startswith(header(kek.id))
    assert provider.make().id != kek.id


@pytest.mark.parametrize("other", [b"person-key:per_2", b"", b"person-key:per_1 "])
def test_another_context_does_not_unwrap(provider: Provider, other: bytes) -> None:
    kek = provider.make()
    wrapped = kek.wrap(KEY, b"person-key:per_1")
    assert code(lambda: kek.unwrap(wrapped, other)) == "undecryptable"


def test_what_was_altered_does_not_unwrap(provider: Provider) -> None:
    kek = provider.make()
    wrapped = kek.wrap(KEY, b"c")
    step = max(1, len(wrapped) // 12)
    for position in (*range(0, len(wrapped), step), len(wrapped) - 1):
        altered = bytearray(wrapped)
        altered[position] ^= 1
        # KMS may take what was altered to be under some key that we may not use.
        assert code(partial(kek.unwrap, bytes(altered), b"c")) in ALTERED
    for cut in (wrapped[:-1], wrapped[: len(wrapped) // 2], wrapped[:1], header(kek.id)):
        with pytest.raises(CannotOpen):
            kek.unwrap(cut, b"c")


ALTERED = {"undecryptable", "malformed", "unknown-key", "refused", "no-such-key"}


def test_another_key_of_the_same_provider_does_not_unwrap(provider: Provider) -> None:
    kek, other = provider.make(), provider.make()
    wrapped = kek.wrap(KEY, b"c")
    assert code(lambda: other.unwrap(wrapped, b"c")) == "unknown-key"
    renamed = header(other.id) + wrapped[len(header(kek.id)) :]
    assert code(lambda: other.unwrap(renamed, b"c")) in {"undecryptable", "malformed"}


def test_nothing_is_left_to_unwrap_of_a_key_that_was_destroyed(provider: Provider) -> None:
    kek = provider.make()
    assert code(lambda: kek.unwrap(b"", b"c")) == "erased"


@pytest.mark.parametrize("length", [0, 16, 31, 33, 64])
def test_only_a_key_of_32_bytes_is_wrapped(provider: Provider, length: int) -> None:
    kek = provider.make()
    with pytest.raises(BadKey) as caught:
        kek.wrap(bytes(length), b"c")
    assert caught.value.code == "length"


def test_a_key_is_not_shown_and_not_pickled(provider: Provider) -> None:
    kek = provider.make()
    assert KEY.hex() not in repr(kek)
    assert kek.id in repr(kek)
    for secret in (kek, KeyRing(kek)):
        with pytest.raises(TypeError):
            pickle.dumps(secret)


def test_no_refusal_shows_a_key_or_a_context(provider: Provider) -> None:
    kek, context = provider.make(), b"Testerson 9990000018"
    wrapped = kek.wrap(KEY, context)
    calls: list[Callable[[], object]] = [
        lambda: kek.unwrap(wrapped, context + b"x"),
        lambda: kek.unwrap(wrapped[:-1], context),
        lambda: kek.wrap(KEY * 2, context),
    ]
    for call in calls:
        with pytest.raises(KeyProblem) as caught:
            call()
        said = repr(caught.value) + repr(caught.value.__cause__)
        for secret in (KEY.hex(), "Testerson", "9990000018", repr(KEY)[2:-1]):
            assert secret not in said


def test_a_ring_wraps_with_the_active_key_and_unwraps_with_any(provider: Provider) -> None:
    old, new = provider.make(), provider.make()
    before = KeyRing(old).wrap(KEY, b"c")
    ring = KeyRing(new, [old])
    assert ring.unwrap(before, b"c") == KEY
    assert key_id_of(ring.wrap(KEY, b"c")) == ring.id == new.id
    assert code(lambda: KeyRing(new).unwrap(before, b"c")) == "unknown-key"
    opening = [kek for kek in (old, new) if _opens(kek, before)]
    assert opening == [old]


def _opens(kek: KeyEncryptionKey, wrapped: bytes) -> bool:
    try:
        return kek.unwrap(wrapped, b"c") == KEY
    except CannotOpen:
        return False


def test_keys_of_different_providers_make_one_ring(
    hsm: SoftHsm, kms: KmsServer, tmp_path: Path
) -> None:
    keys = [_in_files(tmp_path).make(), _in_token(hsm).make(), _in_kms(kms).make()]
    wrapped = [key.wrap(KEY, b"c") for key in keys]
    for active in keys:
        ring = KeyRing(active, keys)
        assert [ring.unwrap(one, b"c") for one in wrapped] == [KEY] * 3
        assert ring.ids[0] == active.id
        assert sorted(ring.ids) == sorted(key.id for key in keys)


class _Folder:
    """A source whose keys may be added to."""

    def __init__(self, *keys: KeyEncryptionKey) -> None:
        self.keys = list(keys)
        self.news = False
        self.broken = False

    def changed(self) -> bool:
        return self.news

    def load(self) -> list[KeyEncryptionKey]:
        if self.broken:
            raise BadKey("missing", "gone")
        self.news = False
        return self.keys


def test_a_ring_takes_in_a_key_made_since(provider: Provider) -> None:
    old, new = provider.make(), provider.make()
    source = _Folder(old)
    ring = KeyRing.of(source)
    source.keys = [new, old]
    assert ring.unwrap(new.wrap(KEY, b"c"), b"c") == KEY  # met: an id it did not know
    assert ring.id == new.id
    newest = provider.make()
    source.keys, source.news = [newest, new, old], True
    assert key_id_of(ring.wrap(KEY, b"c")) == newest.id  # told: before it wraps


def test_a_source_that_cannot_be_read_leaves_a_ring_as_it_was(provider: Provider) -> None:
    old, new = provider.make(), provider.make()
    source = _Folder(old)
    ring = KeyRing.of(source)
    source.broken = source.news = True
    assert key_id_of(ring.wrap(KEY, b"c")) == old.id
    assert code(lambda: ring.unwrap(new.wrap(KEY, b"c"), b"c")) == "unknown-key"
    with pytest.raises(BadKey):
        KeyRing.of(source)


def test_a_token_keeps_its_key_and_gives_it_to_nobody(hsm: SoftHsm) -> None:
    token = hsm.token("contract")
    new_token_key(token, "kept")
    with pytest.raises(BadKey) as caught:
        pkcs11.create(token, "kept")
    assert caught.value.code == "exists"

    def extractable(session: object) -> None:
        import pkcs11 as module

        with session.token.open(rw=True) as writing:  # type: ignore[attr-defined]
            writing.generate_key(
                module.KeyType.AES,
                256,
                label="loose",
                id=b"12345678",
                store=True,
                template={module.Attribute.SENSITIVE: False, module.Attribute.EXTRACTABLE: True},
            )

    token.run(extractable)
    assert code(lambda: pkcs11.TokenKey(token, "loose")) == "extractable"
    assert code(lambda: pkcs11.TokenKey(token, "nowhere")) == "no-such-key"


@pytest.mark.parametrize(
    "name", ["alias/throughgate", "", "key", "arn:aws:kms:eu-west-2:1:alias/x"]
)
def test_a_kms_key_is_named_by_its_id_and_by_no_alias(kms: KmsServer, name: str) -> None:
    assert code(lambda: KmsKey(kms.client(), name)) == "key-id"


def test_kms_says_what_is_wrong_with_a_key(kms: KmsServer) -> None:
    client = kms.client()
    gone = KmsKey(client, SOME_KEY)
    assert code(lambda: gone.wrap(KEY, b"c")) == "no-such-key"


@pytest.mark.parametrize(
    ("said", "status", "expected"),
    [
        ("AccessDeniedException", 400, "refused"),
        ("DisabledException", 400, "refused"),
        ("KMSInvalidStateException", 400, "refused"),
        ("InvalidCiphertextException", 400, "undecryptable"),
        ("IncorrectKeyException", 400, "undecryptable"),
        ("NotFoundException", 400, "no-such-key"),
        ("ThrottlingException", 400, "provider-unavailable"),
        ("KMSInternalException", 500, "provider-unavailable"),
        ("SomethingNew", 400, "provider-unavailable"),
    ],
)
def test_what_kms_refuses_has_a_code_and_quotes_nothing(
    said: str, status: int, expected: str
) -> None:
    aws_credentials()
    with refusing_kms(said, status=status) as url:
        key = KmsKey(aws_kms.client(region=REGION, endpoint_url=url, timeout_s=2), SOME_KEY)
        with pytest.raises(KeyProblem) as caught:
            key.unwrap(header(key.id) + bytes(40), b"c")
    assert caught.value.code == expected
    assert "9990000018" not in repr(caught.value)


def test_a_kms_that_hangs_is_given_up() -> None:
    aws_credentials()
    with refusing_kms("Slow", wait_s=2) as url:
        key = KmsKey(aws_kms.client(region=REGION, endpoint_url=url, timeout_s=0.3), SOME_KEY)
        began = time.monotonic()
        assert code(lambda: key.wrap(KEY, b"c")) == "provider-unavailable"
        assert time.monotonic() - began < 5


def test_an_unreachable_kms_fails_closed_and_soon() -> None:
    aws_credentials()
    server = KmsServer()
    key = KmsKey(server.client(timeout_s=1), server.new_key())
    wrapped = key.wrap(KEY, b"c")
    server.stop()
    for call in (partial(key.unwrap, wrapped, b"c"), partial(key.wrap, KEY, b"c")):
        with pytest.raises(ProviderProblem) as caught:
            call()
        assert caught.value.code == "provider-unavailable"
        assert server.url not in str(caught.value)


def test_tokens_are_not_pickled_and_show_no_pin(hsm: SoftHsm) -> None:
    token: Token = hsm.token("contract")
    assert hsm.pin_file.read_text() not in repr(token)
    with pytest.raises(TypeError):
        pickle.dumps(token)
