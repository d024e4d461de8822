"""What is known from a whole history: corrections, retractions, and merges that come and go."""

import datetime as dt
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gateway.known import replay, standing, with_event
from gateway.model.event import Event
from gateway.model.ids import AgencyName, EventRef, PersonRef
from gateway.model.person import Person

NOW = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
ALICE = PersonRef("per_a")


def event(
    number: int, groups: dict[str, Any], *, kind: str = "risk.assessed", corrects: int | None = None
) -> Event:
    return Event(
        ref=EventRef(f"evt_{number}"),
        agency=AgencyName("prison"),
        person=ALICE,
        kind=kind,
        occurred_at=NOW + dt.timedelta(hours=number),
        received_at=NOW + dt.timedelta(hours=number),
        groups=groups,
        corrects=None if corrects is None else EventRef(f"evt_{corrects}"),
    )


def corrected(number: int, of: int, groups: dict[str, Any]) -> Event:
    return event(number, groups, kind="event.corrected", corrects=of)


def retracted(number: int, of: int) -> Event:
    return event(number, {}, kind="event.retracted", corrects=of)


def levels(*events: Event) -> object:
    facts = replay(ALICE, events).facts
    return facts["mappa"].members if "mappa" in facts else None


LEVEL_1 = {"mappa": {"level": 1, "category": 2}}
LEVEL_2 = {"mappa": {"level": 2, "category": 2}}


def test_a_corrected_event_counts_with_its_corrected_groups_and_keeps_the_others() -> None:
    first = event(1, LEVEL_1 | {"custody": {"prison": "EXI"}})
    facts = replay(ALICE, [first, corrected(2, 1, {"mappa": {"level": 2}})]).facts
    assert facts["mappa"].members == {"level": 2}, "what the correction does not say is gone"
    assert facts["custody"].members == {"prison": "EXI"}


def test_a_correction_counts_when_the_corrected_event_did_not_when_it_came() -> None:
    late = event(3, LEVEL_2)
    assert levels(event(1, LEVEL_1), late, corrected(4, 1, {"mappa": {"level": 3}})) == {
        "level": 2, "category": 2
    }  # fmt: skip


def test_a_retracted_event_leaves_no_trace() -> None:
    assert levels(event(1, LEVEL_1), retracted(2, 1)) is None
    assert levels(event(1, LEVEL_1), event(2, LEVEL_2), retracted(3, 2)) == LEVEL_1["mappa"]


def test_a_correction_may_be_corrected_and_retracted_in_turn() -> None:
    first, second = event(1, LEVEL_1), corrected(2, 1, {"mappa": {"level": 2}})
    assert levels(first, second, corrected(3, 2, {"mappa": {"level": 3}})) == {"level": 3}
    assert levels(first, second, retracted(3, 2)) == LEVEL_1["mappa"]
    assert levels(first, retracted(2, 1), retracted(3, 2)) == LEVEL_1["mappa"]


def test_revisions_are_not_events_of_their_own() -> None:
    history = [event(1, LEVEL_1), corrected(2, 1, LEVEL_2), event(3, {}), retracted(4, 3)]
    assert [one.ref for one in standing(history)] == ["evt_1"]


def test_a_revision_of_what_is_not_there_changes_nothing() -> None:
    history = [event(1, LEVEL_1)]
    assert standing([*history, corrected(2, 9, LEVEL_2), retracted(3, 8)]) == history


groups = st.fixed_dictionaries(
    {},
    optional={
        "mappa": st.fixed_dictionaries({}, optional={"level": st.integers(1, 3)}),
        "custody": st.fixed_dictionaries({}, optional={"prison": st.sampled_from(["EXI", "EXJ"])}),
    },
)


@st.composite
def histories(draw: st.DrawFn) -> list[Event]:
    found: list[Event] = []
    for number in range(draw(st.integers(1, 8))):
        earlier = draw(st.integers(0, number - 1)) if number else None
        kind = draw(st.sampled_from(["risk.assessed", "event.corrected", "event.retracted"]))
        if earlier is None or kind == "risk.assessed":
            found.append(event(number, draw(groups)))
        else:
            found.append(event(number, draw(groups), kind=kind, corrects=earlier))
    return found


@given(histories())
def test_a_history_without_revisions_is_the_plain_fold(history: list[Event]) -> None:
    plain = [one for one in history if one.corrects is None]
    person = Person(ref=ALICE)
    for one in plain:
        person = with_event(person, one)
    assert replay(ALICE, plain) == person


@given(histories())
def test_retracting_every_revision_gives_the_history_as_it_was(history: list[Event]) -> None:
    plain = [one for one in history if one.corrects is None]
    undone = [
        retracted(100 + number, int(one.ref.removeprefix("evt_")))
        for number, one in enumerate(reversed(history))
        if one.corrects is not None
    ]
    assert replay(ALICE, [*history, *undone]) == replay(ALICE, plain)


@given(histories())
def test_what_stands_is_a_part_of_what_was_stated_in_the_order_received(
    history: list[Event],
) -> None:
    refs = [one.ref for one in standing(history)]
    stated = [one.ref for one in history if one.corrects is None]
    assert refs == [ref for ref in stated if ref in set(refs)]
