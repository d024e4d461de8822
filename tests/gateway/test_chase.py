"""Chasing: who is told as days pass, once; and that it is kept with the events it leads to."""

import time as wall
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from gateway import clock
from gateway.directory import Directory
from gateway.duties.chase import Chaser, Step, next_steps
from gateway.duties.deadlines import day_starts
from gateway.duties.simulation import BadScenario, Line, read_scenario, simulate
from gateway.model.event import group_problems
from gateway.model.ids import OURSELVES, PersonRef
from gateway.model.kinds import type_of
from gateway.store import duties as rows
from gateway.store.engine import Connection
from gateway.store.group_commit import Staged
from gateway.store.store import Store
from tests.policies.cases import RULEBOOK
from tests.policies.test_clocks import CLOCKS
from tests.store.stores import opened, posted
from tests.support.cases import History, day, reckoned

EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "examples" / "duties"
NOBODY_TOLD: frozenset[tuple[str, object, object]] = frozenset()


def steps(history: History, on: str) -> list[Step]:
    return next_steps(reckoned(history, on), clocks=CLOCKS, stated=NOBODY_TOLD, today=day(on))


def kinds(history: History, on: str) -> dict[str, str]:
    return {step.duty.clock: step.kind for step in steps(history, on)}


def test_the_owner_is_warned_a_fortnight_before_and_a_breach_told_the_day_after() -> None:
    history = History().level(2).released("2026-01-05", "2026-06-01", by="probation")
    assert "C2" not in kinds(history, "2026-04-05")
    assert kinds(history, "2026-04-06")["C2"] == "duty.due_soon"
    assert kinds(history, "2026-04-20")["C2"] == "duty.due_soon"
    assert kinds(history, "2026-04-21")["C2"] == "duty.missed"


def test_vector_22_the_exception_names_who_was_not_asked_and_is_told_at_once() -> None:
    history = History().released("2026-01-05", "2026-06-01")
    history.add("2026-02-02", "release.date_change_consulted", "police")
    history.add(
        "2026-02-03", "release.date_changed", "prison", custody={"planned_date": "2026-06-08"}
    )
    (step,) = steps(history, "2026-02-03")
    assert (step.kind, step.duty.missing) == ("consultation.missing", ("probation",))
    groups = step.groups(day_starts(day("2026-02-03")))
    assert groups.keys() == {"duty"}
    assert group_problems(dict(groups)) == []


def test_vector_23_a_breach_is_told_though_the_notice_came_and_circumstance_is_not() -> None:
    risk = {"children": {"pprc": True}}
    breach = History().sentenced("2020-01-06").released("2026-04-27", "2026-06-01", **risk)
    assert kinds(breach, "2026-04-27") == {"C4": "duty.missed"}
    short = History().sentenced("2026-04-24").released("2026-04-27", "2026-06-01", **risk)
    assert kinds(short, "2026-04-27") == {}


def test_what_is_due_at_once_by_circumstance_warns_its_owner() -> None:
    history = History().level(3).sentenced("2026-05-11", known="2026-05-11")
    history.released("2026-05-12", "2026-06-22", by="probation")
    assert kinds(history, "2026-05-12")["C1"] == "duty.due_soon"


def test_a_reminder_is_never_a_breach_and_an_old_breach_is_listed_and_not_chased() -> None:
    history = History().add(
        "2020-03-02", "order.imposed", "police",
        offence={"notification_from": "2005-03-02", "notification_indefinite": True},
    )  # fmt: skip
    assert kinds(history, "2026-01-05") == {"C10": "duty.due_soon"}
    late = History().level(2).released("2020-01-13", "2020-01-20")
    assert kinds(late, "2020-04-19")["C2"] == "duty.missed"
    assert "C2" not in kinds(late, "2020-04-20")


# --- The loop, on a real store


class Clock:
    """A clock that is set, not read."""

    def __init__(self, on: str) -> None:
        self.now = day_starts(day(on)) + timedelta(hours=9)

    def __call__(self) -> datetime:
        return self.now

    def set(self, on: str) -> None:
        self.now = day_starts(day(on)) + timedelta(hours=9)


async def accepted(store: Store, on: Clock, event: dict[str, object]) -> PersonRef:
    """Accept an event and mark it decided, as the pipeline does."""
    found = await store.accept(
        posted(event, message_id=str(event["id"])),
        now=on(), today=clock.day(on()), organisation_class="prison", new_id=clock.new_id,
    )  # fmt: skip
    (new,) = found.new

    def decide(connection: Connection) -> Staged[None]:
        connection.execute("UPDATE event SET state = 'decided' WHERE ref = ?", (new.ref,))
        connection.execute("UPDATE person SET version = version + 1 WHERE ref = ?", (new.person,))
        rows.touch(connection, new.person, on())
        return Staged(None)

    await store.commit(decide)
    return new.person


def planned(id_: str, to: str) -> dict[str, object]:
    return {
        "specversion": "1.0", "id": id_, "source": "urn:example:hmp-exampleton",
        "type": type_of("release.planned"), "datacontenttype": "application/json",
        "data": {
            "identifiers": {"noms": "Z0001ZZ"},
            "custody": {"planned_date": to},
            "children": {"pprc": True},
        },
    }  # fmt: skip


def chaser(store: Store, now: Clock) -> Chaser:
    directory = Directory(store.reader, RULEBOOK.catalogues)
    directory.classes = {"hmp-exampleton": "prison"}
    return Chaser(
        store=store, directory=directory, clocks=lambda: CLOCKS, now=now, new_id=clock.new_id
    )


def own_events(store: Store) -> list[tuple[str, str]]:
    query = "SELECT kind, state FROM event WHERE agency = ? ORDER BY received_at, ref"
    return store.reader.execute(query, (OURSELVES,)).fetchall()


async def test_a_turn_keeps_where_duties_stand_and_states_a_breach_once(tmp_path: Path) -> None:
    now = Clock("2026-04-27")
    async with opened(tmp_path / "t.db") as store:
        chases = chaser(store, now)
        person = await accepted(store, now, planned("one", "2026-06-01"))
        assert await chases.turn() == 1
        assert own_events(store) == [("duty.missed", "accepted")]
        (row,) = rows.listing(store.reader, person=person, late=True)
        assert (row.clock, row.status, row.due, row.chased) == (
            "C4", "late", day("2026-04-20"), "missed",
        )  # fmt: skip
        assert await chases.turn() == 0  # nothing more until a date comes
        await accepted(store, now, planned("two", "2026-06-01"))
        assert await chases.turn() == 1
        assert len(own_events(store)) == 1
        stated = [one.event for one in store.history(person) if one.event.agency == OURSELVES]
        assert stated[0].groups.keys() == {"duty"}
        assert stated[0].groups["duty"]["due"] == "2026-04-20"


async def test_a_date_that_comes_is_looked_at_on_that_day(tmp_path: Path) -> None:
    now = Clock("2026-01-05")
    async with opened(tmp_path / "t.db") as store:
        chases = chaser(store, now)
        event = planned("one", "2026-06-01")
        event["data"]["mappa"] = {"category": 2, "level": 1}  # type: ignore[index]
        event["data"]["custody"]["planned_date"] = "2026-08-03"  # type: ignore[index]
        await accepted(store, now, event)
        assert await chases.turn() == 1
        assert own_events(store) == []
        now.set("2026-01-19")
        assert await chases.turn() == 0
        now.set("2026-01-20")  # a fortnight before the review of 3 February
        assert await chases.turn() == 1
        now.set("2026-02-04")
        assert await chases.turn() == 1
        assert [kind for kind, _ in own_events(store)] == ["duty.due_soon", "duty.missed"]


async def test_a_person_who_changes_meanwhile_is_left_to_the_next_turn(tmp_path: Path) -> None:
    now = Clock("2026-04-27")
    async with opened(tmp_path / "t.db") as store:
        chases = chaser(store, now)
        person = await accepted(store, now, planned("one", "2026-06-01"))
        unit = rows.write(
            person, reckoned([], "2026-04-27"), [], version=0, stated=frozenset(),
            sealed=store.sealed, now=now(), slot=0,
        )  # fmt: skip
        assert await store.commit(unit) is False
        assert rows.due(store.reader, now(), limit=9) == [person]
        assert await chases.turn() == 1


async def test_no_fact_about_anybody_is_in_the_table(tmp_path: Path) -> None:
    now = Clock("2026-04-27")
    async with opened(tmp_path / "t.db") as store:
        await accepted(store, now, planned("one", "2026-06-01"))
        await chaser(store, now).turn()
        kept = store.reader.execute("SELECT * FROM duty").fetchall()
        assert kept
        assert not any("Z0001ZZ" in str(row) for row in kept)


# --- Simulation


def lines(name: str) -> list[Line]:
    return simulate(read_scenario((EXAMPLES / name).read_text("utf-8")), CLOCKS)


def test_a_release_at_sentence_end_that_nobody_speaks_of_is_warned_of_and_then_told() -> None:
    chased = [
        (line.day, line.clock, line.what)
        for line in lines("sentence-end-untold.toml")
        if line.what.startswith("chased") and line.clock == "C2"
    ]
    assert chased == [
        (day("2026-07-06"), "C2", "chased: owner warned"),
        (day("2026-07-21"), "C2", "chased: breach told"),
    ]


@pytest.mark.parametrize("name", sorted(one.name for one in EXAMPLES.glob("*.toml")))
def test_every_example_plays(name: str) -> None:
    assert lines(name)


def test_a_year_of_two_hundred_people_passes_in_seconds() -> None:
    text = ['title = "Many"', "from = 2026-01-01", "until = 2026-12-31"]
    for number in range(200):
        release = day("2026-03-01") + timedelta(days=number)
        text.append(
            f'[[event]]\nperson = "P{number}"\non = 2026-01-02\nkind = "release.planned"\n'
            f'by = "prison"\nfacts.custody = {{ planned_date = "{release}" }}\n'
            "facts.mappa = { category = 1, level = 2 }\nfacts.children = { pprc = true }\n"
        )
    started = wall.perf_counter()
    found = simulate(read_scenario("\n".join(text)), CLOCKS)
    assert wall.perf_counter() - started < 5
    assert {line.person for line in found} == {f"P{number}" for number in range(200)}


@pytest.mark.parametrize(
    "change",
    [
        ("until", "untill"),
        ('kind = "release.planned"', 'kind = "duty.missed"'),
        ('"2026-06-01"', '"2026-06-31"'),
        ("[[event]]", "[[event]"),
    ],
)
def test_a_scenario_that_is_none_is_refused_without_a_value(change: tuple[str, str]) -> None:
    text = (EXAMPLES / "change-without-probation.toml").read_text("utf-8")
    with pytest.raises(BadScenario) as refused:
        read_scenario(text.replace(*change))
    assert "2026-06-31" not in str(refused.value)
