"""Leases: who owns which shard, for how long, and under which token; and the fence that asks.

A row is a shard, or from 32 on the seat of a process: who sits is counted, and each has its fair
share. A token rises whenever its shard changes hands, so a write begun under an older one is found
in the transaction that would make it, however long its process slept. Leases end by one clock, the
database server's; a file is used from one machine, whose own time is passed in.

Nothing here is logged as an entry, and all of it may be done while the log is behind.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple, TypeAlias, TypeVar

import apsw

from gateway.model.ids import AlertId, EventRef
from gateway.shards import FIRST, SHARDS, Tokens, shard_at
from gateway.store.engine import Connection
from gateway.store.group_commit import Staged, Unit
from gateway.store.sqlite import StoreUnavailable
from gateway.store.times import milliseconds

T = TypeVar("T")

SEATS: Final = 64  # processes that are counted; more wait for one to go
_MS: Final = timedelta(milliseconds=1)


class LeaseLost(StoreUnavailable):
    """Nothing was written: the shard is another's by now, or was in between."""

    def __init__(self) -> None:
        super().__init__("lease-lost", "the shard is owned by another process now")


class Lease(NamedTuple):
    """One shard and the token it is held under, as the database has it."""

    shard: int
    token: int


# Finds the shards a unit is about, with their tokens, within its transaction.
About: TypeAlias = Callable[[Connection], Iterable[Lease]]


def of_event(ref: EventRef) -> About:
    """Return what finds the shard of an event."""
    return lambda connection: _found(connection, _OF_EVENT, [(ref,)])


def of_alerts(alerts: Sequence[AlertId]) -> About:
    """Return what finds the shards of alerts, by what of them is in the outbox."""
    return lambda connection: _found(connection, _OF_ALERT, [(alert,) for alert in alerts])


def of_slots(slots: Iterable[int]) -> About:
    """Return what finds the shards of rows of these slots."""
    wanted = sorted({shard_at(slot) for slot in slots})
    return lambda connection: _found(connection, _OF_SHARD, [(shard,) for shard in wanted])


def of_first() -> About:
    """Return what finds the shard whose owner does what one process does for all."""
    return of_slots([FIRST])


def _found(
    connection: Connection, statement: str, keys: Iterable[tuple[object, ...]]
) -> Iterable[Lease]:
    for key in keys:
        rows = connection.execute(statement, key).fetchall()
        if not rows:
            raise LeaseLost  # of what nobody ever held, or what is gone
        for shard, token in rows:
            yield Lease(shard, token)


_OF_SHARD: Final = "SELECT shard, token FROM lease WHERE shard = ?"
_OF_EVENT: Final = (
    "SELECT lease.shard, lease.token FROM event JOIN lease ON lease.shard = abs(event.slot) % 32"
    " WHERE event.ref = ?"
)
_OF_ALERT: Final = (
    "SELECT DISTINCT lease.shard, lease.token FROM outbox"
    " JOIN lease ON lease.shard = abs(outbox.slot) % 32 WHERE outbox.alert = ?"
)


def fenced(unit: Unit[T], tokens: Tokens, about: About) -> Unit[T]:
    """Return the unit that does nothing unless every shard it is about is still held.

    Args:
        unit: What decides, records or carries out.
        tokens: What its work was begun under; None: there are no leases, and it is the unit as is.
        about: Which shards those are.

    Raises (from the unit):
        LeaseLost.
    """
    if tokens is None:
        return unit

    def guarded(connection: Connection) -> Staged[T]:
        for shard, token in about(connection):
            if tokens.get(shard) != token:
                raise LeaseLost
        return unit(connection)

    return guarded


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What a process holds after a turn."""

    tokens: Mapping[int, int]
    share: int  # how many shards are its due
    holders: int  # processes that are there


def keep(
    holder: str, held: Mapping[int, int], *, now: datetime, lease_for: timedelta
) -> Unit[Kept]:
    """Return the unit that renews what a process holds, and takes up to its fair share of what is
    free. What it held and has lost is not among the result; what is more than its share is.

    Args:
        holder: The process: of one start, never used again.
        held: Shard and token of each lease it believes it has.
        now: The time, where the database has no clock of its own.
        lease_for: How long each lease is from then.
    """

    def unit(connection: Connection) -> Staged[Kept]:
        at = _time(connection, now)
        until = at + lease_for // _MS
        there = _sit(connection, holder, at, until)
        share = share_of(holder, there)
        tokens = _renew(connection, holder, held, until)
        tokens |= _take(connection, holder, share - len(tokens), at, until, have=tokens)
        return Staged(Kept(tokens=tokens, share=share, holders=len(there)), while_behind=True)

    return unit


def stay(
    holder: str, held: Mapping[int, int], *, now: datetime, lease_for: timedelta
) -> Unit[Kept]:
    """Return the unit that only renews what a process holds, of which nothing is its due: it is
    about to go."""
    renewing = renew(holder, held, now=now, lease_for=lease_for)

    def unit(connection: Connection) -> Staged[Kept]:
        tokens = renewing(connection).result
        return Staged(Kept(tokens=tokens, share=0, holders=1), while_behind=True)

    return unit


def take(holder: str, wanted: int, *, now: datetime, lease_for: timedelta) -> Unit[dict[int, int]]:
    """Return the unit that takes up to so many free shards; its result: those, with tokens."""

    def unit(connection: Connection) -> Staged[dict[int, int]]:
        at = _time(connection, now)
        ours: list[Any] = connection.execute(_OURS, (holder,)).fetchall()
        until = at + lease_for // _MS
        found = _take(connection, holder, wanted, at, until, have=dict(ours))
        return Staged(found, while_behind=True)

    return unit


def renew(
    holder: str, held: Mapping[int, int], *, now: datetime, lease_for: timedelta
) -> Unit[dict[int, int]]:
    """Return the unit that renews leases; its result: those that are still the holder's. One that
    has ended and that nobody took is."""

    def unit(connection: Connection) -> Staged[dict[int, int]]:
        until = _time(connection, now) + lease_for // _MS
        return Staged(_renew(connection, holder, held, until), while_behind=True)

    return unit


def release(holder: str, shards: Iterable[int] | None = None) -> Unit[None]:
    """Return the unit that gives shards up, so that others take them at once.

    Args:
        holder: Whose; of others' it gives up none.
        shards: Which; None: all, and the seat.
    """
    named = None if shards is None else sorted(shards)

    def unit(connection: Connection) -> Staged[None]:
        if named is None:
            connection.execute(_LEAVE, (holder,))
        else:
            connection.executemany(_RELEASE, [(shard, holder) for shard in named])
        return Staged(None, while_behind=True)

    return unit


def share_of(holder: str, holders: Sequence[str]) -> int:
    """Return how many shards are a process's due among those there, itself included. Pure."""
    each, over = divmod(SHARDS, len(holders))
    return each + (sorted(holders).index(holder) < over)


def _time(connection: Connection, now: datetime) -> int:
    """Return the time leases are judged by. In a transaction that waited for its turn it is that
    after the wait."""
    if isinstance(connection, apsw.Connection):
        return milliseconds(now)
    return int(connection.execute(_SERVER_TIME).get)


def _sit(connection: Connection, holder: str, at: int, until: int) -> list[str]:
    """Take or keep a seat; return who is there, the holder included, even without a seat."""
    connection.execute(_KEEP_SEAT, (until, holder))
    rows: list[tuple[int, str, int]] = connection.execute(_SEATED).fetchall()
    there = {who for _, who, ends in rows if ends > at}
    if holder not in there:
        taken = {seat for seat, _, ends in rows if ends > at}
        free = [seat for seat in range(SHARDS, SHARDS + SEATS) if seat not in taken]
        if free:
            connection.execute(_TAKE, (free[0], holder, until))
    return sorted(there | {holder})


def _renew(
    connection: Connection, holder: str, held: Mapping[int, int], until: int
) -> dict[int, int]:
    """Renew what is still the holder's under the token it has."""
    rows: list[Any] = connection.execute(_OURS, (holder,)).fetchall()
    still = {shard: token for shard, token in rows if held.get(shard) == token}
    if still:
        connection.executemany(_RENEW, [(until, shard, holder) for shard in still])
    return still


def _take(
    connection: Connection,
    holder: str,
    wanted: int,
    at: int,
    until: int,
    *,
    have: Mapping[int, int],
) -> dict[int, int]:
    if wanted <= 0:
        return {}
    rows: list[Any] = connection.execute(_TAKEN, (at, holder)).fetchall()
    taken = {shard for (shard,) in rows} | have.keys()
    free = [shard for shard in range(SHARDS) if shard not in taken][:wanted]
    return {shard: int(connection.execute(_TAKE, (shard, holder, until)).get) for shard in free}


# Of a row of whichever table: whether its shard is among those of a mask. The slot of what the
# command line inserts is negative: some worker must find it all the same.
OWNED: Final = "(:owned >> CAST(abs(slot) % 32 AS INTEGER)) & 1 = 1"
_SERVER_TIME: Final = "SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)"
_KEEP_SEAT: Final = "UPDATE lease SET until = ? WHERE holder = ? AND shard >= 32"
_SEATED: Final = "SELECT shard, holder, until FROM lease WHERE shard >= 32 ORDER BY shard"
_OURS: Final = "SELECT shard, token FROM lease WHERE holder = ? AND shard < 32 ORDER BY shard"
_RENEW: Final = "UPDATE lease SET until = ? WHERE shard = ? AND holder = ?"
# What the holder has and does not know of, for the answer was lost, it takes anew.
_TAKEN: Final = "SELECT shard FROM lease WHERE shard < 32 AND until > ? AND holder <> ?"
_TAKE: Final = (
    "INSERT INTO lease (shard, holder, token, until) VALUES (?, ?, 1, ?)"
    " ON CONFLICT (shard) DO UPDATE SET holder = excluded.holder, until = excluded.until,"
    " token = lease.token + 1 RETURNING token"
)
_RELEASE: Final = "UPDATE lease SET holder = '', until = 0 WHERE shard = ? AND holder = ?"
_LEAVE: Final = "UPDATE lease SET holder = '', until = 0 WHERE holder = ?"
