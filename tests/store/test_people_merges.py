"""Merges: a forest that never chains, and whose undoing restores both records exactly."""

import asyncio
import datetime as dt
import itertools
import tempfile
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import apsw
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway import clock
from gateway.known import replay
from gateway.model.ids import EventRef, PersonRef
from gateway.store import people
from gateway.store.engine import Connection
from gateway.store.merges import history, join, part, records, root
from gateway.store.people import Act, NotPossible
from gateway.store.store import Store
from tests.store.stores import NOW, Where, accept, column, entries, opened, posted, stored
from tests.store.test_people_recognised import combined, stating, told

REFS = [PersonRef(f"per_{number}") for number in range(6)]
CRN = "Z000401"


def noms(number: int) -> str:
    return f"Z040{number}ZZ"


def act(store: Store, reason: str = "the same fingerprints") -> Act:
    return Act(
        sealed=store.sealed,
        new_id=clock.new_id,
        by="registry-desk",
        reason=reason,
        now=NOW,
        today=NOW.date(),
    )


# The forest alone


def forest() -> Connection:
    connection = apsw.Connection(":memory:")
    connection.execute(files("gateway.store").joinpath("schema.sql").read_text("utf-8"))
    connection.executemany(
        "INSERT INTO person (ref, wrapped_key, version) VALUES (?, x'', 0)", [(r,) for r in REFS]
    )
    return connection


def standing(connection: Connection) -> dict[str, str | None]:
    return dict(connection.execute("SELECT ref, merged_into FROM person").fetchall())


_ids = itertools.count(1)


def joined(connection: Connection, one: PersonRef, other: PersonRef) -> bool:
    number = next(_ids)
    event = EventRef(f"evt_{number}")
    done = join(connection, one, other, id_=f"mrg_{number:09}", event=event, now=NOW)
    return done is not None


def parted(connection: Connection, one: PersonRef, other: PersonRef) -> bool:
    event = EventRef(f"evt_{next(_ids)}")
    return part(connection, one, other, event=event, now=NOW) is not None


pairs = st.tuples(st.sampled_from(REFS), st.sampled_from(REFS)).filter(
    lambda pair: pair[0] != pair[1]
)
steps = st.lists(st.tuples(st.booleans(), pairs), max_size=14)


@given(steps)
def test_no_record_is_ever_merged_into_one_that_is_merged_itself(
    done: list[tuple[bool, tuple[PersonRef, PersonRef]]],
) -> None:
    connection = forest()
    for merge, (one, other) in done:
        before = root(connection, one) == root(connection, other)
        changed = (joined if merge else parted)(connection, one, other)
        after = standing(connection)
        assert changed == (before != merge)
        assert (root(connection, one) == root(connection, other)) == merge
        assert all(after[into] is None for into in after.values() if into is not None)
        assert sorted(records(connection, one)) == sorted(
            ref for ref in after if (after[ref] or ref) == root(connection, one)
        )


@given(before=steps, pair=pairs)
def test_undoing_the_newest_merge_restores_every_record(
    before: list[tuple[bool, tuple[PersonRef, PersonRef]]], pair: tuple[PersonRef, PersonRef]
) -> None:
    connection = forest()
    for merge, (one, other) in before:
        (joined if merge else parted)(connection, one, other)
    kept = standing(connection)
    if joined(connection, *pair):
        assert parted(connection, *pair)
    assert standing(connection) == kept


@given(steps)
def test_every_merge_and_undoing_stays_in_the_history(
    done: list[tuple[bool, tuple[PersonRef, PersonRef]]],
) -> None:
    connection = forest()
    merges = undone = 0
    for merge, (one, other) in done:
        changed = (joined if merge else parted)(connection, one, other)
        merges += changed and merge
        undone += changed and not merge
    rows = connection.execute("SELECT undone_at, undone_by FROM person_merge").fetchall()
    assert len(rows) == merges
    assert sum(at is not None and by is not None for at, by in rows) == undone


# With events


groups = st.fixed_dictionaries(
    {},
    optional={
        "mappa": st.fixed_dictionaries({"category": st.just(2)}, optional={"level": st.just(3)}),
        "custody": st.fixed_dictionaries({"prison": st.sampled_from(["EXI", "EXJ"])}),
        "handling": st.fixed_dictionaries({"restricted": st.booleans()}),
    },
)
happenings = st.lists(st.tuples(st.integers(0, 2), groups, st.integers(0, 48)), max_size=6)


def happened(number: int, who: int, stated: dict[str, Any], hours: int) -> dict[str, Any]:
    event = stating({"noms": noms(who)}, f"e-{number}", kind="risk.assessed")
    identifiers = event["data"]["identifiers"]
    time = (NOW + dt.timedelta(hours=hours)).isoformat()
    return event | {"data": {"identifiers": {"noms": identifiers["noms"]}, **stated}, "time": time}


def folded(store: Store) -> list[Any]:
    """Return what is known of each of the three records by its own events."""
    found = []
    for who in range(3):
        ref = people.find(store.reader, store.sealed, "noms", noms(who))
        history = store.history(ref) if ref else []
        found.append(replay(ref, [one.event for one in history]).facts if ref else None)
    return found


async def lived(path: Where, events: list[Any], merges: dict[int, tuple[int, int]]) -> list[Any]:
    """Accept events, merging before some of them; undo all merges in the end; fold each record."""
    async with opened(path) as store:
        for number, event in enumerate(events):
            if number in merges:
                await merged(store, number, merges[number])
            await told(store, happened(number, *event))
        for number, (one, other) in reversed(merges.items()):
            await merged(store, number, (one, other), kind="person.unmerged")
        return folded(store)


async def merged(
    store: Store, number: int, pair: tuple[int, int], *, kind: str = "person.merged"
) -> None:
    ends = [people.find(store.reader, store.sealed, "noms", noms(who)) for who in pair]
    if None in ends:
        return  # a number nobody had would become an alias, which is no merge to undo
    identifiers = {"noms": noms(pair[0]), "superseded_noms": noms(pair[1])}
    event = stating({}, f"{kind}-{number}", kind=kind) | {"data": {"identifiers": identifiers}}
    await accept(store, posted(event, message_id=f"{kind}-{number}"))


@settings(max_examples=40)
@given(
    events=happenings,
    merges=st.dictionaries(
        st.integers(0, 5), st.sampled_from([(0, 1), (1, 2), (2, 0)]), max_size=3
    ),
)
def test_replay_after_merges_and_their_undoing_is_replay_without_them(
    events: list[Any], merges: dict[int, tuple[int, int]]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        plain = asyncio.run(lived(Path(folder) / "plain.db", events, {}))
        through = asyncio.run(
            lived(Path(folder) / "merged.db", events, dict(sorted(merges.items())))
        )
    assert through == plain


async def test_while_merged_the_facts_of_both_are_one_persons(path: Where) -> None:
    async with opened(path) as store:
        await told(store, happened(1, 0, {"mappa": {"category": 2}}, 0))
        await told(store, happened(2, 1, {"custody": {"prison": "EXJ"}}, 1))
        await merged(store, 3, (0, 1))
        ref = people.find(store.reader, store.sealed, "noms", noms(1))
        assert ref is not None
        facts = replay(ref, [one.event for one in store.history(ref)]).facts
    assert set(facts) == {"identifiers", "mappa", "custody"}


# By a person at the gateway


async def two(store: Store) -> Iterator[PersonRef]:
    first = await told(store, stating({"noms": noms(0)}, "a"))
    second = await told(store, stating({"noms": noms(1)}, "b"))
    return iter((first.person, second.person))


async def test_a_person_merges_and_unmerges_and_each_is_an_event_and_an_entry(path: Where) -> None:
    async with opened(path) as store:
        one, other = await two(store)
        event = await store.commit(people.merge(one, other, act(store)))
        undone = await store.commit(people.unmerge(other, one, act(store)))
        assert records(store.reader, one) == (one,)
        (merge,) = history(store.reader, other)
        assert (merge.event, merge.undone_by) == (event, undone)
        found, unopened = store.undecided(limit=10)
        own = [one for one in found if one.agency == "throughgate"]
        assert [(each.kind, each.person) for each in own] == [
            ("person.merged", one),
            ("person.unmerged", one),
            ("person.unmerged", other),
        ]
        assert unopened == []
    first, second = combined(path)
    assert (first["absorbed"], first["by"], first["agency"]) == (
        other, "registry-desk", "throughgate"
    )  # fmt: skip
    assert (second["separated"], second["event"]) == (other, undone)
    plain = stored(path)
    assert b"fingerprints" not in plain, "the reason is sealed"


async def test_a_merge_makes_decisions_under_way_about_either_be_made_again(path: Where) -> None:
    async with opened(path) as store:
        one, other = await two(store)
        before = [store.held(ref).version for ref in (one, other)]
        await store.commit(people.merge(one, other, act(store)))
        after = [store.held(ref).version for ref in (one, other)]
    assert all(new > old for new, old in zip(after, before, strict=True))


async def test_what_a_person_parted_no_agency_joins_again(path: Where) -> None:
    async with opened(path) as store:
        one, other = await two(store)
        await merged(store, 1, (0, 1))
        await store.commit(people.unmerge(one, other, act(store)))
        await merged(store, 2, (0, 1))
        assert root(store.reader, other) == other
        kinds = column(path, "SELECT kind FROM task")
        assert kinds == ["identifiers-conflict"]
        await store.commit(people.merge(one, other, act(store)))
        assert root(store.reader, other) == one, "a person may"


async def test_what_an_agency_parted_it_may_join_again(path: Where) -> None:
    async with opened(path) as store:
        one, other = await two(store)
        await merged(store, 1, (0, 1))
        await merged(store, 2, (0, 1), kind="person.unmerged")
        await merged(store, 3, (0, 1))
        assert root(store.reader, other) == one


async def test_what_cannot_be_merged_or_parted_is_refused_and_changes_nothing(path: Where) -> None:
    async with opened(path) as store:
        one, other = await two(store)
        before = entries(path)
        for unit, why in (
            (people.unmerge(one, other, act(store)), "not merged"),
            (people.merge(one, one, act(store)), "already"),
            (people.merge(one, PersonRef("per_x"), act(store)), "no record"),
        ):
            with pytest.raises(NotPossible, match=why):
                await store.commit(unit)
        assert entries(path) == before


async def test_a_person_links_and_unlinks_an_identifier(path: Where) -> None:
    async with opened(path) as store:
        one, other = await two(store)
        await store.commit(people.link(one, "crn", CRN.lower(), act(store)))
        assert people.find(store.reader, store.sealed, "crn", CRN) == one
        for ref, why in ((one, "this person"), (other, "another person")):
            with pytest.raises(NotPossible, match=why):
                await store.commit(people.link(ref, "crn", CRN, act(store)))
        with pytest.raises(NotPossible, match="does not name"):
            await store.commit(people.unlink(other, "crn", CRN, act(store)))
        await store.commit(people.unlink(one, "crn", CRN, act(store)))
        assert people.find(store.reader, store.sealed, "crn", CRN) is None
        assert dict(people.identifier_kinds(store.reader, one)) == {"noms": 1}
    linked, unlinked = combined(path)
    assert (linked["identifiers"], unlinked["identifiers"]) == (["crn"], ["crn"])
    assert unlinked["separated"] == one
    assert CRN not in str(orjson.dumps([linked, unlinked]))


async def test_a_number_that_fails_its_check_is_linked_to_nobody(path: Where) -> None:
    async with opened(path) as store:
        one, _ = await two(store)
        for kind, text in (("nhs_number", "3333333333"), ("pnc", "2001/0171310S"), ("x", "Y")):
            with pytest.raises(ValueError) as caught:
                people.link(one, kind, text, act(store))
            assert text not in str(caught.value)
