"""A second JOSE implementation of our profile, from RFC 7516 and RFC 7518 alone.

It receives strictly what it is told and sends whatever header a test asks for.
"""

import json
import os
from base64 import urlsafe_b64decode, urlsafe_b64encode

from cryptography.hazmat.primitives.asymmetric import ec, x25519
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.concatkdf import ConcatKDFHash
from cryptography.hazmat.primitives.keywrap import aes_key_unwrap, aes_key_wrap

Public = x25519.X25519PublicKey | ec.EllipticCurvePublicKey
Private = x25519.X25519PrivateKey | ec.EllipticCurvePrivateKey


def b64(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def unb64(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _number(text: str) -> int:
    return int.from_bytes(unb64(text), "big")


def _public(jwk: dict) -> Public:
    if jwk["crv"] == "X25519":
        return x25519.X25519PublicKey.from_public_bytes(unb64(jwk["x"]))
    numbers = ec.EllipticCurvePublicNumbers(_number(jwk["x"]), _number(jwk["y"]), ec.SECP256R1())
    return numbers.public_key()


def _private(jwk: dict) -> Private:
    if jwk["crv"] == "X25519":
        return x25519.X25519PrivateKey.from_private_bytes(unb64(jwk["d"]))
    return ec.derive_private_key(_number(jwk["d"]), ec.SECP256R1())


def _ephemeral(curve: str) -> tuple:
    if curve == "X25519":
        key = x25519.X25519PrivateKey.generate()
        jwk = {"kty": "OKP", "crv": curve, "x": b64(key.public_key().public_bytes_raw())}
        return key, jwk
    key = ec.generate_private_key(ec.SECP256R1())
    point = key.public_key().public_numbers()
    x, y = (b64(value.to_bytes(32, "big")) for value in (point.x, point.y))
    return key, {"kty": "EC", "crv": curve, "x": x, "y": y}


def _derive(private: Private, public: Public, header: dict) -> bytes:
    if isinstance(private, x25519.X25519PrivateKey):
        shared = private.exchange(public)
    else:
        shared = private.exchange(ec.ECDH(), public)
    algorithm = header["enc"] if header["alg"] == "ECDH-ES" else header["alg"]
    fields = (str(algorithm).encode(), unb64(header.get("apu", "")), unb64(header.get("apv", "")))
    other = b"".join(len(field).to_bytes(4, "big") + field for field in fields)
    return ConcatKDFHash(SHA256(), 32, other + (256).to_bytes(4, "big")).derive(shared)


def receive(token: bytes, private_jwk: str) -> tuple[dict, bytes]:
    first, wrapped, iv, ciphertext, tag = token.decode().split(".")
    header = json.loads(unb64(first))
    key = _derive(_private(json.loads(private_jwk)), _public(header["epk"]), header)
    if header["alg"] != "ECDH-ES":
        key = aes_key_unwrap(key, unb64(wrapped))
    plaintext = AESGCM(key).decrypt(unb64(iv), unb64(ciphertext) + unb64(tag), first.encode())
    return header, plaintext


def send(plaintext: bytes, public_jwk: str, **changes: object) -> bytes:
    """Seal; `changes` add to or replace header members, None removes one."""
    recipient = json.loads(public_jwk)
    ephemeral, epk = _ephemeral(recipient["crv"])
    header = {"alg": "ECDH-ES+A256KW", "enc": "A256GCM", "kid": "k1", "epk": epk}
    header["typ"] = "throughgate-sealed+jwe"
    header = {k: v for k, v in {**header, **changes}.items() if v is not None}
    key = _derive(ephemeral, _public(recipient), {"alg": "", "enc": "", **header})
    wrapped = b""
    if header.get("alg") != "ECDH-ES":
        wrapping, key = key, os.urandom(32)
        wrapped = aes_key_wrap(wrapping, key)
    return assemble(json.dumps(header).encode(), wrapped, key, plaintext)


def assemble(header: bytes, wrapped: bytes, key: bytes, plaintext: bytes) -> bytes:
    first, iv = b64(header), os.urandom(12)
    sealed = AESGCM(key).encrypt(iv, plaintext, first.encode())
    return ".".join([first, *map(b64, (wrapped, iv, sealed[:-16], sealed[-16:]))]).encode()
