"""A passkey in software: signs as a browser and a security key do, and as a forger would."""

import base64
import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

_PRESENT, _VERIFIED, _ATTESTED = 0x01, 0x04, 0x40


def text(raw: bytes) -> str:
    """Return base64url without padding."""
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


@dataclass(slots=True, kw_only=True)
class Authenticator:
    """One credential, P-256."""

    origin: str
    rp_id: str
    id: bytes = b"credential-0001"
    counter: int = 0
    verifies: bool = True
    key: ec.EllipticCurvePrivateKey = field(
        default_factory=lambda: ec.generate_private_key(ec.SECP256R1())
    )

    def created(self, challenge: str) -> str:
        """Return what `navigator.credentials.create` gives, as the page sends it."""
        numbers = self.key.public_key().public_numbers()
        cose = {1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32), -3: numbers.y.to_bytes(32)}
        attested = bytes(16) + len(self.id).to_bytes(2) + self.id + cbor2.dumps(cose)
        attestation = {"fmt": "none", "attStmt": {}, "authData": self._says(_ATTESTED) + attested}
        return self._sent(
            {
                "clientDataJSON": text(self._client("webauthn.create", challenge)),
                "attestationObject": text(cbor2.dumps(attestation)),
            }
        )

    def got(self, challenge: str) -> str:
        """Return what `navigator.credentials.get` gives, as the page sends it."""
        says, client = self._says(0), self._client("webauthn.get", challenge)
        signed = says + hashlib.sha256(client).digest()
        return self._sent(
            {
                "clientDataJSON": text(client),
                "authenticatorData": text(says),
                "signature": text(self.key.sign(signed, ec.ECDSA(hashes.SHA256()))),
                "userHandle": None,
            }
        )

    def _says(self, more: int) -> bytes:
        flags = _PRESENT | more | (_VERIFIED if self.verifies else 0)
        rp = hashlib.sha256(self.rp_id.encode()).digest()
        return rp + bytes([flags]) + self.counter.to_bytes(4)

    def _client(self, type_: str, challenge: str) -> bytes:
        return json.dumps({"type": type_, "challenge": challenge, "origin": self.origin}).encode()

    def _sent(self, response: dict[str, Any]) -> str:
        return json.dumps(
            {
                "id": text(self.id),
                "rawId": text(self.id),
                "type": "public-key",
                "clientExtensionResults": {},
                "response": response,
            }
        )
