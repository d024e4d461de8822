"""Keys in AWS KMS: they are used there and never leave it.

Needs the package boto3. Access comes the usual AWS way, never from the configuration. The context
a key is wrapped for is its EncryptionContext, which KMS binds and writes to its own audit trail: so
it is digested, and holds nothing anyone could read there.
"""

import hashlib
import re
import time
from collections.abc import Callable
from typing import Any, Final, Protocol, TypeVar

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from keys.at_rest import KEY_LENGTH, body_under, check_length, header
from keys.problem import BadKey, CannotOpen
from keys.providers.problem import UNAVAILABLE, ProviderProblem, Rest
from keys.unpickled import NeverPickled

T = TypeVar("T")

_KEY = re.compile(r"(arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/)?(?P<id>[A-Za-z0-9-]{8,64})")
_MOST_SIGNED: Final = 4096  # bytes KMS signs as they are
_MOST_WRAPPED: Final = 6144
_ATTEMPTS: Final = 2
_CONNECT_S: Final = 2.0

_REFUSED: Final = frozenset(
    {"AccessDeniedException", "DisabledException", "KMSInvalidStateException",
     "InvalidKeyUsageException", "UnrecognizedClientException", "InvalidSignatureException",
     "ExpiredTokenException", "IncompleteSignature"}
)  # fmt: skip


class Kms(Protocol):
    """What is used of a KMS client; requests and answers are named as AWS names them."""

    def encrypt(self, **request: object) -> dict[str, Any]:
        """Return CiphertextBlob and KeyId."""

    def decrypt(self, **request: object) -> dict[str, Any]:
        """Return Plaintext."""

    def get_public_key(self, **request: object) -> dict[str, Any]:
        """Return PublicKey: a DER SubjectPublicKeyInfo."""

    def sign(self, **request: object) -> dict[str, Any]:
        """Return Signature."""


def client(*, region: str, endpoint_url: str | None, timeout_s: float) -> "Kms":
    """Return a KMS client. Contacts nobody yet.

    Args:
        region: As AWS names it.
        endpoint_url: None: AWS's own.
        timeout_s: Of each answer; a call is tried twice at most.

    Raises:
        ProviderProblem: ``not-installed``.
    """
    try:
        import boto3
        from botocore.config import Config
    except ImportError:
        raise ProviderProblem("not-installed", "AWS KMS needs the package boto3") from None
    bounded = Config(
        connect_timeout=min(_CONNECT_S, timeout_s),
        read_timeout=timeout_s,
        retries={"total_max_attempts": _ATTEMPTS, "mode": "standard"},
    )
    kms: Kms = boto3.client("kms", region_name=region, endpoint_url=endpoint_url, config=bounded)
    return kms


class KmsKey(NeverPickled):
    """A symmetric KMS key, named by its key id or ARN. Making one contacts nobody.

    Raises (on construction):
        ProviderProblem: ``key-id``: an alias, which may come to mean another key, or no name.
    """

    def __init__(self, kms: "Kms", key: str) -> None:
        self._kms = kms
        self._key = key
        self._id = f"aws-kms:{_short(key)}"
        self._rest = Rest()

    def __repr__(self) -> str:
        return f"KmsKey({self._id})"

    @property
    def id(self) -> str:
        """``aws-kms:`` and the KMS key id."""
        return self._id

    def wrap(self, key: bytes, context: bytes) -> bytes:
        """Encrypt a 32-byte key in KMS.

        Raises:
            ProviderProblem: KMS cannot or will not.
            BadKey: ``length``.
        """
        check_length(key)
        answer = _call(
            lambda: self._kms.encrypt(
                KeyId=self._key, Plaintext=key, EncryptionContext=self._bound(context)
            ),
            self._rest,
        )
        sealed = bytes(answer["CiphertextBlob"])
        if _short(answer["KeyId"]) != _short(self._key) or key in sealed:
            raise ProviderProblem("wrong-answer", "KMS answered for another key")
        return header(self._id) + sealed

    def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        """Return the 32-byte key.

        Raises:
            CannotOpen: as `keys.at_rest.KeyEncryptionKey.unwrap`.
            ProviderProblem: KMS cannot or will not.
        """
        sealed = body_under(self._id, wrapped)
        if not 0 < len(sealed) <= _MOST_WRAPPED:
            raise CannotOpen("malformed", "not a wrapped key")
        answer = _call(
            lambda: self._kms.decrypt(
                KeyId=self._key, CiphertextBlob=sealed, EncryptionContext=self._bound(context)
            ),
            self._rest,
        )
        opened = bytes(answer["Plaintext"])
        if len(opened) != KEY_LENGTH:
            raise ProviderProblem("wrong-answer", "KMS returned no key")
        return opened

    def _bound(self, context: bytes) -> dict[str, str]:
        return {"throughgate": hashlib.sha256(header(self._id) + context).hexdigest()}


class KmsEcdsaSigner(NeverPickled):
    """A P-256 signing key in KMS (KeySpec ECC_NIST_P256).

    KMS signs at most 4096 bytes as they are; mail's signed attributes are far shorter. Checkpoints
    and webhooks are signed with Ed25519 over more than that: keep those keys in a file or an HSM.

    Raises (on construction):
        ProviderProblem: ``key-id``, or KMS cannot or will not.
        BadKey: ``unsupported``: no P-256 key.
    """

    def __init__(self, kms: "Kms", key: str) -> None:
        self._kms = kms
        self._key = key
        self._name = _short(key)
        self._rest = Rest()
        raw = bytes(_call(lambda: kms.get_public_key(KeyId=key), self._rest)["PublicKey"])
        public = load_der_public_key(raw)
        if not isinstance(public, ec.EllipticCurvePublicKey) or not isinstance(
            public.curve, ec.SECP256R1
        ):
            raise BadKey("unsupported", "mail is signed with P-256 keys")
        self._public = public

    def __repr__(self) -> str:
        return f"KmsEcdsaSigner({self._name})"

    @property
    def public(self) -> ec.EllipticCurvePublicKey:
        """The public key."""
        return self._public

    def sign(self, message: bytes) -> bytes:
        """Return the DER ECDSA signature with SHA-256, made in KMS.

        Raises:
            ProviderProblem: KMS cannot or will not; ``wrong-answer``.
            BadKey: ``length``: more than KMS signs.
        """
        if len(message) > _MOST_SIGNED:
            raise BadKey("length", f"KMS signs at most {_MOST_SIGNED} bytes")
        made = bytes(
            _call(
                lambda: self._kms.sign(
                    KeyId=self._key,
                    Message=message,
                    MessageType="RAW",
                    SigningAlgorithm="ECDSA_SHA_256",
                ),
                self._rest,
            )["Signature"]
        )
        try:
            self._public.verify(made, message, ec.ECDSA(SHA256()))
        except InvalidSignature:
            raise ProviderProblem("wrong-answer", "KMS's signature does not verify") from None
        return made


def _short(key: str) -> str:
    found = _KEY.fullmatch(key)
    if found is None:
        raise ProviderProblem(
            "key-id", "name the KMS key by its id or ARN: an alias may come to mean another key"
        )
    return found["id"]


def _call(work: Callable[[], T], rest: Rest) -> T:
    """Return what KMS answers. Its own error texts may quote a request: they are not passed on."""
    from botocore.exceptions import BotoCoreError, ClientError

    rest.check()
    began = time.monotonic()
    try:
        return work()
    except ClientError as error:
        raise _refusal(str(error.response.get("Error", {}).get("Code", ""))) from None
    except BotoCoreError as error:
        rest.after(began)
        raise ProviderProblem(
            UNAVAILABLE, f"KMS cannot be reached ({type(error).__name__})"
        ) from None


def _refusal(code: str) -> ProviderProblem | CannotOpen:
    if code in ("InvalidCiphertextException", "IncorrectKeyException"):
        return CannotOpen("undecryptable", "another key or row, or altered since")
    if code == "NotFoundException":
        return ProviderProblem("no-such-key", "KMS knows no such key")
    if code in _REFUSED:
        return ProviderProblem("refused", f"KMS refuses ({code})")
    return ProviderProblem(UNAVAILABLE, "KMS cannot do it now")
