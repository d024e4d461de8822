"""What a person's history holds: events with their states, and alerts as they were told."""

from collections.abc import Mapping
from dataclasses import replace

from gateway.model.disclosure import Message
from gateway.model.event import Event
from gateway.model.ids import AlertId, PersonRef
from gateway.store import history, outbox
from gateway.store.decisions import Decided, Move, hold
from gateway.store.engine import Connection
from gateway.store.group_commit import Staged, Unit
from gateway.store.store import Store
from tests.store.owing import MINUTE, decided, disclosure, final
from tests.store.stores import NOW, Where, accepted, body, column, edit, one_release, opened


async def commit(store: Store, made: Decided) -> str:
    return (await store.commit(final(made))).verdict


async def tell(
    store: Store, event: Event, *alerts: tuple[str, str, Message], minute: int = 0, version: int = 0
) -> None:
    """Decide an event: (alert, recipient, message) for each that is told."""
    made = [disclosure(event, alert, f"{recipient}/w") for alert, recipient, _ in alerts]
    messages: dict[str, Message] = {alert: message for alert, _, message in alerts}
    told = saying(messages, decided(event, *made, now=NOW + minute * MINUTE, version=version))
    assert await commit(store, told) == "committed"


def saying(messages: Mapping[str, Message], made: Decided) -> Decided:
    """Return a decision whose alerts are what is said of each."""
    alerts = tuple((replace(one, message=messages[one.alert]), held) for one, held in made.alerts)
    return replace(made, alerts=alerts)


def withholding(alert: str, reason: str) -> Unit[list[bytes]]:
    def unit(connection: Connection) -> Staged[list[bytes]]:
        entries = outbox.withhold(connection, AlertId(alert), reason, NOW)
        return Staged(entries, entries)

    return unit


def standing(store: Store, person: PersonRef) -> set[str]:
    return {one.id for one in history.standing(history.alerts_about(store.reader, person))}


async def test_the_newest_alert_to_each_recipient_stands_unless_it_is_a_recall(path: Where) -> None:
    async with opened(path) as store:
        event = await accepted(store, one_release(1))
        await tell(store, event, ("alt_1", "police", "NOTIFY"), ("alt_2", "housing", "NOTIFY"))
        assert standing(store, event.person) == {"alt_1", "alt_2"}
        later = await accepted(store, one_release(1, id="later"))
        revised = [
            disclosure(event, "alt_3", "police/w"),
            disclosure(event, "alt_4", "housing/w"),
        ]
        made = decided(later, *revised, now=NOW + MINUTE, version=1)
        await commit(store, saying({"alt_3": "CORRECTION", "alt_4": "RECALL"}, made))
        assert standing(store, event.person) == {"alt_3"}


async def test_an_alert_withheld_before_any_attempt_was_told_to_nobody(path: Where) -> None:
    async with opened(path) as store:
        event = await accepted(store, one_release(1))
        await tell(store, event, ("alt_1", "police", "NOTIFY"), ("alt_2", "housing", "NOTIFY"))
        edit(path, "UPDATE outbox SET attempts = 1 WHERE alert = 'alt_2'")
        for alert in ("alt_1", "alt_2"):
            entries = await store.commit(withholding(alert, "restricted"))
            assert len(entries) == 1
        assert standing(store, event.person) == {"alt_2"}


async def test_alerts_of_merged_records_are_the_persons_and_part_with_them(path: Where) -> None:
    async with opened(path) as store:
        one, two = [await accepted(store, one_release(number)) for number in (1, 2)]
        await tell(store, one, ("alt_1", "police", "NOTIFY"))
        await tell(store, two, ("alt_2", "police", "NOTIFY"))
        assert store.held_for(two).version == 0  # as just made
        edit(path, "UPDATE person SET merged_into = ? WHERE ref = ?", (one.person, two.person))
        assert standing(store, one.person) == {"alt_1", "alt_2"}
        assert [past.event.ref for past in store.history(one.person)] == [one.ref, two.ref]
        assert {past.event.person for past in store.history(one.person)} == {one.person}
        edit(path, "UPDATE person SET facts = NULL")
        assert store.held_for(two).person.ref == one.person
        edit(path, "UPDATE person SET merged_into = NULL WHERE ref = ?", (two.person,))
        assert standing(store, one.person) == {"alt_1"}
        assert store.held_for(two).person.ref == two.person


async def test_a_held_event_comes_back_when_its_hold_has_ended(path: Where) -> None:
    async with opened(path) as store:
        event = await accepted(store, one_release(1))
        await store.commit(hold(event.ref, NOW + MINUTE))
        assert store.undecided(limit=9, now=NOW) == ([], [])
        assert store.undecided(limit=9, now=NOW + MINUTE) == ([event], [])
        assert store.undecided(limit=9, now=NOW + MINUTE, known={event.ref}) == ([], [])
        assert (await store.commit(final(decided(event)))).verdict == "committed"
        assert store.undecided(limit=9, now=NOW + MINUTE) == ([], [])


async def test_what_the_command_line_inserts_is_some_workers(path: Where) -> None:
    async with opened(path) as store:
        event = await accepted(store, one_release(1))
        edit(path, "UPDATE event SET slot = -1")
        assert [one.ref for one in store.undecided(limit=9)[0]] == [event.ref]
    for slot, found in ((0, 0), (1, 1)):
        async with opened(path, slot=slot, slots=2) as store:
            assert len(store.undecided(limit=9)[0]) == found


async def test_a_revision_of_what_has_changed_meanwhile_changes_nothing(path: Where) -> None:
    async with opened(path) as store:
        first = await accepted(store, one_release(1))
        await tell(store, first, ("alt_1", "police", "NOTIFY"))
        second = await accepted(store, one_release(1, id="second"))
        wrong = Move(event=first.ref, was="held", becomes="cancelled")
        made = replace(
            decided(second, version=1), moves=(wrong,), withheld=((AlertId("alt_1"), "superseded"),)
        )
        assert await commit(store, made) == "person-changed"
        assert column(path, "SELECT state FROM event ORDER BY received_at, ref") == [
            "decided",
            "accepted",
        ]
        right = Move(event=first.ref, was="decided", becomes="retracted")
        assert await commit(store, replace(made, moves=(right,))) == "committed"
        assert column(
            path, "SELECT state FROM event WHERE kind = 'release.planned' ORDER BY ref"
        ) == [
            "retracted",
            "decided",
        ]
        assert column(path, "SELECT state || ' ' || reason FROM outbox") == ["withheld superseded"]


async def test_an_attempt_under_way_when_its_row_is_withheld_is_still_recorded(path: Where) -> None:
    async with opened(path) as store:
        event = await accepted(store, one_release(1))
        await tell(store, event, ("alt_1", "police", "NOTIFY"), ("alt_2", "housing", "NOTIFY"))
        for alert in ("alt_1", "alt_2"):
            await store.commit(withholding(alert, "superseded"))
        for alert, endpoint, state in (
            ("alt_1", "police/w", "accepted"),
            ("alt_2", "housing/w", "pending"),
        ):
            assert not outbox.is_pending(store.reader, (alert, endpoint))  # type: ignore[arg-type]
            await store.commit(
                outbox.record(
                    outbox.Attempted(
                        alert=AlertId(alert),
                        endpoint=endpoint,  # type: ignore[arg-type]
                        state=state,  # type: ignore[arg-type]
                        attempts=1,
                        at=NOW,
                        next_at=NOW,
                        outcome_unknown=False,
                        reason="" if state == "accepted" else "timeout",
                        entry=body(alert),
                    )
                )
            )
        rows = column(path, "SELECT alert || ' ' || state || ' ' || attempts || ' ' || reason"
                            " FROM outbox ORDER BY alert")  # fmt: skip
        assert rows == ["alt_1 accepted 1 ", "alt_2 withheld 1 superseded"]
        assert standing(store, event.person) == {"alt_1", "alt_2"}  # both may have got there
