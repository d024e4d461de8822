"""What is said to MESH and by it: accounts, messages, ids, and how its answers are read."""

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from urllib.parse import parse_qs, urlsplit

import orjson

from gateway.mesh_mailbox.trouble import MeshTrouble, MeshUnreadable
from gateway.model.strict_json import JsonObject

ANY_BYTES: Final = "application/octet-stream"  # the type of every chunk of several
MAX_CHUNKS: Final = 1000

_MAILBOX_ID: Final = re.compile(r"[A-Z0-9_]{3,100}")
_WORKFLOW_ID: Final = re.compile(r"[A-Za-z0-9_.-]{2,100}")
_MESSAGE_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,100}")
_LOCAL_ID: Final = re.compile(r"[A-Za-z0-9_.-]{1,300}")
_CODE: Final = re.compile(r"[A-Za-z0-9-]{1,40}")
_CHUNK_RANGE: Final = re.compile(r"([0-9]{1,6}):([0-9]{1,6})")


class BadMailbox(ValueError):
    """Text that is not a MESH mailbox id or workflow id. Never quotes it."""


def check_mailbox_id(text: str) -> str:
    """Return a mailbox id in upper case, as MESH compares them.

    Raises:
        BadMailbox: not 3 to 100 letters, digits and underscores.

    Pure.
    """
    if not text.isascii() or not _MAILBOX_ID.fullmatch(text.upper()):
        raise BadMailbox("address: a MESH mailbox id is 3 to 100 letters, digits and underscores")
    return text.upper()


def check_workflow_id(text: str) -> str:
    """Return a workflow id unchanged.

    Raises:
        BadMailbox: not 2 to 100 letters, digits, dots, hyphens and underscores.

    Pure.
    """
    if not _WORKFLOW_ID.fullmatch(text):
        raise BadMailbox("a MESH workflow id is 2 to 100 letters, digits, dots, hyphens")
    return text


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class MeshAccount:
    """Which mailbox, and the two secrets that prove it is ours."""

    mailbox: str
    password: str
    shared_key: str


def token(account: MeshAccount, *, nonce: str, count: int, at: datetime) -> str:
    """Return the Authorization header of one request; MESH takes each nonce and count once.

    Args:
        account: Whose request it is.
        nonce: New for every run of the program.
        count: From 0, new for every request.
        at: Aware; MESH allows it to be two hours off.

    Pure.
    """
    minute = at.astimezone(UTC).strftime("%Y%m%d%H%M")
    said = f"{account.mailbox}:{nonce}:{count}"
    proven = f"{said}:{account.password}:{minute}".encode()
    mac = hmac.new(account.shared_key.encode(), proven, hashlib.sha256).hexdigest()
    return f"NHSMESH {said}:{minute}:{mac}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """One message to send. All but `body` can be read by whoever runs MESH."""

    to: str  # mailbox id
    workflow_id: str
    local_id: str  # the sender's own: what makes a repeat recognisable
    content_type: str
    body: bytes


def headers_of(message: Outgoing, *, chunks: int) -> dict[str, str]:
    """Return the headers of a message's first request, or of its only one.

    Raises:
        ValueError: an id that is none; its text quotes nothing.

    Pure.
    """
    headers = {
        "Mex-To": check_mailbox_id(message.to),
        "Mex-WorkflowID": check_workflow_id(message.workflow_id),
        "Mex-LocalID": checked_local_id(message.local_id),
        "Mex-Chunk-Range": f"1:{chunks}",
        "Mex-Content-Encrypted": "Y",
        "Mex-Content-Checksum": f"sha256:{hashlib.sha256(message.body).hexdigest()}",
    }
    if chunks == 1:
        return headers | {"Content-Type": message.content_type}
    return headers | {"Content-Type": ANY_BYTES, "Mex-Content-Type": message.content_type}


@dataclass(frozen=True, slots=True, kw_only=True)
class Incoming:
    """One message as it lies in the mailbox."""

    message_id: str
    sender: str  # mailbox id; empty for MESH itself
    workflow_id: str
    local_id: str  # of a report: the local id of the message it is about
    report: str | None  # a report's code, such as 14 (not collected in time); None: not a report
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Tracked:
    """What MESH knows of a message that was sent."""

    message_id: str
    status: str  # uploading, accepted, acknowledged, undeliverable or error
    recipient: str


def chunk_count(headers: Mapping[str, str]) -> int:
    """Return how many chunks a message has, from the headers of its first.

    Raises:
        MeshUnreadable: chunk-range: not the first, or more than `MAX_CHUNKS`.
    """
    match = _CHUNK_RANGE.fullmatch(headers.get("Mex-Chunk-Range", "1:1").replace(" ", ""))
    if match is None or int(match[1]) != 1 or not 1 <= int(match[2]) <= MAX_CHUNKS:
        raise MeshUnreadable("chunk-range")
    return int(match[2])


def continue_from(links: object) -> str | None:
    """Return where the next page begins. The address it comes in is not followed: only what it
    says of the place is taken."""
    further = links.get("next") if isinstance(links, dict) else None
    if not isinstance(further, str):
        return None
    return parse_qs(urlsplit(further).query).get("continue_from", [None])[0]


def error_code(body: bytes) -> str:
    """Return MESH's own error code, if there is one; its words are prose and may quote."""
    members = members_of(body, strict=False)
    detail = members.get("detail")
    first = detail[0] if isinstance(detail, list) and detail else members
    code = first.get("code") or first.get("errorCode") if isinstance(first, dict) else None
    return f"-{code}" if isinstance(code, str) and _CODE.fullmatch(code) else ""


def report_code(text: str | None) -> str:
    """Return the code of a report, or ``none`` where it has none that is safe to repeat."""
    return text if text and _CODE.fullmatch(text) else "none"


def checked_message_id(value: object) -> str:
    """Return MESH's own id of a message.

    Raises:
        MeshTrouble: bad-reply: not 1 to 100 letters, digits, hyphens, underscores.
    """
    if not isinstance(value, str) or not _MESSAGE_ID.fullmatch(value):
        raise MeshTrouble("bad-reply")
    return value


def checked_local_id(text: str) -> str:
    """Return a sender's own id of a message unchanged.

    Raises:
        ValueError: not 1 to 300 letters, digits, dots, hyphens, underscores.
    """
    if not _LOCAL_ID.fullmatch(text):
        raise ValueError("a local id is 1 to 300 letters, digits, dots, hyphens, underscores")
    return text


def members_of(body: bytes, *, strict: bool = True) -> JsonObject:
    """Return the members of a JSON object.

    Raises:
        MeshTrouble: bad-reply, when strict and it is anything else.
    """
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        value = None
    if not isinstance(value, dict):
        if strict:
            raise MeshTrouble("bad-reply")
        return {}
    return value
