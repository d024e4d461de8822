"""What signs for the gateway, wherever the key lives: a file, an HSM or a KMS."""

from typing import Final, Protocol

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

from keys.problem import BadKey
from keys.unpickled import NeverPickled

_ECDSA: Final = ec.ECDSA(SHA256())


class Signer(Protocol):
    """An Ed25519 key pair: of the disclosure log, or of webhooks."""

    @property
    def public(self) -> bytes:
        """The 32-byte public key. Source: RFC 8032."""

    def sign(self, message: bytes) -> bytes:
        """Return the 64-byte signature.

        Raises:
            KeyProblem: where the key lives cannot or will not.
        """


class EcdsaSigner(Protocol):
    """A P-256 key pair: of sealed mail."""

    @property
    def public(self) -> ec.EllipticCurvePublicKey:
        """The public key."""

    def sign(self, message: bytes) -> bytes:
        """Return the DER signature: ECDSA with SHA-256.

        Raises:
            KeyProblem: where the key lives cannot or will not.
        """


class P256Key(NeverPickled):
    """A P-256 key pair in memory.

    Raises (on construction):
        BadKey: ``unsupported``: of another kind or curve.
    """

    __slots__ = ("_private",)

    def __init__(self, private: object) -> None:
        if not isinstance(private, ec.EllipticCurvePrivateKey) or not isinstance(
            private.curve, ec.SECP256R1
        ):
            raise BadKey("unsupported", "mail is signed with P-256 keys")
        self._private = private

    def __repr__(self) -> str:
        return "P256Key(...)"

    @property
    def public(self) -> ec.EllipticCurvePublicKey:
        """The public key."""
        return self._private.public_key()

    def sign(self, message: bytes) -> bytes:
        """Return the DER signature; a fresh nonce each time."""
        return self._private.sign(message, _ECDSA)
