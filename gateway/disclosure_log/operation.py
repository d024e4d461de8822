"""What the log records: its operations, and the one form every entry of it has. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

from gateway.disclosure_log.canonical import canonical_json
from gateway.model.strict_json import Json, JsonObject

MAX_TEXT: Final = 300  # characters of any string; a narrative does not fit by accident
MAX_ENTRY_BYTES: Final = 65_535  # an entry bundle prefixes each entry with a uint16

_LAWFUL_OPERATIONS: Final = frozenset(  # DPA 2018 s.62(1): all six
    ("collection", "alteration", "consultation", "disclosure", "combination", "erasure")
)
OPERATIONS: Final = _LAWFUL_OPERATIONS | {  # and what else a DPO must be able to prove
    "genesis",
    "refusal",
    "decision",
    "attempt",
    "acknowledgement",
    "receipt",
    "sealing",
    "escalation",
    "security",
    "directory",
    "rulebook",
    "approval",
    "gap",
    "log-key",
    "sign-in",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One entry. Make it with the functions of `gateway.disclosure_log.entry`.

    Raises:
        ValueError: unknown operation, a time without a zone, a text over 300 characters, or a
            field that would hide ``v``, ``op`` or ``at``.
    """

    op: str
    at: datetime
    fields: Mapping[str, Json]

    def __post_init__(self) -> None:
        if self.op not in OPERATIONS:
            raise ValueError("not an operation of the log")
        if self.at.tzinfo is None:
            raise ValueError("an entry's time must be aware")
        if not self.fields.keys().isdisjoint(("v", "op", "at")):
            raise ValueError("fields may not rename the entry")
        _check_texts(self.fields.values())

    def encode(self) -> bytes:
        """Return the entry's canonical JSON: the exact bytes that are hashed, stored and served.

        Raises:
            ValueError: longer than 65535 bytes, or a text that is not Unicode.
        """
        head: JsonObject = {"v": 1, "op": self.op, "at": timestamp(self.at)}
        body = canonical_json(head | dict(self.fields))
        if len(body) > MAX_ENTRY_BYTES:
            raise ValueError("an entry is at most 65535 bytes")
        return body


def stated(op: str, at: datetime, **fields: Json) -> Entry:
    """Return an entry of the fields that say something."""
    return Entry(
        op=op, at=at, fields={name: one for name, one in fields.items() if one is not None}
    )


@lru_cache(maxsize=1024)  # one moment is written many times over
def timestamp(moment: datetime) -> str:
    """Return an aware time as the log writes it: RFC 3339, UTC, milliseconds (cut), ``Z``."""
    utc = moment.astimezone(UTC).replace(tzinfo=None)
    return utc.isoformat(timespec="milliseconds") + "Z"


def _check_texts(values: Iterable[Json]) -> None:
    for value in values:
        if isinstance(value, str):
            if len(value) > MAX_TEXT:
                raise ValueError("a text in an entry is at most 300 characters")
        elif isinstance(value, dict):
            _check_texts(value.values())
        elif isinstance(value, list):
            _check_texts(value)
