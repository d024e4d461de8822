"""A second HPKE receiver, written from the specifications alone, to keep the first one honest.

RFC 9180 sections 4 and 5 (base mode key schedule) and draft-ietf-hpke-pq (KEM 0x647a).
"""

import hashlib
import hmac
import json
from base64 import urlsafe_b64decode

from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

SUITE = b"HPKE" + bytes.fromhex("647a00010002")


def unb64(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _extract(salt: bytes, label: bytes, ikm: bytes) -> bytes:
    return hmac.digest(salt or bytes(32), b"HPKE-v1" + SUITE + label + ikm, "sha256")


def _expand(key: bytes, label: bytes, info: bytes, length: int) -> bytes:
    labelled = length.to_bytes(2, "big") + b"HPKE-v1" + SUITE + label + info
    return hmac.digest(key, labelled + b"\x01", "sha256")[:length]


def _decapsulate(seed: bytes, encapsulated: bytes) -> bytes:
    expanded = hashlib.shake_256(seed).digest(96)
    lattice = MLKEM768PrivateKey.from_seed_bytes(expanded[:64])
    curve = X25519PrivateKey.from_private_bytes(expanded[64:])
    ct_lattice, ct_curve = encapsulated[:1088], encapsulated[1088:]
    parts = (
        lattice.decapsulate(ct_lattice),
        curve.exchange(X25519PublicKey.from_public_bytes(ct_curve)),
        ct_curve,
        curve.public_key().public_bytes_raw(),
        bytes.fromhex("5c2e2f2f5e5c"),
    )
    return hashlib.sha3_256(b"".join(parts)).digest()


def receive(blob: bytes, private_text: str) -> bytes:
    members = json.loads(blob)
    kid = members["kid"].encode()
    info = b"throughgate/seal/v1\0" + len(kid).to_bytes(2, "big") + kid + unb64(members["ctx"])
    raw = unb64(members["ct"])
    shared = _decapsulate(unb64(private_text.removeprefix("thsk_")), raw[:1120])
    schedule = b"\0" + _extract(b"", b"psk_id_hash", b"") + _extract(b"", b"info_hash", info)
    secret = _extract(shared, b"secret", b"")
    key = _expand(secret, b"key", schedule, 32)
    return AESGCM(key).decrypt(_expand(secret, b"base_nonce", schedule, 12), raw[1120:], b"")
