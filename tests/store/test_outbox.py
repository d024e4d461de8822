"""The outbox: what is due and in which order, what an attempt leaves, what is set aside."""

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from gateway.model.disclosure import Disclosure
from gateway.model.event import Event
from gateway.model.ids import AlertId, EndpointId, RecipientId
from gateway.store import outbox
from gateway.store.decisions import Committed, Decided, commit
from gateway.store.group_commit import Unit
from gateway.store.outbox import Attempted, OutboxRow, State
from gateway.store.store import Store
from tests.store.stores import (
    NOW,
    accepted,
    body,
    column,
    entries,
    one_release,
    opened,
    operations,
    set_aside,
    undecided,
)

MINUTE = timedelta(minutes=1)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "throughgate.db"


def disclosure(event: Event, alert: str, endpoint: str, *, urgent: bool = False) -> Disclosure:
    return Disclosure(
        alert=AlertId(alert),
        event=event.ref,
        person=event.person,
        recipient=RecipientId(endpoint.partition("/")[0]),
        endpoint=EndpointId(endpoint),
        channel="webhook",
        form="sealed",
        sealed=b'{"sealed":"%s"}' % alert.encode(),
        entry=body(alert),
        urgent=urgent,
        acknowledge_by=None,
    )


def decided(
    event: Event, *disclosures: Disclosure, now: datetime = NOW, version: int = 0, slot: int = 0
) -> Decided:
    return Decided(
        event=event,
        directory=None,
        person_version=version,
        facts=b"sealed facts",
        disclosures=disclosures,
        held=(None,) * len(disclosures),
        refusals=() if disclosures else (body("refusal"),),
        now=now,
        slot=slot,
    )


async def owe(
    store: Store,
    person: int,
    alert: str,
    *,
    minute: int = 0,
    endpoint: str = "police/webhook",
    urgent: bool = False,
    slot: int = 0,
) -> Event:
    """Decide a new event about a person, `minute` minutes on: one alert is owed."""
    event = await accepted(store, one_release(person, id=f"own-{alert}"))
    (version,) = column(store.path, f"SELECT version FROM person WHERE ref = '{event.person}'")
    found = await store.commit(
        final(
            decided(
                event,
                disclosure(event, alert, endpoint, urgent=urgent),
                now=NOW + minute * MINUTE,
                version=version,
                slot=slot,
            )
        )
    )
    assert found.verdict == "committed"
    return event


def final(made: Decided) -> Unit[Committed]:
    """Return the unit that commits a decision against the directory as it is."""
    return commit(made, directory=lambda: made.directory)


def due(store: Store, *, minute: int = 60, slot: int = 0, slots: int = 1) -> list[OutboxRow]:
    now = NOW + minute * MINUTE
    keys = outbox.due(store.reader, now=now, slot=slot, slots=slots, limit=100)
    return list(outbox.load(store.reader, keys))


def alerts(rows: list[OutboxRow]) -> list[str]:
    return [row.alert for row in rows]


def attempted(row: OutboxRow, state: State = "accepted", **changes: object) -> Attempted:
    made = Attempted(
        alert=row.alert,
        endpoint=row.endpoint,
        state=state,
        attempts=row.attempts + 1,
        next_at=row.next_at,
        outcome_unknown=False,
        reason="",
        entry=body("attempt"),
    )
    return replace(made, **changes)  # type: ignore[arg-type]


async def test_what_is_due_comes_urgent_first_and_then_oldest_first(path: Path) -> None:
    async with opened(path) as store:
        await owe(store, 1, "alt_second", minute=2)
        await owe(store, 2, "alt_first", minute=1)
        await owe(store, 3, "alt_third", minute=3)
        await owe(store, 4, "alt_urgent", minute=4, urgent=True)
        assert alerts(due(store)) == ["alt_urgent", "alt_first", "alt_second", "alt_third"]
        assert alerts(due(store, minute=2)) == ["alt_first", "alt_second"], "not before its time"


async def test_a_routine_alert_waits_for_an_older_one_about_the_same_person_there(
    path: Path,
) -> None:
    async with opened(path) as store:
        await owe(store, 1, "alt_older", minute=1)
        await owe(store, 1, "alt_newer", minute=2)
        await owe(store, 1, "alt_elsewhere", minute=3, endpoint="probation/webhook")
        await owe(store, 2, "alt_about_another", minute=4)
        await owe(store, 1, "alt_urgent", minute=5, urgent=True)
        expected = ["alt_urgent", "alt_older", "alt_elsewhere", "alt_about_another"]
        assert alerts(due(store)) == expected
        (older,) = [row for row in due(store) if row.alert == "alt_older"]
        later = attempted(older, "pending", next_at=NOW + 90 * MINUTE)
        await store.commit(outbox.record(later))
        assert alerts(due(store)) == ["alt_urgent", "alt_elsewhere", "alt_about_another"]
        await store.commit(outbox.record(attempted(older)))
        expected = ["alt_urgent", "alt_newer", "alt_elsewhere", "alt_about_another"]
        assert alerts(due(store)) == expected


async def test_every_row_belongs_to_one_worker_whatever_their_number(path: Path) -> None:
    async with opened(path) as store:
        for number in range(6):
            await owe(store, number, f"alt_{number}", slot=number)
        for slots in (1, 2, 3, 4):
            owned = [alerts(due(store, slot=slot, slots=slots)) for slot in range(slots)]
            assert sorted(alert for found in owned for alert in found) == [
                f"alt_{number}" for number in range(6)
            ]


async def test_an_outcome_is_stored_with_its_entry_and_takes_the_row_out(path: Path) -> None:
    async with opened(path) as store:
        await owe(store, 1, "alt_1")
        (row,) = due(store)
        outcome = attempted(row, "rejected", reason="http-410")
        await store.commit(outbox.record(outcome))
        assert due(store) == []
        assert outbox.counts(store.reader) == {"rejected": 1}
    assert entries(path)[-1] == outcome.entry
    assert column(path, "SELECT reason FROM outbox") == ["http-410"]


async def test_a_final_state_is_never_left_again(path: Path) -> None:
    async with opened(path) as store:
        await owe(store, 1, "alt_1")
        (row,) = due(store)
        await store.commit(outbox.record(attempted(row, "accepted")))
        await store.commit(outbox.record(attempted(row, "pending", attempts=7)))
        assert outbox.counts(store.reader) == {"accepted": 1}
        assert column(path, "SELECT attempts FROM outbox") == [1]


async def test_a_deferred_row_keeps_what_the_next_attempt_needs(path: Path) -> None:
    async with opened(path) as store:
        await owe(store, 1, "alt_1")
        (row,) = due(store)
        later = NOW + 5 * MINUTE
        await store.commit(
            outbox.record(attempted(row, "pending", next_at=later, outcome_unknown=True))
        )
    async with opened(path) as store:
        assert due(store, minute=4) == []
        (again,) = due(store, minute=5)
    assert again == replace(row, attempts=1, outcome_unknown=True, next_at=later)


async def test_a_decision_is_committed_once(path: Path) -> None:
    async with opened(path) as store:
        event = await accepted(store, one_release(1))
        first = await store.commit(final(decided(event, disclosure(event, "alt_1", "police/w"))))
        again = await store.commit(final(decided(event, disclosure(event, "alt_2", "police/w"))))
        assert (first.verdict, again) == ("committed", Committed("already-decided"))
        assert alerts(due(store)) == ["alt_1"]
        assert undecided(store) == []
    assert len(entries(path)) == 2


async def test_a_decision_made_on_old_facts_changes_nothing(path: Path) -> None:
    async with opened(path) as store:
        one = await accepted(store, one_release(1, id="own-1"))
        two = await accepted(store, one_release(1, id="own-2"))
        assert (await store.commit(final(decided(one)))).verdict == "committed"
        stale = await store.commit(final(decided(two, disclosure(two, "alt_2", "police/w"))))
        assert stale.verdict == "person-changed"
        assert due(store) == []
        assert [event.ref for event in undecided(store)] == [two.ref]
        mended = decided(two, disclosure(two, "alt_2", "police/w"), version=1)
        assert (await store.commit(final(mended))).verdict == "committed"
    assert len(entries(path)) == 4


async def test_an_event_is_set_aside_after_so_many_failures_and_the_others_go_on(
    path: Path,
) -> None:
    async with opened(path) as store:
        poison = await accepted(store, one_release(1))
        sound = await accepted(store, one_release(2))
        done = [await set_aside(store, poison, body("aside"), after=5) for _ in range(5)]
        assert done == [False, False, False, False, True]
        assert [event.ref for event in undecided(store)] == [sound.ref]
        assert (await store.commit(final(decided(poison)))).verdict == "already-decided"
        assert (await store.commit(final(decided(sound)))).verdict == "committed"
    assert [b"aside" in one for one in entries(path)] == [False, False, True, False]
    assert operations(path)[2] == "security"
    (sealed,) = column(path, f"SELECT sealed FROM event WHERE ref = '{poison.ref}'")
    assert sealed, "its bytes stay, for a human"


async def test_a_decided_event_is_never_set_aside(path: Path) -> None:
    async with opened(path) as store:
        event = await accepted(store, one_release(1))
        await store.commit(final(decided(event)))
        assert not await set_aside(store, event, body("aside"), after=1)
    assert column(path, "SELECT state FROM event") == ["decided"]
    assert not any(b"aside" in one for one in entries(path))


async def test_failures_are_counted_over_restarts(path: Path) -> None:
    async with opened(path) as store:
        event = await accepted(store, one_release(1))
        assert not await set_aside(store, event, body("aside"), after=2)
    async with opened(path) as store:
        assert await set_aside(store, event, body("aside"), after=2)


async def test_a_decision_against_an_older_directory_changes_nothing(path: Path) -> None:
    async with opened(path) as store:
        event = await accepted(store, one_release(1))
        made = decided(event, disclosure(event, "alt_1", "police/w"))
        stale = await store.commit(commit(made, directory=lambda: "dir_newer"))
        assert stale == Committed("directory-changed")
        assert due(store) == []
        assert (await store.commit(final(made))).verdict == "committed"
