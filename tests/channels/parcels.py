"""Parcels to try channels with: a synthetic person's alert, already sealed or content-free."""

from datetime import UTC, datetime
from typing import Any

from gateway.model.disclosure import Parcel
from gateway.model.ids import AlertId, EndpointId

ALERT = AlertId("alt_0193f2b0-7b1e-7c3e-9a51-3c2f2a9d1e01")
# 2026-11-20T09:30:00Z; every channel under test reads this clock.
NOW = 1_795_167_000.0

HPKE = b'{"v":1,"kem":"MLKEM768_X25519","enc":"AAEC","ciphertext":"c2VhbGVkLWNhbmFyeQ"}'
JWE = b"eyJhbGciOiJFQ0RILUVTIn0..AAAA.c2VhbGVkLWNhbmFyeQ.BBBB"
AUTH_ENVELOPED = bytes.fromhex("060b2a864886f70d0109100117")
ENVELOPED = bytes.fromhex("06092a864886f70d010703")


def a_cms(content: bytes = b"\x01\x02\x03\x04", *, oid: bytes = AUTH_ENVELOPED) -> bytes:
    """SEQUENCE { OID, [0] { OCTET STRING } }: enough of CMS for a channel."""
    return _element(0x30, oid + _element(0xA0, _element(0x04, content)))


def _element(tag: int, content: bytes) -> bytes:
    length = len(content)
    size = (length.bit_length() + 7) // 8
    head = bytes([length]) if length < 0x80 else bytes([0x80 | size]) + length.to_bytes(size)
    return bytes([tag]) + head + content


CMS = a_cms()
NOTICE = b"Something is waiting. Sign in to read it.\n.\nNot here."

_BY_CHANNEL: dict[str, dict[str, Any]] = {
    "webhook": {"form": "sealed", "sealed": HPKE, "address": "https://hook.example.org/in"},
    "email": {"form": "notice", "sealed": NOTICE, "address": "duty.desk@police.example.org"},
    "sms": {"form": "pointer", "sealed": b"K7-QQ2-9XD", "address": "07700 900123"},
}


def clock() -> float:
    return NOW


def a_parcel(channel: str = "webhook", **changes: Any) -> Parcel:
    members: dict[str, Any] = {
        "alert": ALERT,
        "endpoint": EndpointId("police-north/webhook"),
        "channel": channel,
        "proof": "c2sp.org/tlog-proof@v1\nindex 7\n\n— log.example.org AbCd\n",
        "decided_at": datetime(2026, 11, 20, 9, 29, 58, 250_000, tzinfo=UTC),
        "attempt": 1,
    }
    return Parcel(**(members | _BY_CHANNEL[channel] | changes))
