"""Sealing to a webhook's post-quantum hybrid key: HPKE base mode, as one small JSON object.

KEM ML-KEM-768 with X25519 (identifier 0x647a, "X-Wing"), HKDF-SHA256, AES-256-GCM. Ciphertext
stored today stays closed unless both the lattice and the curve are broken.
Source: RFC 9180; draft-ietf-hpke-pq; draft-connolly-cfrg-xwing-kem for the key encodings.

A receiver without a post-quantum library may have a plain X25519 key instead (KEM 0x0020): only if
the text of its key says so, ``thpk_x25519.``, and never in place of a hybrid one.

Base mode says nothing about who sealed: that is the webhook signature and the log proof.
"""

import hashlib
import json
import os
from contextlib import suppress
from functools import lru_cache
from typing import Final, Literal

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
X25519_ALGORITHM: Final = "HPKE-X25519-SHA256-A256GCM"
PUBLIC_PREFIX: Final = "thpk_"  # base64url of 1216 bytes: ML-KEM-768 (1184), X25519 (32)
PRIVATE_PREFIX: Final = "thsk_"  # base64url of the 32-byte X-Wing seed
_PLAIN: Final = (
    "x25519."  # after either prefix: base64url of 32 bytes; no base64url has a full stop
)
MEMBERS: Final = frozenset({"alg", "kid", "ctx", "ct"})

_DOMAIN: Final = b"throughgate/seal/v1\0"
_MLKEM_PUBLIC: Final = 1184
_PUBLIC: Final = 1216
_SEED: Final = 32
_TAG: Final = 16
# Encapsulated key and GCM tag. The names are the only two algorithms there are.
_OVERHEAD: Final = {ALGORITHM: 1120 + _TAG, X25519_ALGORITHM: 32 + _TAG}
_SUITES: Final = {
    ALGORITHM: Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM),
    X25519_ALGORITHM: Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM),
}

_PublicKey = MLKEM768X25519PublicKey | X25519PublicKey
_PrivateKey = MLKEM768X25519PrivateKey | X25519PrivateKey


def generate(kind: Literal["hybrid", "x25519"] = "hybrid") -> tuple[str, str]:
    """Return a fresh pair: ``thsk_`` private text, ``thpk_`` public text."""
    seed = base64url.encode(os.urandom(_SEED))
    private = PRIVATE_PREFIX + (_PLAIN if kind == "x25519" else "") + seed
    return private, public_of(private)


def public_of(private_text: str) -> str:
    """Return the ``thpk_`` text that belongs to a private text.

    Raises:
        BadKey: as `open`.
    """
    private = _private_key(private_text)
    if isinstance(private, X25519PrivateKey):
        return f"{PUBLIC_PREFIX}{_PLAIN}{base64url.encode(private.public_key().public_bytes_raw())}"
    mlkem, x25519 = _halves(_seed(private_text))
    raw = mlkem.public_key().public_bytes_raw() + x25519.public_key().public_bytes_raw()
    return PUBLIC_PREFIX + base64url.encode(raw)


def public_bytes(public_text: str) -> bytes:
    """Return the 1216 bytes (hybrid) or 32 (X25519) of a public key after checking all of it.

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
    public = _public_key(public_text)
    algorithm = X25519_ALGORITHM if isinstance(public, X25519PublicKey) else ALGORITHM
    sealed = _SUITES[algorithm].encrypt(plaintext, public, info=_info(key_id, context))
    members = {
        "alg": algorithm,
        "kid": key_id,
        "ctx": base64url.encode(context),
        "ct": base64url.encode(sealed),
    }
    return json.dumps(members, separators=(",", ":")).encode("ascii")


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
    sealed, info = checked_object(members)
    private = _private_key(private_text)
    algorithm = X25519_ALGORITHM if isinstance(private, X25519PrivateKey) else ALGORITHM
    if members["alg"] != algorithm:
        raise _undecryptable()
    try:
        return _SUITES[algorithm].decrypt(sealed, private, info=info)
    except (InvalidTag, ValueError):
        raise _undecryptable() from None


def checked_object(members: JsonObject) -> tuple[bytes, bytes]:
    """Return ciphertext (encapsulation first) and HPKE ``info`` of an object within the profile.

    Raises:
        CannotOpen: ``malformed`` or ``unsupported``.
    """
    if set(members) != MEMBERS or not all(isinstance(value, str) for value in members.values()):
        raise CannotOpen("malformed", "must have exactly the members alg, kid, ctx, ct")
    alg, key_id, ctx, ct = (str(members[name]) for name in ("alg", "kid", "ctx", "ct"))
    if alg not in _OVERHEAD:
        raise CannotOpen("unsupported", "not the algorithm this gateway seals with")
    try:
        context, sealed = base64url.decode(ctx), base64url.decode(ct)
        info = _info(key_id, context)
    except ValueError:
        raise CannotOpen("malformed", "ctx and ct must be canonical base64url") from None
    if not _OVERHEAD[alg] <= len(sealed) <= MAX_BLOB:
        raise CannotOpen("malformed", "the ciphertext has an impossible length")
    return sealed, info


def _undecryptable() -> CannotOpen:
    return CannotOpen("undecryptable", "not sealed to this key, or altered since")


def _info(key_id: str, context: bytes) -> bytes:
    """Return HPKE ``info``; the length before kid keeps (kid, context) pairs apart."""
    kid = key_id.encode("utf-8")
    if len(kid) > 512:
        raise ValueError("key id too long")
    return _DOMAIN + len(kid).to_bytes(2, "big") + kid + context


def _halves(seed: bytes) -> tuple[MLKEM768PrivateKey, X25519PrivateKey]:
    """Expand the seed as draft-connolly-cfrg-xwing-kem section 5.2 does: SHAKE256 to 96 bytes."""
    expanded = hashlib.shake_256(seed).digest(96)
    return (
        MLKEM768PrivateKey.from_seed_bytes(expanded[:64]),
        X25519PrivateKey.from_private_bytes(expanded[64:]),
    )


def _private_key(private_text: str) -> _PrivateKey:
    seed = _seed(private_text)
    if private_text.startswith(PRIVATE_PREFIX + _PLAIN):
        return X25519PrivateKey.from_private_bytes(seed)
    return MLKEM768X25519PrivateKey(*_halves(seed))


def _seed(private_text: str) -> bytes:
    raw = _decoded(private_text, PRIVATE_PREFIX)
    if len(raw) != _SEED:
        raise BadKey("length", "an HPKE private key is a 32-byte seed")
    return raw


@lru_cache(maxsize=1024)
def _public_key(public_text: str) -> _PublicKey:
    raw = _decoded(public_text, PUBLIC_PREFIX)
    if public_text.startswith(PUBLIC_PREFIX + _PLAIN):
        if len(raw) != _SEED:
            raise BadKey("length", "an X25519 public key is 32 bytes")
        return _checked_x25519(raw)
    if len(raw) != _PUBLIC:
        raise BadKey("length", f"an HPKE public key is {_PUBLIC} bytes")
    try:
        mlkem = MLKEM768PublicKey.from_public_bytes(raw[:_MLKEM_PUBLIC])
    except ValueError:
        raise BadKey("malformed", "the ML-KEM half is not a public key") from None
    return MLKEM768X25519PublicKey(mlkem, _checked_x25519(raw[_MLKEM_PUBLIC:]))


def _checked_x25519(raw: bytes) -> X25519PublicKey:
    public = X25519PublicKey.from_public_bytes(raw)
    try:
        # Refused here, when the key is recorded, rather than when an alert is due.
        X25519PrivateKey.generate().exchange(public)
    except ValueError:
        raise BadKey("weak", "the X25519 key is a low-order point") from None
    return public


def _decoded(text: str, prefix: str) -> bytes:
    body = text.removeprefix(prefix)
    if body == text:
        raise BadKey("malformed", f"must be {prefix} and base64url")
    try:
        return base64url.decode(body.removeprefix(_PLAIN))
    except ValueError:
        raise BadKey("malformed", f"must be {prefix} and base64url") from None
