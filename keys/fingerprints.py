"""What two people compare to be sure that they mean the same public key."""

import hashlib
import hmac
import re
from typing import Final

from gateway.model.keyring import RecipientKey
from keys import certificates, hpke, jwe

_APART: Final = re.compile(r"[\s:-]")


def fingerprint(key: RecipientKey) -> str:
    """Return the whole SHA-256 of a public key: 64 hex digits of an HPKE key or a certificate, the
    base64url thumbprint of a JWK (RFC 7638). Pure.

    Raises:
        BadKey: it cannot be parsed.
    """
    match key.form:
        case "hpke":
            return hashlib.sha256(hpke.public_bytes(key.public)).hexdigest()
        case "jwe":
            return jwe.thumbprint(key.public)
        case "cms":
            return certificates.fingerprint(certificates.parse_certificate(key.public))


def same_fingerprint(key: RecipientKey, read_out: str) -> bool:
    """Return whether this is the key's whole fingerprint, however its hex digits are grouped. Pure.

    Raises:
        BadKey: as `fingerprint`.
    """
    own = fingerprint(key)
    given = read_out.strip() if key.form == "jwe" else _APART.sub("", read_out).lower()
    return hmac.compare_digest(own.encode(), given.encode("utf-8", "replace"))


def printed(text: str) -> str:
    """Return a fingerprint as it is read out: hex in groups of four, a thumbprint as it stands."""
    if re.fullmatch(r"[0-9a-f]{64}", text):
        return " ".join(text[i : i + 4] for i in range(0, 64, 4))
    return text
