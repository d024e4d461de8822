"""Sealing for receivers that speak JOSE: compact JWE, one narrow profile, both ways strict.

ECDH-ES+A256KW or ECDH-ES, A256GCM, P-256 or X25519. Nothing else is read: no compression, no
password or RSA algorithms, no keys or addresses of keys in the header, no critical extensions.
Source: RFC 7516, RFC 7518 section 4.6, RFC 8037, RFC 8725 (JOSE best practice).

The context travels as ``apu``. It is then bound twice: by the key derivation (RFC 7518 section
4.6.2) and, as part of the protected header, by the GCM tag. Every JOSE library feeds ``apu`` to
the derivation, so no receiver needs an extension; a private member would need ``crit`` to be
honoured and ``crit`` would shut out libraries that do not know it. Anyone may seal to a public
key: who sealed is proven by the webhook signature and the log proof, not here.
"""

from collections.abc import Iterator
from contextlib import suppress
from typing import Final

from joserfc.errors import JoseError
from joserfc.jwe import JWERegistry, decrypt_compact, encrypt_compact

from gateway.model.problem import MalformedEvent
from gateway.model.strict_json import Json, JsonObject, read_object
from keys import base64url
from keys.jwk import (
    ALGORITHMS,
    COORDINATES,
    SealingJwk,
    check_point,
    generate,
    parse_private,
    parse_public,
)
from keys.limits import MAX_BLOB, check_labels, check_plaintext
from keys.problem import CannotOpen

__all__ = ["TYPE", "generate", "open", "seal", "thumbprint"]

TYPE: Final = "throughgate-sealed+jwe"  # typ: a token made for another use is not opened here
CONTENT_ENCRYPTION: Final = "A256GCM"

_MAX_HEADER: Final = 4096
_REQUIRED: Final = frozenset({"alg", "enc", "typ", "kid", "epk"})
_ALLOWED: Final = _REQUIRED | {"apu"}
_WRAPPED_LENGTH: Final = {"ECDH-ES+A256KW": 40, "ECDH-ES": 0}
# Named when refused: each has been the way in somewhere (RFC 8725 sections 2 and 3).
_KNOWN_BAD: Final = frozenset(
    {"zip", "crit", "jku", "jwk", "x5u", "x5c", "x5t", "p2s", "p2c", "b64", "cty", "apv", "iv"}
)
_IV_LENGTH: Final = 12
_TAG_LENGTH: Final = 16


class _Registry(JWERegistry):
    """The library's limits, widened to ours: lengths are checked before it is called."""

    max_protected_header_length = _MAX_HEADER
    max_ciphertext_length = MAX_BLOB


_REGISTRY: Final = _Registry(algorithms=[*ALGORITHMS, CONTENT_ENCRYPTION])


def thumbprint(public_jwk: str) -> str:
    """Return the RFC 7638 SHA-256 thumbprint, base64url.

    Raises:
        BadKey: as `keys.jwk.parse_public`.
    """
    return parse_public(public_jwk).thumbprint


def seal(plaintext: bytes, *, public_jwk: str, key_id: str, context: bytes) -> bytes:
    """Return a compact JWE (ASCII, five parts).

    Args:
        plaintext: At most 512 KiB.
        public_jwk: The recipient's JWK as JSON text; its ``alg``, if any, is honoured.
        key_id: 1 to 128 characters; the protected ``kid``.
        context: At most 512 bytes; the protected ``apu``. Bound, not hidden.

    Raises:
        BadKey: as `keys.jwk.parse_public`.
        CannotSeal: ``too-long`` or ``labels``.
    """
    check_plaintext(plaintext)
    check_labels(key_id, context)
    recipient = parse_public(public_jwk)
    header = {
        "alg": recipient.algorithms[0],
        "enc": CONTENT_ENCRYPTION,
        "typ": TYPE,
        "kid": key_id,
    }
    if context:
        header["apu"] = base64url.encode(context)
    return encrypt_compact(header, plaintext, recipient.key, registry=_REGISTRY).encode("ascii")


def open(token: bytes, *, private_jwk: str) -> bytes:  # noqa: A001
    """Return the plaintext of a compact JWE within the profile.

    Raises:
        BadKey: as `keys.jwk.parse_private`.
        CannotOpen: ``too-long``, ``malformed``, ``unsupported`` (outside the profile) or
            ``undecryptable``.
    """
    key = parse_private(private_jwk)
    header = checked_header(token)
    if header["alg"] not in key.algorithms or _curve(header["epk"]) != key.curve:
        raise CannotOpen("undecryptable", "not sealed to this key, or altered since")
    return _decrypted(token, key)


def checked_header(token: bytes) -> JsonObject:
    """Return the protected header of a token within the profile; the token is not opened.

    Raises:
        CannotOpen: ``too-long``, ``malformed`` or ``unsupported``.
    """
    header, lengths = parts_of(token)
    for code, text in faults_of(header, lengths):
        raise CannotOpen(code, text)
    return header


def parts_of(token: bytes) -> tuple[JsonObject, tuple[int, int, int, int]]:
    """Return the header and the lengths of wrapped key, nonce, ciphertext and tag.

    Raises:
        CannotOpen: ``too-long`` or ``malformed``.
    """
    if len(token) > MAX_BLOB:
        raise CannotOpen("too-long", f"longer than {MAX_BLOB} bytes")
    try:
        parts = token.decode("ascii").split(".")
        if len(parts) != 5 or len(parts[0]) > _MAX_HEADER:
            raise CannotOpen("malformed", "not a compact JWE of five parts")
        header, *rest = (base64url.decode(part) for part in parts)
        wrapped, iv, ciphertext, tag = map(len, rest)
        return read_object(header), (wrapped, iv, ciphertext, tag)
    except (ValueError, MalformedEvent):
        raise CannotOpen("malformed", "not a compact JWE in canonical base64url") from None


def faults_of(header: JsonObject, lengths: tuple[int, int, int, int]) -> Iterator[tuple[str, str]]:
    """Yield code and text of everything about a token that this profile does not allow. Pure."""
    if not set(header) <= _ALLOWED:
        named = sorted(_KNOWN_BAD.intersection(header)) or ["unknown members"]
        yield "unsupported", f"the header has members outside this profile: {', '.join(named)}"
    if not set(header) >= _REQUIRED:
        missing = sorted(_REQUIRED - set(header))
        yield "unsupported", f"the header lacks {', '.join(missing)}"
    alg = header.get("alg")
    if alg not in ALGORITHMS or header.get("enc") != CONTENT_ENCRYPTION:
        yield "unsupported", "an algorithm outside this profile"
    if header.get("typ") != TYPE or not isinstance(header.get("kid"), str):
        yield "unsupported", "not marked as sealed by this gateway"
    if not _is_canonical(header.get("apu", "")):
        yield "malformed", "apu must be canonical base64url"
    wrapped, iv, _, tag = lengths
    if alg in ALGORITHMS and wrapped != _WRAPPED_LENGTH[str(alg)]:
        yield "malformed", "the wrapped key has a length its algorithm does not allow"
    if (iv, tag) != (_IV_LENGTH, _TAG_LENGTH):
        yield "malformed", "the nonce must be 12 bytes and the tag 16"
    try:
        _curve(header.get("epk"))
    except CannotOpen as error:
        yield error.code, error.text


def _is_canonical(text: Json) -> bool:
    try:
        return isinstance(text, str) and base64url.decode(text) is not None
    except ValueError:
        return False


def _curve(epk: object) -> str:
    curve = None
    if isinstance(epk, dict):
        with suppress(ValueError):
            curve = check_point(epk)
    if curve is None or not isinstance(epk, dict):
        raise CannotOpen("malformed", "epk must be a JWK on a curve of this profile")
    if set(epk) != {"kty", "crv", *COORDINATES[curve]}:
        raise CannotOpen("malformed", "epk must hold a public key and nothing else")
    return curve


def _decrypted(token: bytes, key: SealingJwk) -> bytes:
    try:
        plaintext = decrypt_compact(token, key.key, registry=_REGISTRY).plaintext
    except (JoseError, ValueError):  # ValueError: epk off its curve, or of low order
        plaintext = None
    if plaintext is None:
        raise CannotOpen("undecryptable", "not sealed to this key, or altered since")
    return plaintext
