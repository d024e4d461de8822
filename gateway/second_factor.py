"""Second factors: what proves at a pick-up page that the reader is the recipient. Pure.

TOTP is what a recipient has with nothing but a phone; a passkey cannot be phished.
Source: RFC 6238 (30 s, 6 digits, SHA-1, as every authenticator app has it); W3C WebAuthn level 3.
"""

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal
from urllib.parse import urlsplit

import pyotp

from gateway.model.ids import RecipientId

FactorKind = Literal["passkey", "totp"]

TOTP_SECRET_BYTES: Final = 20
STEP_S: Final = 30
CHALLENGE_NONCE_BYTES: Final = 16
MAX_CREDENTIAL_BYTES: Final = 16 * 1024  # of the JSON a browser sends

_WINDOW: Final = (-1, 0, 1)  # steps a phone's clock may be out
_CODE: Final = re.compile(r"[0-9]{6}", re.ASCII)
_MAC_BYTES: Final = 16
_CHALLENGE_BYTES: Final = CHALLENGE_NONCE_BYTES + 8 + _MAC_BYTES
_ALGORITHMS: Final = (-8, -7, -257)  # COSE: EdDSA, ECDSA and RSA, each with SHA-256


@dataclass(frozen=True, slots=True, kw_only=True)
class Factor:
    """One enrolled second factor, opened."""

    id: str
    recipient: RecipientId
    kind: FactorKind
    credential: bytes | None  # passkey: its id
    secret: bytes  # TOTP: the shared secret; passkey: the public key, COSE
    last: int  # TOTP: newest step used; passkey: signature counter

    def __repr__(self) -> str:
        return f"Factor({self.id})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """Six digits off an authenticator app."""

    digits: str

    def __repr__(self) -> str:
        return "Code(...)"

    @property
    def is_shaped(self) -> bool:
        """Whether these are six digits at all: what is not is no guess."""
        return _CODE.fullmatch(self.digits.replace(" ", "")) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Assertion:
    """What `navigator.credentials.get` gave, as JSON, on the page of one link."""

    text: str
    scope: str

    def __repr__(self) -> str:
        return "Assertion(...)"


Shown = Code | Assertion


@dataclass(frozen=True, slots=True, kw_only=True)
class Proven:
    """The factor that was shown to be there, and what is now its newest step or counter."""

    factor: Factor
    last: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """A passkey just registered."""

    id: bytes
    public_key: bytes  # COSE
    counter: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Passkeys:
    """Makes and checks the challenges of one origin; nothing about them is stored.

    A challenge is bound to one link: since a link is used once, so is an answer to it.
    """

    key: bytes  # 32 bytes, derived for this purpose alone
    origin: str  # scheme, host and port of the public URL
    rp_id: str  # its host
    lifetime: timedelta

    def __repr__(self) -> str:
        return f"Passkeys({self.origin})"

    @classmethod
    def of(cls, public_url: str, *, key: bytes, lifetime: timedelta) -> "Passkeys":
        """Return the passkeys of the pages under a public URL."""
        parts = urlsplit(public_url)
        origin = f"{parts.scheme}://{parts.netloc}".lower()
        return cls(key=key, origin=origin, rp_id=parts.hostname or "", lifetime=lifetime)

    def challenge(self, scope: str, *, now: datetime, nonce: bytes) -> str:
        """Return a fresh challenge as base64url: nonce (16 bytes), expiry (8), MAC (16)."""
        expires = int((now + self.lifetime).timestamp())
        body = nonce[:CHALLENGE_NONCE_BYTES] + expires.to_bytes(8, "big")
        return _base64url(body + self._mac(scope, body))

    def is_challenge(self, challenge: bytes, scope: str, *, now: datetime) -> bool:
        """Return whether a challenge is ours, for that link, and not yet expired."""
        body, mac = challenge[:-_MAC_BYTES], challenge[-_MAC_BYTES:]
        right = hmac.compare_digest(mac, self._mac(scope, body))
        fresh = int.from_bytes(body[CHALLENGE_NONCE_BYTES:], "big") >= now.timestamp()
        return right and fresh and len(challenge) == _CHALLENGE_BYTES

    def asserted(
        self, factors: Sequence[Factor], shown: Assertion, *, now: datetime
    ) -> Proven | None:
        """Return which of a recipient's passkeys signed, or None.

        User verification is required; a signature counter that does not rise is a copied key.
        """
        try:
            return self._asserted(factors, shown, now)
        except Exception:  # noqa: BLE001 - the text is anybody's: whatever it breaks, it proves nothing
            return None

    def registered(self, text: str, scope: str, *, now: datetime) -> Credential | None:
        """Return the passkey that `navigator.credentials.create` made, or None."""
        import webauthn  # late, as it is slow to load
        from webauthn.helpers import parse_client_data_json
        from webauthn.helpers.cose import COSEAlgorithmIdentifier

        try:
            challenge = parse_client_data_json(
                webauthn.base64url_to_bytes(json.loads(text)["response"]["clientDataJSON"])
            ).challenge
            if not self.is_challenge(challenge, scope, now=now):
                return None
            made = webauthn.verify_registration_response(
                credential=text,
                expected_challenge=challenge,
                expected_rp_id=self.rp_id,
                expected_origin=self.origin,
                require_user_verification=True,
                supported_pub_key_algs=[COSEAlgorithmIdentifier(one) for one in _ALGORITHMS],
            )
        except Exception:  # noqa: BLE001 - as above
            return None
        return Credential(
            id=made.credential_id, public_key=made.credential_public_key, counter=made.sign_count
        )

    def _asserted(
        self, factors: Sequence[Factor], shown: Assertion, now: datetime
    ) -> Proven | None:
        import webauthn
        from webauthn.helpers import parse_authentication_credential_json, parse_client_data_json

        given = parse_authentication_credential_json(shown.text)
        challenge = parse_client_data_json(given.response.client_data_json).challenge
        if not self.is_challenge(challenge, shown.scope, now=now):
            return None
        for factor in factors:
            if factor.kind == "passkey" and factor.credential == given.raw_id:
                verified = webauthn.verify_authentication_response(
                    credential=given,
                    expected_challenge=challenge,
                    expected_rp_id=self.rp_id,
                    expected_origin=self.origin,
                    credential_public_key=factor.secret,
                    credential_current_sign_count=factor.last,
                    require_user_verification=True,
                )
                return Proven(factor=factor, last=verified.new_sign_count)
        return None

    def _mac(self, scope: str, body: bytes) -> bytes:
        return hmac.digest(self.key, body + scope.encode(), hashlib.sha256)[:_MAC_BYTES]


def proven(
    factors: Sequence[Factor], shown: Shown, passkeys: Passkeys, *, now: datetime
) -> Proven | None:
    """Return which of a recipient's factors was shown, or None. A code is good once."""
    if isinstance(shown, Assertion):
        return passkeys.asserted(factors, shown, now=now)
    found = None
    for factor in factors:
        if factor.kind == "totp":
            step = totp_step(factor.secret, shown.digits, now)
            if step is not None and step > factor.last:
                found = Proven(factor=factor, last=step)
    return found


def totp_step(secret: bytes, digits: str, now: datetime) -> int | None:
    """Return the step (of 30 s since 1970) a code is for, at most one off, or None. Every step is
    compared, in constant time."""
    tidy = digits.replace(" ", "")
    shaped = tidy if _CODE.fullmatch(tidy) else "x" * 6
    codes = pyotp.TOTP(base64.b32encode(secret).decode())
    current = int(now.timestamp()) // STEP_S
    found = None
    for step in (current + offset for offset in _WINDOW):
        if hmac.compare_digest(shaped, codes.generate_otp(step)):
            found = step
    return found


def otpauth_uri(secret: bytes, *, recipient: str, issuer: str) -> str:
    """Return what an authenticator app is given, as text or QR code. Holds the secret."""
    codes = pyotp.TOTP(base64.b32encode(secret).decode())
    return codes.provisioning_uri(name=recipient, issuer_name=issuer)


def user_handle(token: str) -> str:
    """Return the opaque user id, base64url, under which an authenticator keeps a passkey."""
    return _base64url(hashlib.sha256(b"user:" + token.encode()).digest())


def _base64url(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).decode().rstrip("=")
