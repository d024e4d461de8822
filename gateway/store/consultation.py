"""The choke point of consultation: look, log that it was looked, and only then answer.

Whoever shows something of a person, or of the log, goes through `Asked` and `Seen`: what was looked
up in vain is logged alike. Source: DPA 2018 s.62(1)(c), s.62(2): the date and time, and so far as
possible the identity of the person who consulted.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from gateway.disclosure_log import entry
from gateway.model.ids import AgencyName, PersonRef, RecipientId
from gateway.store import justifications
from gateway.store.engine import Connection
from gateway.store.group_commit import Staged, Unit
from gateway.store.sealed import SealedStore

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Who looks, at what, and why."""

    what: str  # a code: "tasks", "duties", "record"
    reader: str  # role or staff id; enters the log
    about: Mapping[str, str] | None = None  # references only
    agency: AgencyName | None = None  # the controller it is for
    why: tuple[SealedStore, str] | None = None  # kept sealed under the person's key, if one is seen


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen(Generic[T]):
    """What was found, and of whom."""

    result: T
    shown: int  # how many rows; 0: nothing
    person: PersonRef | None = None
    recipient: RecipientId | None = None


def logged(asked: Asked, seen: Seen[T], now: datetime) -> Unit[T]:
    """Return the unit that logs a consultation and keeps why; its result is what was seen."""
    body = entry.question(
        at=now,
        what=asked.what,
        reader=asked.reader,
        person=seen.person,
        recipient=seen.recipient,
        agency=asked.agency,
        about=asked.about,
        shown=seen.shown,
        reason_mac=justifications.digest(*asked.why) if asked.why else None,
    ).encode()

    def unit(connection: Connection) -> Staged[T]:
        if asked.why and seen.person is not None:
            sealed, words = asked.why
            justifications.keep_if_it_opens(connection, sealed, seen.person, words)
        return Staged(seen.result, [body])

    return unit


async def consult(
    commit: Callable[[Unit[T]], Awaitable[T]],
    reader: Connection,
    asked: Asked,
    look: Callable[[Connection], Seen[T]],
    *,
    now: datetime,
) -> T:
    """Look, and return what was seen once the log has it. Commits.

    Raises:
        StoreUnavailable: it could not be logged; nothing is shown.
        Anything `look` raises: then nothing was seen, and nothing is logged.
    """
    return await commit(logged(asked, look(reader), now))
