"""Finding entries of the log by what they mention, exactly, whatever has been indexed so far.

The index is made from committed entries alone, after they are committed and a little at a time, and
may be made anew whenever. Entries it does not cover yet are looked at one by one.
"""

import asyncio
import heapq
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import groupby, islice
from typing import Any, Final

import orjson

from gateway.disclosure_log.operation import timestamp
from gateway.store.engine import Connection
from gateway.store.group_commit import Staged, Unit
from gateway.store.log_terms import Term, terms_of
from gateway.store.sqlite import StoreUnavailable

__all__ = ["CONTROLLER", "Found", "Query", "Term", "catch_up", "search", "start_anew", "terms_of"]

CONTROLLER: Final = "controller"  # term: the agency that posted the event an entry is about
AT_ONCE: Final = 128  # entries in one turn: what waits for the writer waits this long
LOOK_EVERY_S: Final = 1.0
TURNS: Final = 16  # between two looks, while the log rests
FAR_BEHIND: Final = 50_000  # entries: a second of looking at them one by one
_COUNTED: Final = (256, 2048, 16_384)  # how far is counted to tell a rare term from common ones
_PAGE: Final = 256  # entries read at a time
_TICK: Final = timedelta(milliseconds=1)  # entries are no more precise


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What entries must mention and when they must be from. Nothing at all: every entry."""

    terms: tuple[Term, ...] = ()  # all of them
    any_of: tuple[tuple[Term, ...], ...] = ()  # of each group at least one; an empty group: nothing
    since: datetime | None = None  # this moment is in
    until: datetime | None = None  # this one is not

    @property
    def groups(self) -> tuple[tuple[Term, ...], ...]:
        """Every condition as a group of terms of which one must be there."""
        return (*((one,) for one in dict.fromkeys(self.terms)), *self.any_of)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One page, newest first."""

    entries: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    next: int | None = None  # pass as `after`; None: this is all


def search(connection: Connection, query: Query, *, after: int | None = None, limit: int) -> Found:
    """Return the entries a query means, newest first. Reads only, from one snapshot.

    Args:
        connection: Sees committed entries.
        query: What they mention.
        after: The `next` of the page before: only older entries.
        limit: At least 1.
    """
    with connection:
        size = _size(connection)
        bound = size if after is None else min(after, size)
        found = list(islice(_matching(connection, query, bound), limit + 1))
    more = len(found) > limit
    return Found(entries=found[:limit], next=found[limit - 1][0] if more else None)


def catch_up(limit: int = AT_ONCE) -> Unit[int]:
    """Return the unit that indexes the next entries; its result says how many there were.

    It logs nothing: the index says nothing the log does not.
    """

    def unit(connection: Connection) -> Staged[int]:
        start = _indexed(connection)
        rows: list[Any] = connection.execute(_FORWARD, (start, start + limit)).fetchall()
        if rows:
            _index(connection, [(index, orjson.loads(body)) for index, body in rows])
            connection.execute(_NOTE, (str(start + len(rows)),))
        return Staged(len(rows))

    return unit


def start_anew() -> Unit[None]:
    """Return the unit that empties the index; `catch_up` makes it again from the entries."""

    def unit(connection: Connection) -> Staged[None]:
        connection.execute("DELETE FROM log_posting; DELETE FROM log_term")
        connection.execute(_NOTE, ("0",))
        return Staged(None)

    return unit


async def keep_indexed(
    commit: Callable[[Unit[int]], Awaitable[int]],
    reader: Connection,
    *,
    every_s: float = LOOK_EVERY_S,
) -> None:
    """Index what is committed, for as long as this runs: one worker does it for all.

    While the log grows fast it waits, for the writer has better to do and whoever searches looks at
    the rest one by one; but not until that would take them long.
    """
    while True:
        before = _size(reader)
        await asyncio.sleep(every_s)
        size = _size(reader)
        if size - before < AT_ONCE:
            turns = TURNS
        else:
            turns = TURNS // 4 if size - _indexed(reader) > FAR_BEHIND else 0
        with suppress(StoreUnavailable):  # no space, or busy: whoever writes says so
            for _ in range(turns):
                if await commit(catch_up()) < AT_ONCE:
                    break


def _size(connection: Connection) -> int:
    return int(connection.execute("SELECT size FROM log_head").get or 0)


def _indexed(connection: Connection) -> int:
    """Return how many entries, from the first, are indexed."""
    return int(connection.execute("SELECT value FROM setting WHERE name = 'log_indexed'").get or 0)


def _index(connection: Connection, entries: Sequence[tuple[int, dict[str, Any]]]) -> None:
    postings: dict[Term, list[int]] = {}
    agencies: dict[str, str | None] = {}
    for index, entry in entries:
        for term in _terms(connection, entry, agencies):
            postings.setdefault(term, []).append(index)
    ids = {term: _term_id(connection, term) for term in postings}
    connection.executemany(
        "INSERT INTO log_term (what, value) VALUES (?, ?) ON CONFLICT DO NOTHING", postings
    )
    rows = [
        (ids[term] or _term_id(connection, term), index)
        for term, indexes in postings.items()
        for index in indexes
    ]
    rows.sort()  # neighbours on a page of the tree are written together
    connection.executemany(
        "INSERT INTO log_posting (term, idx) VALUES (?, ?) ON CONFLICT DO NOTHING", rows
    )


def _terms(
    connection: Connection, entry: Mapping[str, Any], agencies: dict[str, str | None]
) -> set[Term]:
    """Return an entry's terms, with whose event it is about; remembers agencies it looked up."""
    found = terms_of(entry)
    event = entry.get("event")
    if event is not None:
        if event not in agencies:
            agencies[event] = connection.execute(_CONTROLLER, (event,)).get
        if (agency := agencies[event]) is not None:
            found.add((CONTROLLER, agency))
    return found


def _term_id(connection: Connection, term: Term) -> int | None:
    found: int | None = connection.execute(_TERM, term).get
    return found


def _matching(
    connection: Connection, query: Query, bound: int
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the entries before `bound` that match, newest first."""
    indexed = min(_indexed(connection), bound)
    yield from _one_by_one(connection, query, indexed, bound)
    if query.groups:
        found = _listed(connection, query, indexed)
        for index in found:
            entry = orjson.loads(connection.execute(_BODY, (index,)).get)
            if _in_time(query, entry):
                yield index, entry
    else:
        low, high = _bounds(connection, query, indexed)
        yield from _one_by_one(connection, query, low, high)


def _one_by_one(
    connection: Connection, query: Query, low: int, high: int
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the entries in [low, high) that match, by looking at each."""
    groups = [frozenset(group) for group in query.groups]
    agencies: dict[str, str | None] = {}
    while high > low:
        rows: list[Any] = connection.execute(_BACKWARD, (low, high, _PAGE)).fetchall()
        if not rows:
            return
        for index, body in rows:
            entry = orjson.loads(body)
            if not _in_time(query, entry):
                continue
            if groups:
                terms = _terms(connection, entry, agencies)
                if any(group.isdisjoint(terms) for group in groups):
                    continue
            yield index, entry
        high = rows[-1][0]


def _listed(connection: Connection, query: Query, indexed: int) -> Iterator[int]:
    """Yield the indexed entries that mention what a query asks, newest first, dates apart.

    The rarest group is walked and the others are probed, so that no long list is read.
    """
    low, high = _bounds(connection, query, indexed)
    groups: list[list[int]] = []
    for group in query.groups:
        ids = [id_ for term in dict.fromkeys(group) if (id_ := _term_id(connection, term))]
        if not ids:
            return
        groups.append(ids)
    first, *others = _rarest_first(connection, groups, low, high)
    probes = "".join(_PROBE.format(ids=", ".join(map(str, ids))) for ids in others)
    walks = [
        (index for (index,) in connection.execute(_WALK + probes + _DESCENDING, (id_, low, high)))
        for id_ in first
    ]
    merged: Iterable[int] = heapq.merge(*walks, reverse=True)
    yield from (index for index, _ in groupby(merged))


def _rarest_first(
    connection: Connection, groups: Sequence[list[int]], low: int, high: int
) -> list[list[int]]:
    """Return the groups by how often they are mentioned, counted until the rarest is told."""
    if len(groups) == 1:
        return list(groups)
    counts: list[int] = []
    for cap in _COUNTED:
        counts = [
            sum(connection.execute(_COUNT, (id_, low, high, cap)).get for id_ in ids)
            for ids in groups
        ]
        if min(counts) < cap:
            break
    return [ids for _, ids in sorted(zip(counts, groups, strict=True))]


def _bounds(connection: Connection, query: Query, indexed: int) -> tuple[int, int]:
    """Return between which entries [low, high) those of the days asked for lie."""
    if query.since is None and query.until is None:
        return 0, indexed
    days = (
        "" if query.since is None else query.since.astimezone(UTC).date().isoformat(),
        "~" if query.until is None else (query.until - _TICK).astimezone(UTC).date().isoformat(),
    )
    low, high = connection.execute(_DAYS, days).get
    return (0, 0) if low is None else (low, min(high + 1, indexed))


def _in_time(query: Query, entry: Mapping[str, Any]) -> bool:
    at = entry["at"]
    if query.since is not None and at < timestamp(query.since):
        return False
    return query.until is None or at < timestamp(query.until)


_CONTROLLER: Final = "SELECT agency FROM event WHERE ref = ?"
_TERM: Final = "SELECT id FROM log_term WHERE what = ? AND value = ?"
_NOTE: Final = (
    "INSERT INTO setting (name, value) VALUES ('log_indexed', ?)"
    " ON CONFLICT (name) DO UPDATE SET value = excluded.value"
)
_BODY: Final = "SELECT body FROM log_entry WHERE idx = ?"
_FORWARD: Final = "SELECT idx, body FROM log_entry WHERE idx >= ? AND idx < ? ORDER BY idx"
_BACKWARD: Final = (
    "SELECT idx, body FROM log_entry WHERE idx >= ? AND idx < ? ORDER BY idx DESC LIMIT ?"
)
_WALK: Final = "SELECT p.idx FROM log_posting AS p WHERE p.term = ? AND p.idx >= ? AND p.idx < ?"
_PROBE: Final = (
    " AND EXISTS (SELECT 1 FROM log_posting AS q WHERE q.term IN ({ids}) AND q.idx = p.idx)"
)
_DESCENDING: Final = " ORDER BY p.idx DESC"
_COUNT: Final = (
    "SELECT count(*) FROM (SELECT 1 FROM log_posting WHERE term = ? AND idx >= ? AND idx < ?"
    " LIMIT ?) AS few"
)
_DAYS: Final = (
    "SELECT min(low), max(high) FROM (SELECT"
    " (SELECT min(idx) FROM log_posting WHERE term = log_term.id) AS low,"
    " (SELECT max(idx) FROM log_posting WHERE term = log_term.id) AS high"
    " FROM log_term WHERE what = 'day' AND value >= ? AND value <= ?) AS days"
)
