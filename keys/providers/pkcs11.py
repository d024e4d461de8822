"""Keys in an HSM, over PKCS#11: they are used there and never leave it.

Needs the package python-pkcs11. Wrapping is AES-256-GCM in the token, the context as its
associated data; signing is Ed25519 (EDDSA) or P-256 (ECDSA over a SHA-256 made here, for not every
token has a mechanism that does both). Whatever the token returns is checked before it is used.
"""

import hashlib
import hmac
import os
from typing import TYPE_CHECKING, Final, cast

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from keys.at_rest import KEY_LENGTH, body_under, check_length, header
from keys.problem import BadKey, CannotOpen
from keys.providers.problem import ProviderProblem
from keys.providers.token import Token
from keys.signing import public_text
from keys.unpickled import NeverPickled

if TYPE_CHECKING:
    import pkcs11

_NONCE_LENGTH: Final = 12
_TAG_BITS: Final = 128
_BODY_LENGTH: Final = _NONCE_LENGTH + KEY_LENGTH + _TAG_BITS // 8
_ID_LENGTH: Final = 8


class TokenKey(NeverPickled):
    """A non-extractable AES-256 key in a token, found by its label; its id is the CKA_ID's hex.

    Raises (on construction):
        ProviderProblem: the token cannot be used, or ``no-such-key``.
        BadKey: ``extractable``: the token would give the key away; ``key-id``: it has no CKA_ID.
    """

    def __init__(self, token: Token, label: str) -> None:
        self._token = token
        self._label = label
        self._id = f"pkcs11:{token.run(lambda session: _checked_id(_aes(session, label)))}"

    def __repr__(self) -> str:
        return f"TokenKey({self._id})"

    @property
    def id(self) -> str:
        """``pkcs11:`` and the hex of the key's CKA_ID."""
        return self._id

    def wrap(self, key: bytes, context: bytes) -> bytes:
        """Encrypt a 32-byte key in the token, and make sure that it opens again.

        Raises:
            ProviderProblem: the token cannot; ``wrong-answer``: what it made does not open.
            BadKey: ``length``.
        """
        check_length(key)
        head = header(self._id)
        nonce = os.urandom(_NONCE_LENGTH)
        sealed = self._crypt("encrypt", key, nonce, head + context)
        opened = self._crypt("decrypt", sealed, nonce, head + context)
        if len(sealed) != _BODY_LENGTH - _NONCE_LENGTH or not hmac.compare_digest(opened, key):
            raise ProviderProblem("wrong-answer", "what the token made does not open again")
        return head + nonce + sealed

    def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        """Return the 32-byte key.

        Raises:
            CannotOpen: as `keys.at_rest.KeyEncryptionKey.unwrap`.
            ProviderProblem: the token cannot.
        """
        body = body_under(self._id, wrapped)
        if len(body) != _BODY_LENGTH:
            raise CannotOpen("malformed", "not a wrapped key")
        nonce, sealed = body[:_NONCE_LENGTH], body[_NONCE_LENGTH:]
        opened = self._token.run(
            lambda session: self._decrypted(session, sealed, nonce, header(self._id) + context)
        )
        if len(opened) != KEY_LENGTH:
            raise ProviderProblem("wrong-answer", "the token returned no key")
        return opened

    def _crypt(self, what: str, given: bytes, nonce: bytes, bound: bytes) -> bytes:
        return self._token.run(
            lambda session: _gcm(_aes(session, self._label), what, given, nonce, bound)
        )

    def _decrypted(
        self, session: "pkcs11.Session", sealed: bytes, nonce: bytes, bound: bytes
    ) -> bytes:
        """Decrypt; a refusal by a token that works otherwise is the message's fault, not its own.

        Tokens do not agree on the error for a tag that does not fit.
        """
        import pkcs11

        key = _aes(session, self._label)
        try:
            return _gcm(key, "decrypt", sealed, nonce, bound)
        except pkcs11.PKCS11Error as error:
            if not isinstance(error, _tag_errors()):
                raise
            _gcm(key, "encrypt", b"", os.urandom(_NONCE_LENGTH), b"probe")  # raises if it is gone
            raise CannotOpen("undecryptable", "another key or row, or altered since") from None


class TokenSigner(NeverPickled):
    """An Ed25519 key pair in a token, found by its label.

    Raises (on construction):
        ProviderProblem: the token cannot be used, or ``no-such-key``.
        BadKey: ``unsupported``: the public key is none of Ed25519.
    """

    def __init__(self, token: Token, label: str) -> None:
        self._token = token
        self._label = label
        point = token.run(lambda session: _point(session, label, edwards=True))
        if len(point) != 32:
            raise BadKey("unsupported", "the log and webhooks are signed with Ed25519 keys")
        self._public = point

    def __repr__(self) -> str:
        return f"TokenSigner({self.public_text})"

    @property
    def public(self) -> bytes:
        """The 32-byte public key."""
        return self._public

    @property
    def public_text(self) -> str:
        """The ``whpk_`` text."""
        return public_text(self._public)

    def sign(self, message: bytes) -> bytes:
        """Return the 64-byte Ed25519 signature, made in the token. Source: RFC 8032.

        Raises:
            ProviderProblem: the token cannot; ``wrong-answer``: its signature does not verify.
        """
        made = self._token.run(lambda session: _signed(session, self._label, message, edwards=True))
        try:
            Ed25519PublicKey.from_public_bytes(self._public).verify(made, message)
        except InvalidSignature:
            raise ProviderProblem("wrong-answer", "the token's signature does not verify") from None
        return made


class TokenEcdsaSigner(NeverPickled):
    """A P-256 key pair in a token, found by its label.

    Raises (on construction):
        ProviderProblem: the token cannot be used, or ``no-such-key``.
        BadKey: ``unsupported``: the public key is no point on P-256.
    """

    def __init__(self, token: Token, label: str) -> None:
        self._token = token
        self._label = label
        point = token.run(lambda session: _point(session, label, edwards=False))
        try:
            self._public = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
        except ValueError:
            raise BadKey("unsupported", "mail is signed with P-256 keys") from None

    def __repr__(self) -> str:
        return f"TokenEcdsaSigner({self._label})"

    @property
    def public(self) -> ec.EllipticCurvePublicKey:
        """The public key."""
        return self._public

    def sign(self, message: bytes) -> bytes:
        """Return the DER ECDSA signature with SHA-256, made in the token.

        Raises:
            ProviderProblem: the token cannot; ``wrong-answer``: its signature does not verify.
        """
        digest = hashlib.sha256(message).digest()
        raw = self._token.run(lambda session: _signed(session, self._label, digest, edwards=False))
        half = len(raw) // 2
        made = encode_dss_signature(
            int.from_bytes(raw[:half], "big"), int.from_bytes(raw[half:], "big")
        )
        try:
            self._public.verify(made, message, ec.ECDSA(SHA256()))
        except InvalidSignature:
            raise ProviderProblem("wrong-answer", "the token's signature does not verify") from None
        return made


def create(token: Token, label: str) -> str:
    """Make a non-extractable AES-256 key in a token and return its id.

    Raises:
        BadKey: ``exists``: a key of that label is there.
        ProviderProblem: the token cannot be used, or not written to.
    """

    def make(session: "pkcs11.Session") -> str:
        import pkcs11

        if any(session.get_objects({pkcs11.Attribute.LABEL: label})):
            raise BadKey("exists", "the token holds a key of that label already")
        name = os.urandom(_ID_LENGTH)
        with session.token.open(rw=True) as writing:  # the login is the process's
            writing.generate_key(
                pkcs11.KeyType.AES,
                KEY_LENGTH * 8,
                label=label,
                id=name,
                store=True,
                capabilities=pkcs11.MechanismFlag.ENCRYPT | pkcs11.MechanismFlag.DECRYPT,
                template={
                    pkcs11.Attribute.SENSITIVE: True,
                    pkcs11.Attribute.EXTRACTABLE: False,
                },
            )
        return f"pkcs11:{name.hex()}"

    return token.run(make)


def _aes(session: "pkcs11.Session", label: str) -> "pkcs11.SecretKey":
    import pkcs11

    found = session.get_key(
        object_class=pkcs11.ObjectClass.SECRET_KEY, key_type=pkcs11.KeyType.AES, label=label
    )
    return cast("pkcs11.SecretKey", found)


def _checked_id(key: "pkcs11.SecretKey") -> str:
    import pkcs11

    if key[pkcs11.Attribute.EXTRACTABLE] or not key[pkcs11.Attribute.SENSITIVE]:
        raise BadKey("extractable", "the token would give this key away; make it non-extractable")
    found = bytes(key[pkcs11.Attribute.ID])
    if not 4 <= len(found) <= 50:
        raise BadKey("key-id", "the key has no CKA_ID of 4 to 50 bytes to be named by")
    return found.hex()


def _gcm(key: "pkcs11.SecretKey", what: str, given: bytes, nonce: bytes, bound: bytes) -> bytes:
    import pkcs11

    return bytes(
        getattr(key, what)(
            given,
            mechanism=pkcs11.Mechanism.AES_GCM,
            mechanism_param=pkcs11.GCMParams(nonce, bound, _TAG_BITS),
        )
    )


def _tag_errors() -> tuple[type[Exception], ...]:
    import pkcs11

    return (
        pkcs11.EncryptedDataInvalid,
        pkcs11.EncryptedDataLenRange,
        pkcs11.DataInvalid,
        pkcs11.FunctionFailed,
        pkcs11.GeneralError,
    )


def _point(session: "pkcs11.Session", label: str, *, edwards: bool) -> bytes:
    """Return the public point; most modules wrap it in a DER OCTET STRING."""
    import pkcs11

    key = session.get_key(
        object_class=pkcs11.ObjectClass.PUBLIC_KEY,
        key_type=pkcs11.KeyType.EC_EDWARDS if edwards else pkcs11.KeyType.EC,
        label=label,
    )
    raw = bytes(key[pkcs11.Attribute.EC_POINT])
    wrapped = len(raw) in (34, 67) and raw[0] == 4 and raw[1] == len(raw) - 2
    return raw[2:] if wrapped else raw


def _signed(session: "pkcs11.Session", label: str, message: bytes, *, edwards: bool) -> bytes:
    import pkcs11

    found = session.get_key(
        object_class=pkcs11.ObjectClass.PRIVATE_KEY,
        key_type=pkcs11.KeyType.EC_EDWARDS if edwards else pkcs11.KeyType.EC,
        label=label,
    )
    key = cast("pkcs11.SignMixin", found)
    mechanism = pkcs11.Mechanism.EDDSA if edwards else pkcs11.Mechanism.ECDSA
    return bytes(key.sign(message, mechanism=mechanism))
