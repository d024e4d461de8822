"""What a person may answer a text with: YES or NO and the reference, and nothing else counts."""

import re
from typing import Final

from gateway.channels.addresses import BadAddress, check_phone
from gateway.model.outcome import Reply

_REPLY: Final = re.compile(
    r"\s*(YES|NO)\s+([0-9A-Z]{3}(-?)[0-9A-Z]{3}\3[0-9A-Z]{3}\3[0-9A-Z]{3})\.?\s*",
    re.ASCII | re.IGNORECASE,
)
_INTERNATIONAL: Final = re.compile(r"[1-9][0-9]{7,14}", re.ASCII)
MAX_REPLY_LENGTH: Final = 160


def read_reply(sender: str, text: str) -> Reply | None:
    """Return what a text says in answer to an alert, or None when it says anything else.

    Args:
        sender: The number it came from: E.164 with or without ``+``, or national.
        text: ``YES`` or ``NO``, in any case, white space, then the twelve characters of the
            reference with all three dashes or none; a full stop may follow.

    Pure. Whose number it is, is for the caller to say.
    """
    match = _REPLY.fullmatch(text) if len(text) <= MAX_REPLY_LENGTH else None
    number = read_sender(sender)
    if match is None or number is None:
        return None
    return Reply(
        channel="sms",
        address=number,
        answer="acknowledged" if match[1].upper() == "YES" else "rejected",
        reference=match[2].replace("-", "").upper(),
    )


def read_sender(text: str) -> str | None:
    """Return the number a text came from in E.164 form, or None: short codes, names. Pure."""
    # Carriers leave the + out of international numbers, which would then be read as national.
    international = f"+{text}" if _INTERNATIONAL.fullmatch(text) else text
    try:
        return check_phone(international)
    except BadAddress:
        return None
