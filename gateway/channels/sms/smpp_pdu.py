"""The SMPP messages this gateway speaks, written and read by aiosmpplib behind strict bounds.

Only the library's messages are used: its client opens connections without TLS, reads whatever
length the far side names, and sends again what it has lost track of. Nothing here logs.

Source: SMPP 3.4, sections 4 (messages), 5.1.3 (status), 5.3.2 (optional parameters), appendix B
(delivery receipts).
"""

import asyncio
import re
import struct
from dataclasses import dataclass
from typing import Final, Literal

from aiosmpplib import (  # type: ignore[import-untyped]
    NPI,
    TON,
    BindTransceiver,
    DeliverSm,
    DeliverSmResp,
    EnquireLink,
    EnquireLinkResp,
    GenericNack,
    PduHeader,
    PhoneNumber,
    SmppCommand,
    SmppCommandStatus,
    SubmitSm,
    Unbind,
    UnbindResp,
)

HEADER_LENGTH: Final = 16
MAX_FRAME_LENGTH: Final = 66 * 1024  # a message_payload of 64 KiB and what goes around it
ONE_SEGMENT: Final = 160

BIND_TRANSCEIVER_RESP: Final = 0x80000009
DELIVER_SM: Final = 0x00000005
ENQUIRE_LINK: Final = 0x00000015
GENERIC_NACK: Final = 0x80000000
SUBMIT_SM_RESP: Final = 0x80000004
UNBIND: Final = 0x00000006
A_RESPONSE: Final = 0x80000000

OK: Final = 0x00
BAD_DESTINATION: Final = frozenset({0x0B, 0x50, 0x51})
QUEUE_FULL: Final = 0x14
THROTTLED: Final = 0x58
TRY_AGAIN: Final = 0x64
NOT_WANTED: Final = 0x66

_RECEIPTED_MESSAGE_ID: Final = 0x001E
_MESSAGE_STATE: Final = 0x0427
_STATES: Final = {
    1: "ENROUTE", 2: "DELIVRD", 3: "EXPIRED", 4: "DELETED", 5: "UNDELIV", 6: "ACCEPTD",
    7: "UNKNOWN", 8: "REJECTD",
}  # fmt: skip
_DELIVERED: Final = frozenset({"DELIVRD"})
_FAILED: Final = frozenset({"EXPIRED", "DELETED", "UNDELIV", "REJECTD"})
# What follows `text:` is the sender's own words.
_RECEIPT_ID: Final = re.compile(r"\bid:([!-~]{1,65})", re.IGNORECASE | re.ASCII)
_RECEIPT_STATE: Final = re.compile(r"\bstat:([A-Z]{1,8})", re.IGNORECASE | re.ASCII)
_RECEIPT_TEXT: Final = re.compile(r"\btext:.*", re.IGNORECASE | re.ASCII | re.DOTALL)


class BadFrame(Exception):
    """What came is not SMPP, or not within bounds. Quotes nothing of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One message as it came."""

    command: int
    status: int  # carriers have statuses of their own
    sequence: int
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A delivery receipt."""

    message_id: str
    state: Literal["delivered", "failed", "delayed"]
    code: str  # sms-delivrd, sms-undeliv ...


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Incoming:
    """A text someone sent us."""

    sender: str
    text: str


async def read_frame(reader: asyncio.StreamReader, *, within_s: float) -> Frame:
    """Read one message; waiting for its first byte may take for ever, the rest `within_s`.

    Raises:
        BadFrame: its length is out of bounds.
        EOFError, OSError, TimeoutError: the connection ended, or drips.
    """
    first = await reader.readexactly(1)
    async with asyncio.timeout(within_s):
        head = first + await reader.readexactly(HEADER_LENGTH - 1)
        length, command, status, sequence = struct.unpack("!IIII", head)
        if not HEADER_LENGTH <= length <= MAX_FRAME_LENGTH:
            raise BadFrame
        body = await reader.readexactly(length - HEADER_LENGTH)
    return Frame(command=command, status=status, sequence=sequence, body=body)


def bind_transceiver(sequence: int, *, system_id: str, password: str) -> bytes:
    """Return a request to bind.

    Raises:
        ValueError: system_id over 15 characters, or password over 8.
    """
    return _bytes(
        BindTransceiver(sequence_num=sequence, system_id=system_id, password=password).pdu()
    )


def submit_sm(sequence: int, *, source: str, number: str, text: str) -> bytes:
    """Return a request to send a text and report on it; `text` is of the GSM alphabet."""
    long = len(text) > ONE_SEGMENT
    message = SubmitSm(
        sequence_num=sequence,
        source=_source(source),
        destination=PhoneNumber(number.removeprefix("+"), TON.INTERNATIONAL, NPI.ISDN),
        short_message="" if long else text,
        message_payload=text if long else "",
        registered_delivery=1,
    )
    return _bytes(message.pdu())


def deliver_sm_resp(sequence: int, status: int = OK) -> bytes:
    """Return the answer to a receipt or an incoming text."""
    return _bytes(
        DeliverSmResp(sequence_num=sequence, command_status=SmppCommandStatus(status)).pdu()
    )


def enquire_link(sequence: int) -> bytes:
    """Return the question whether the far side is there."""
    return _bytes(EnquireLink(sequence_num=sequence).pdu())


def enquire_link_resp(sequence: int) -> bytes:
    """Return the answer to that question."""
    return _bytes(EnquireLinkResp(sequence_num=sequence).pdu())


def unbind(sequence: int) -> bytes:
    """Return a request to unbind."""
    return _bytes(Unbind(sequence_num=sequence).pdu())


def unbind_resp(sequence: int) -> bytes:
    """Return the answer to a request to unbind."""
    return _bytes(UnbindResp(sequence_num=sequence).pdu())


def generic_nack(sequence: int) -> bytes:
    """Return the answer to a request of a kind not spoken here."""
    return _bytes(GenericNack(sequence_num=sequence, command_status=SmppCommandStatus(3)).pdu())


def message_id(frame: Frame) -> str:
    """Return the id a carrier gave a text, in the form receipts are matched by; or none. Pure."""
    return plain_id(frame.body.partition(b"\0")[0].decode("ascii", "replace"))


def plain_id(text: str) -> str:
    """Return a message id without what carriers write differently in a receipt. Pure."""
    return text[:65].strip().lower().lstrip("0")


def read_deliver(frame: Frame) -> Report | Incoming | None:
    """Return what a deliver_sm brings, or None when it cannot be read. Pure."""
    header = PduHeader(
        pdu_length=HEADER_LENGTH + len(frame.body),
        smpp_command=SmppCommand.DELIVER_SM,
        command_status=SmppCommandStatus.ESME_ROK,
        sequence_num=frame.sequence,
    )
    try:
        message = DeliverSm.from_pdu(bytes(HEADER_LENGTH) + frame.body, header, "gsm0338")
    except Exception:  # noqa: BLE001  # whatever a hostile body makes the library raise
        return None
    if message.is_receipt():
        return _report(message)
    if message.is_segmented():
        return None  # an answer fits in one
    number = message.source.number
    international = message.source.ton is TON.INTERNATIONAL and not number.startswith("+")
    return Incoming(
        sender=f"+{number}" if international else number,
        text=message.short_message or message.message_payload,
    )


def _report(message: DeliverSm) -> Report | None:
    ours = _RECEIPT_TEXT.sub("", message.short_message or message.message_payload)
    optional = {one.tag: one.value for one in message.optional_params or ()}
    id_ = str(optional.get(_RECEIPTED_MESSAGE_ID) or _first(_RECEIPT_ID, ours))
    state = _STATES.get(int(optional.get(_MESSAGE_STATE) or 0)) or _first(_RECEIPT_STATE, ours)
    if not id_ or not state:
        return None
    return _as_report(plain_id(id_), state.upper())


def _as_report(id_: str, state: str) -> Report:
    if state in _DELIVERED:
        return Report(message_id=id_, state="delivered", code="sms-delivrd")
    if state in _FAILED:
        return Report(message_id=id_, state="failed", code=f"sms-{state.lower()}")
    known = state if state in _STATES.values() else "UNKNOWN"
    return Report(message_id=id_, state="delayed", code=f"sms-{known.lower()}")


def _first(pattern: re.Pattern[str], text: str) -> str:
    found = pattern.search(text)
    return found[1] if found else ""


def _source(text: str) -> PhoneNumber:
    """Return our own address: a number, a short code, or the name a network agreed to show."""
    digits = text.removeprefix("+")
    if not digits.isdigit():
        return PhoneNumber(text, TON.ALPHANUMERIC, NPI.UNKNOWN)
    if len(digits) <= 6:  # short codes are five or six digits
        return PhoneNumber(digits, TON.NETWORK_SPECIFIC, NPI.UNKNOWN)
    return PhoneNumber(digits, TON.INTERNATIONAL, NPI.ISDN)


def _bytes(pdu: object) -> bytes:
    assert isinstance(pdu, bytes)  # noqa: S101  # the library is untyped
    return pdu
