"""Sealing to a webhook's post-quantum hybrid key: HPKE base mode, as one small JSON object.

KEM ML-KEM-768 with X25519 (identifier 0x647a, "X-Wing"), HKDF-SHA256, AES-256-GCM. Ciphertext
stored today stays closed unless both the lattice and the curve are broken.
Source: RFC 9180; draft-ietf-hpke-pq; draft-connolly-cfrg-xwing-kem for the key encodings.

Base mode says nothing about who sealed: that is the webhook signature and the log proof.
"""

import hashlib
import os
from contextlib import suppress
from functools import lru_cache
from typing import Final

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import (
    AEAD,
    KDF,
    KEM,
    MLKEM768X25519PrivateKey,
    MLKEM768X25519PublicKey,
    Suite,
)

from gateway.model.problem import MalformedEvent
from gateway.model.strict_json import JsonObject, read_object
from keys import base64url
from keys.limits import MAX_BLOB, check_labels, check_plaintext
from keys.problem import BadKey, CannotOpen

ALGORITHM: Final = "HPKE-MLKEM768X25519-SHA256-A256GCM"
PUBLIC_PREFIX: Final = "thpk_"  # base64url of 1216 bytes: ML-KEM-768 (1184), X25519 (32)
PRIVATE_PREFIX: Final = "thsk_"  # base64url of the 32-byte X-Wing seed
MEMBERS: Final = frozenset({"alg", "kid", "ctx", "ct"})

_DOMAIN: Final = b"throughgate/seal/v1\0"
_MLKEM_PUBLIC: Final = 1184
_PUBLIC: Final = 1216
_SEED: Final = 32
_OVERHEAD: Final = 1120 + 16  # encapsulated key, GCM tag
_SUITE: Final = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)


def generate() -> tuple[str, str]:
    """Return a fresh pair: ``thsk_`` private text, ``thpk_`` public text."""
    seed = os.urandom(_SEED)
    return PRIVATE_PREFIX + base64url.encode(seed), _public_text(seed)


def public_of(private_text: str) -> str:
    """Return the ``thpk_`` text that belongs to a private text.

    Raises:
        BadKey: as `open`.
    """
    return _public_text(_seed(private_text))


def public_bytes(public_text: str) -> bytes:
    """Return the 1216 bytes of a public key after checking both halves.

    Raises:
        BadKey: ``malformed``, ``length``, or ``weak`` for a low-order X25519 half.
    """
    _public_key(public_text)
    return _decoded(public_text, PUBLIC_PREFIX)


def key_id(public_text: str) -> str:
    """Return the first 16 hex digits of SHA-256 of the raw key: it picks out, it does not prove.

    Raises:
        BadKey: as `public_bytes`.
    """
    return hashlib.sha256(public_bytes(public_text)).hexdigest()[:16]


def seal(plaintext: bytes, *, public_text: str, key_id: str, context: bytes) -> bytes:
    """Return compact JSON: ``alg``, ``kid``, ``ctx`` (base64url) and ``ct`` (base64url enc || ct).

    Args:
        plaintext: At most 512 KiB.
        public_text: The recipient's ``thpk_`` key.
        key_id: 1 to 128 characters; bound.
        context: What this is sealed for (alert, endpoint), at most 512 bytes; bound, not hidden.

    Raises:
        BadKey: as `public_bytes`.
        CannotSeal: ``too-long``.

    Every result differs: fresh encapsulation each time.
    """
    check_plaintext(plaintext)
    check_labels(key_id, context)
    sealed = _SUITE.encrypt(plaintext, _public_key(public_text), info=_info(key_id, context))
    return orjson.dumps(
        {
            "alg": ALGORITHM,
            "kid": key_id,
            "ctx": base64url.encode(context),
            "ct": base64url.encode(sealed),
        }
    )


def open(blob: bytes, *, private_text: str) -> bytes:  # noqa: A001
    """Return the plaintext of what `seal` made.

    Raises:
        BadKey: the private text is ``malformed`` or of the wrong ``length``.
        CannotOpen: ``too-long``, ``malformed``, ``unsupported`` algorithm or ``undecryptable``.
    """
    if len(blob) > MAX_BLOB:
        raise CannotOpen("too-long", f"longer than {MAX_BLOB} bytes")
    return open_object(read_sealed_object(blob), private_text=private_text)


def read_sealed_object(blob: bytes) -> JsonObject:
    """Read the JSON object around or of something sealed.

    Raises:
        CannotOpen: ``malformed``.
    """
    # Raised outside the handler: the parser's own error holds the text.
    with suppress(MalformedEvent):
        return read_object(blob)
    raise CannotOpen("malformed", "not a strict JSON object")


def open_object(members: JsonObject, *, private_text: str) -> bytes:
    """Open the object already parsed, as it stands in ``data.sealed`` of a webhook body.

    Raises:
        BadKey, CannotOpen: as `open`.
    """
    if set(members) != MEMBERS or not all(isinstance(value, str) for value in members.values()):
        raise CannotOpen("malformed", "must have exactly the members alg, kid, ctx, ct")
    alg, key_id, ctx, ct = (str(members[name]) for name in ("alg", "kid", "ctx", "ct"))
    if alg != ALGORITHM:
        raise CannotOpen("unsupported", "not the algorithm this gateway seals with")
    try:
        context, sealed = base64url.decode(ctx), base64url.decode(ct)
        info = _info(key_id, context)
    except ValueError:
        raise CannotOpen("malformed", "ctx and ct must be canonical base64url") from None
    if not _OVERHEAD <= len(sealed) <= MAX_BLOB:
        raise CannotOpen("malformed", "the ciphertext has an impossible length")
    return _opened(sealed, _private_key(_seed(private_text)), info)


def _opened(sealed: bytes, key: MLKEM768X25519PrivateKey, info: bytes) -> bytes:
    try:
        return _SUITE.decrypt(sealed, key, info=info)
    except (InvalidTag, ValueError):
        raise CannotOpen("undecryptable", "not sealed to this key, or altered since") from None


def _info(key_id: str, context: bytes) -> bytes:
    """Return HPKE ``info``; the length before kid keeps (kid, context) pairs apart."""
    kid = key_id.encode("utf-8")
    if len(kid) > 512:
        raise ValueError("key id too long")
    return _DOMAIN + len(kid).to_bytes(2, "big") + kid + context


def _public_text(seed: bytes) -> str:
    mlkem, x25519 = _halves(seed)
    raw = mlkem.public_key().public_bytes_raw() + x25519.public_key().public_bytes_raw()
    return PUBLIC_PREFIX + base64url.encode(raw)


def _halves(seed: bytes) -> tuple[MLKEM768PrivateKey, X25519PrivateKey]:
    """Expand the seed as draft-connolly-cfrg-xwing-kem section 5.2 does: SHAKE256 to 96 bytes."""
    expanded = hashlib.shake_256(seed).digest(96)
    return (
        MLKEM768PrivateKey.from_seed_bytes(expanded[:64]),
        X25519PrivateKey.from_private_bytes(expanded[64:]),
    )


def _private_key(seed: bytes) -> MLKEM768X25519PrivateKey:
    return MLKEM768X25519PrivateKey(*_halves(seed))


def _seed(private_text: str) -> bytes:
    raw = _decoded(private_text, PRIVATE_PREFIX)
    if len(raw) != _SEED:
        raise BadKey("length", "an HPKE private key is a 32-byte seed")
    return raw


@lru_cache(maxsize=1024)
def _public_key(public_text: str) -> MLKEM768X25519PublicKey:
    raw = _decoded(public_text, PUBLIC_PREFIX)
    if len(raw) != _PUBLIC:
        raise BadKey("length", f"an HPKE public key is {_PUBLIC} bytes")
    try:
        mlkem = MLKEM768PublicKey.from_public_bytes(raw[:_MLKEM_PUBLIC])
    except ValueError:
        raise BadKey("malformed", "the ML-KEM half is not a public key") from None
    x25519 = X25519PublicKey.from_public_bytes(raw[_MLKEM_PUBLIC:])
    try:
        # Refused here, when the key is recorded, rather than when an alert is due.
        X25519PrivateKey.generate().exchange(x25519)
    except ValueError:
        raise BadKey("weak", "the X25519 half is a low-order point") from None
    return MLKEM768X25519PublicKey(mlkem, x25519)


def _decoded(text: str, prefix: str) -> bytes:
    body = text.removeprefix(prefix)
    if body == text:
        raise BadKey("malformed", f"must be {prefix} and base64url")
    try:
        return base64url.decode(body)
    except ValueError:
        raise BadKey("malformed", f"must be {prefix} and base64url") from None
