"""JSON Web Keys for sealing: P-256 and X25519, read strictly and written minimally.

Source: RFC 7517, RFC 7518 section 6.2, RFC 8037; thumbprints RFC 7638.
"""

import json
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, Literal

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, thumbprint

from gateway.model.problem import MalformedEvent
from gateway.model.strict_json import JsonObject, read_object
from keys import base64url
from keys.problem import BadKey

Curve = Literal["X25519", "P-256"]

ALGORITHMS: Final = ("ECDH-ES+A256KW", "ECDH-ES")
COORDINATES: Final[dict[str, tuple[str, ...]]] = {"P-256": ("x", "y"), "X25519": ("x",)}
KEY_TYPES: Final[dict[str, str]] = {"P-256": "EC", "X25519": "OKP"}

_COORDINATE_LENGTH: Final = 32
_KEY_AGREEMENT: Final = frozenset({"deriveKey", "deriveBits"})
_MAX_JWK: Final = 16 << 10


@dataclass(frozen=True, slots=True, kw_only=True)
class SealingJwk:
    """A checked key and the algorithms it may be used with."""

    curve: str
    algorithms: tuple[str, ...]  # one when the JWK names its alg, else both
    thumbprint: str  # RFC 7638, SHA-256, base64url
    key: ECKey | OKPKey = field(repr=False)


def generate(curve: Curve = "X25519") -> tuple[str, str]:
    """Return a fresh pair as JSON text: private JWK, public JWK.

    Raises:
        BadKey: ``curve``.
    """
    if curve not in KEY_TYPES:
        raise BadKey("curve", "the curve must be X25519 or P-256")
    key = OKPKey.generate_key("X25519") if curve == "X25519" else ECKey.generate_key("P-256")
    return _text(key.as_dict(private=True)), _text(key.as_dict(private=False))


@lru_cache(maxsize=1024)
def parse_public(text: str) -> SealingJwk:
    """Read a public JWK.

    Raises:
        BadKey: ``malformed``, ``private`` (a private key was pasted), ``curve`` (also: the point
            is not on it), ``use`` (for signatures, or another algorithm).
    """
    members = _members(text)
    if any(name in members for name in ("d", "k", "p", "q")):
        raise BadKey("private", "this is a private key: only the public half belongs here")
    return _parsed(members, private=False)


def parse_private(text: str) -> SealingJwk:
    """Read a private JWK.

    Raises:
        BadKey: as `parse_public`; ``curve`` also when the halves are not one pair.
    """
    members = _members(text)
    if "d" not in members:
        raise BadKey("malformed", "this JWK has no private half")
    return _parsed(members, private=True)


def check_point(members: JsonObject) -> str:
    """Return the curve a JWK names after checking kty and the spelling of its coordinates.

    Raises:
        ValueError: anything else. Whether the point is on the curve is left to the key exchange.
    """
    curve = members.get("crv")
    # Named first: for an unknown curve, a missing kty would equal the missing entry.
    if not isinstance(curve, str) or curve not in KEY_TYPES:
        raise ValueError("not a curve of this profile")
    if members.get("kty") != KEY_TYPES[curve]:
        raise ValueError("not a curve of this profile")
    for name in COORDINATES[curve]:
        _check_coordinate(members.get(name))
    return curve


def _check_coordinate(value: object) -> None:
    if not isinstance(value, str) or len(base64url.decode(value)) != _COORDINATE_LENGTH:
        raise ValueError("a coordinate is 32 bytes of base64url")


def _members(text: str) -> JsonObject:
    if len(text) > _MAX_JWK:
        raise BadKey("malformed", "too long for a JWK")
    # Raised outside the handler: the parser's own error holds the text, private half and all.
    with suppress(MalformedEvent):
        return read_object(text.encode("utf-8", "replace"))
    raise BadKey("malformed", "a JWK is a strict JSON object")


def _parsed(members: JsonObject, *, private: bool) -> SealingJwk:
    try:
        curve = check_point(members)
        if private:
            _check_coordinate(members["d"])
    except ValueError:
        raise BadKey("curve", "must be a P-256 or X25519 JWK") from None
    names = ("kty", "crv", *COORDINATES[curve], *(("d",) if private else ()))
    chosen: dict[str, str | list[str]] = {name: str(members[name]) for name in names}
    return SealingJwk(
        curve=curve,
        algorithms=_algorithms(members),
        thumbprint=thumbprint({name: str(members[name]) for name in names if name != "d"}),
        key=_imported(curve, chosen),
    )


def _imported(curve: str, members: dict[str, str | list[str]]) -> ECKey | OKPKey:
    try:
        if curve == "P-256":
            return ECKey.import_key(members)
        key = OKPKey.import_key(members)
        # A low-order public key agrees on zero with every peer, which the exchange refuses.
        OKPKey.generate_key("X25519").exchange_derive_key(key)
        # Derived afresh, because the library keeps whichever public half it was given.
        derived = OKPKey.import_key(key.public_key).as_dict(private=False)
    except (JoseError, ValueError):
        raise BadKey("curve", "not a point of its curve, or its halves are not one pair") from None
    if derived["x"] != members["x"]:
        raise BadKey("curve", "not a point of its curve, or its halves are not one pair")
    return key


def _algorithms(members: JsonObject) -> tuple[str, ...]:
    if members.get("use", "enc") != "enc":
        raise BadKey("use", "this key is not for encryption")
    operations = members.get("key_ops") or ["deriveKey"]
    if not isinstance(operations, list) or not _KEY_AGREEMENT.intersection(map(str, operations)):
        raise BadKey("use", "key_ops does not allow key agreement")
    algorithm = members.get("alg")
    if algorithm is None:
        return ALGORITHMS
    if algorithm not in ALGORITHMS:
        raise BadKey("use", "the JWK names an algorithm outside this profile")
    return (str(algorithm),)


def _text(members: dict[str, str | list[str]]) -> str:
    public = {name: members[name] for name in ("kty", "crv", "x", "y", "d") if name in members}
    return json.dumps({**public, "use": "enc", "alg": ALGORITHMS[0]}, separators=(",", ":"))
