"""The index of the log finds exactly what looking at every entry finds, however much it covers."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any

import apsw
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.disclosure_log.entry import (
    acknowledgement,
    approval,
    collection,
    combination,
    decision,
    escalation,
    question,
    sign_in,
    timestamp,
)
from gateway.model.ids import (
    AgencyName,
    AlertId,
    EventRef,
    PersonRef,
    ReceiptId,
    RecipientId,
    RuleId,
    TaskId,
)
from gateway.model.staff import ApprovalId, StaffId
from gateway.store import log_index
from gateway.store.engine import Connection
from gateway.store.log_index import Query, Term, catch_up, search, start_anew
from gateway.store.log_terms import terms_of
from gateway.store.store import Store
from tests.store.stores import body, logging, opened, operations
from tests.support.examples import examples

BEGIN = datetime(2026, 3, 1, 22, tzinfo=UTC)
OPS = ("disclosure", "refusal", "attempt", "consultation")
PEOPLE = tuple(f"per_{n}" for n in range(4))
WHO = ("police", "probation", "gp")
EVENTS = {"evt_1": "prison", "evt_2": "prison", "evt_3": "trust", "evt_4": None}  # who posted
RULES = ("police-release", "gp-release")


@dataclass(frozen=True)
class Log:
    """Entries in a database, some of them indexed."""

    database: Connection
    entries: list[dict[str, Any]]

    def index(self, times: int, at_once: int) -> None:
        for _ in range(times):
            catch_up(at_once)(self.database)

    def brute(self, query: Query) -> list[int]:
        """Return what matches by the query's own words, newest first."""
        return [
            index
            for index, one in reversed(list(enumerate(self.entries)))
            if all(any(self._mentions(one, term) for term in group) for group in query.groups)
            and (query.since is None or datetime.fromisoformat(one["at"]) >= query.since)
            and (query.until is None or datetime.fromisoformat(one["at"]) < query.until)
        ]

    def _mentions(self, one: dict[str, Any], term: Term) -> bool:
        what, value = term
        if what == "controller":
            return "event" in one and EVENTS[one["event"]] == value
        if what == "rule":
            return value in [grant["rule"] for grant in one.get("grants", ())]
        return bool(one.get(what) == value)


@pytest.fixture(scope="module")
def bare() -> Iterator[Connection]:
    """A database with events and no log."""
    database = apsw.Connection(":memory:")
    database.execute(files("gateway.store").joinpath("schema.sql").read_text("utf-8"))
    database.executemany(
        "INSERT INTO event VALUES (?, ?, ?, x'', 'per_0', 'k', NULL, 'decided', 0, 0, 0, 0, x'',"
        " NULL)",
        [(ref, by, ref.encode()) for ref, by in EVENTS.items() if by],
    )
    yield database
    database.close()


def written(database: Connection, entries: Sequence[dict[str, Any]]) -> Log:
    database.execute("DELETE FROM log_entry; DELETE FROM log_head")
    start_anew()(database)
    database.executemany(
        "INSERT INTO log_entry VALUES (?, x'', ?)",
        [(index, orjson.dumps(one)) for index, one in enumerate(entries)],
    )
    database.execute("INSERT INTO log_head VALUES (1, ?, x'')", (len(entries),))
    return Log(database, list(entries))


def moments() -> st.SearchStrategy[datetime]:
    return st.integers(0, 3 * 24 * 60).map(lambda minutes: BEGIN + timedelta(minutes=minutes))


@st.composite
def entry_rows(draw: st.DrawFn) -> dict[str, Any]:
    at = timestamp(draw(moments()))
    one: dict[str, Any] = {"v": 1, "op": draw(st.sampled_from(OPS)), "at": at}
    for name, values in (("person", PEOPLE), ("recipient", WHO), ("event", tuple(EVENTS))):
        if draw(st.booleans()):
            one[name] = draw(st.sampled_from(values))
    if one["op"] == "disclosure":
        one["grants"] = [{"rule": rule} for rule in draw(st.lists(st.sampled_from(RULES)))]
    return one


def terms() -> st.SearchStrategy[Term]:
    return st.one_of(
        st.tuples(st.just("op"), st.sampled_from((*OPS, "erasure"))),
        st.tuples(st.just("person"), st.sampled_from((*PEOPLE, "per_nobody"))),
        st.tuples(st.just("recipient"), st.sampled_from(WHO)),
        st.tuples(st.just("event"), st.sampled_from(tuple(EVENTS))),
        st.tuples(st.just("rule"), st.sampled_from(RULES)),
        st.tuples(st.just("controller"), st.sampled_from(("prison", "trust"))),
    )


def queries() -> st.SearchStrategy[Query]:
    return st.builds(
        Query,
        terms=st.lists(terms(), max_size=3).map(tuple),
        any_of=st.lists(st.lists(terms(), max_size=3).map(tuple), max_size=2).map(tuple),
        since=st.none() | moments(),
        until=st.none() | moments(),
    )


@settings(max_examples=examples(150), deadline=None)
@given(
    entries=st.lists(entry_rows(), max_size=40),
    query=queries(),
    turns=st.integers(0, 5),
    at_once=st.integers(1, 13),
    limit=st.integers(1, 9),
)
def test_search_is_looking_at_every_entry(
    bare: Connection,
    entries: list[dict[str, Any]],
    query: Query,
    turns: int,
    at_once: int,
    limit: int,
) -> None:
    log = written(bare, entries)
    log.index(turns, at_once)
    found: list[tuple[int, dict[str, Any]]] = []
    after: int | None = None
    while True:
        page = search(bare, query, after=after, limit=limit)
        found += page.entries
        assert len(page.entries) == limit or page.next is None
        after = page.next
        if after is None:
            break
        log.index(1, at_once)  # what is indexed between two pages changes nothing
    assert [index for index, _ in found] == log.brute(query)
    assert all(one == log.entries[index] for index, one in found)


def test_indexing_again_from_nothing_makes_the_same_index(bare: Connection) -> None:
    entries = [
        {"op": OPS[n % 4], "at": BEGIN.isoformat(), "person": PEOPLE[n % 3]} for n in range(50)
    ]
    log = written(bare, entries)

    def whole() -> list[Any]:
        return bare.execute(
            "SELECT what, value, idx FROM log_posting JOIN log_term ON log_term.id = term"
            " ORDER BY what, value, idx"
        ).fetchall()

    log.index(8, 7)
    once = whole()
    assert once
    log.index(3, 7)  # nothing is left to do
    assert whole() == once
    start_anew()(bare)
    assert whole() == []
    log.index(1, 500)
    assert whole() == once


async def test_it_is_kept_up_by_a_loop_that_logs_nothing(tmp_path: Path) -> None:
    path = tmp_path / "throughgate.db"
    async with opened(path) as store:
        await store.commit(logging(*(body() for _ in range(300))))
        loop = asyncio.create_task(log_index.keep_indexed(store.commit, store.reader, every_s=0.01))
        await _indexed(store, 300)
        await store.commit(logging(body("later")))
        await _indexed(store, 301)
        loop.cancel()
        found = search(store.reader, Query(terms=(("op", "security"),)), limit=1)
    assert found.next == 300
    assert operations(path) == ["security"] * 301


async def _indexed(store: Store, count: int) -> None:
    for _ in range(1000):
        if store.reader.execute(_INDEXED).get == str(count):
            return
        await asyncio.sleep(0.01)
    raise AssertionError("not indexed")


_INDEXED = "SELECT value FROM setting WHERE name = 'log_indexed'"
AT = datetime(2026, 3, 1, 23, 30, tzinfo=UTC)
PERSON, EVENT, ALERT = PersonRef("per_1"), EventRef("evt_1"), AlertId("alt_1")
SAID: list[tuple[Any, set[Term]]] = [
    (
        collection(at=AT, event=EVENT, person=PERSON, agency=AgencyName("prison"), kind="k",
                   receipt=ReceiptId("rcp_1"), body_mac="00"),
        {("event", EVENT), ("person", PERSON), ("agency", "prison"), ("receipt", "rcp_1")},
    ),
    (
        combination(at=AT, person=PERSON, identifiers=["noms"], agency=AgencyName("prison"),
                    event=EVENT, absorbed=PersonRef("per_2"), by="desk"),
        {("person", PERSON), ("person", "per_2"), ("agency", "prison"), ("event", EVENT),
         ("actor", "desk")},
    ),
    (
        decision(at=AT, task=TaskId("tsk_1"), person=PERSON, event=None, recipient=None,
                 rule=RuleId("r"), outcome="approved", decider="chair"),
        {("task", "tsk_1"), ("person", PERSON), ("rule", "r"), ("actor", "chair")},
    ),
    (
        acknowledgement(at=AT, alert=ALERT, recipient=RecipientId("gp"), answer="accepted",
                        means="api", by="nurse"),
        {("alert", ALERT), ("recipient", "gp"), ("actor", "nurse")},
    ),
    (
        escalation(at=AT, alert=ALERT, recipient=RecipientId("gp"), rung=1, to="desk",
                   reason="failed", raised=AlertId("alt_2")),
        {("alert", ALERT), ("alert", "alt_2"), ("recipient", "gp")},
    ),
    (
        approval(at=AT, approval=ApprovalId("apr_1"), kind="gap", subject="12", state="proposed",
                 by="dpo-01"),
        {("approval", "apr_1"), ("subject", "12"), ("actor", "dpo-01")},
    ),
    (
        question(at=AT, what="audit.rule", reader="dpo-01", about={"rule": "r", "purpose": "p"}),
        {("what", "audit.rule"), ("actor", "dpo-01"), ("rule", "r")},
    ),
    (
        sign_in(at=AT, staff=StaffId("dpo-01"), means="passkey", outcome="signed-in"),
        {("actor", "dpo-01")},
    ),
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(SAID)))
def test_terms_are_everything_an_entry_names(number: int) -> None:
    entry, expected = SAID[number]
    assert terms_of(orjson.loads(entry.encode())) == {
        *expected, ("op", entry.op), ("day", "2026-03-01")
    }  # fmt: skip


def test_a_rule_that_told_and_one_that_forbade_are_told_apart() -> None:
    at = {"at": "2026-03-01T23:30:00.000Z", "op": "disclosure"}
    grants = [{"rule": "tells", "basis": "LB01", "purpose": "p"}]
    withheld = [{"group": "victim", "code": "forbidden-group", "rule": "forbids"}]
    found = terms_of({**at, "grants": grants, "withheld": withheld})
    assert {("rule", "tells"), ("barred_by", "forbids"), ("basis", "LB01")} <= found
    assert ("rule", "forbids") not in found


def test_the_day_of_an_entry_is_told_by_utc_and_its_bounds_are_exact(bare: Connection) -> None:
    at = [datetime(2026, 3, 1, 23, 59, 59, 999000, UTC), datetime(2026, 3, 2, tzinfo=UTC)]
    log = written(bare, [{"op": "x", "at": timestamp(one)} for one in at])
    log.index(1, 10)
    midnight = at[1]
    for query, expected in (
        (Query(since=midnight), [1]),
        (Query(until=midnight), [0]),
        (Query(since=at[0], until=midnight), [0]),
        (Query(since=midnight + timedelta(days=1)), []),
    ):
        assert [index for index, _ in search(bare, query, limit=9).entries] == expected
