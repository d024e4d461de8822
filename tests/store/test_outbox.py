"""The outbox: what is due and in which order, what an attempt leaves, what is set aside."""

from dataclasses import replace

from gateway.model.ids import EndpointId
from gateway.store import outbox
from gateway.store.decisions import Committed, commit
from gateway.store.owed import Owed
from tests.store.owing import (
    MINUTE,
    Way,
    alerts,
    attempted,
    decided,
    disclosure,
    due,
    final,
    owe,
)
from tests.store.stores import (
    NOW,
    Where,
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

ELSEWHERE = Way(endpoint="probation/webhook")


async def test_what_is_due_comes_urgent_first_and_then_oldest_first(path: Where) -> None:
    async with opened(path) as store:
        await owe(store, 1, "alt_second", minute=2)
        await owe(store, 2, "alt_first", minute=1)
        await owe(store, 3, "alt_third", minute=3)
        await owe(store, 4, "alt_urgent", minute=4, urgent=True)
        assert alerts(due(store)) == ["alt_urgent", "alt_first", "alt_second", "alt_third"]
        assert alerts(due(store, minute=2)) == ["alt_first", "alt_second"], "not before its time"


async def test_each_endpoint_is_asked_for_its_own(path: Where) -> None:
    async with opened(path) as store:
        await owe(store, 1, "alt_1")
        await owe(store, 1, "alt_2", ELSEWHERE)
        await owe(store, 2, "alt_3", Way(step=1), Way(endpoint="police/email", step=2))
        owed = Owed(store.reader)
        assert owed.endpoints() == ["police/webhook", "probation/webhook"], "step 2 waits"
        assert alerts(due(store)) == ["alt_1", "alt_3"]
        assert alerts(due(store, endpoint="probation/webhook")) == ["alt_2"]
        assert due(store, endpoint="police/email") == []
        assert alerts(due(store, limit=1)) == ["alt_1"], "no more than there is room for"


async def test_a_routine_alert_waits_for_an_older_one_that_was_deferred(path: Where) -> None:
    async with opened(path) as store:
        await owe(store, 1, "alt_older", minute=1)
        await owe(store, 1, "alt_newer", minute=2)
        await owe(store, 2, "alt_about_another", minute=4)
        await owe(store, 1, "alt_urgent", minute=5, urgent=True)
        in_order = ["alt_urgent", "alt_older", "alt_newer", "alt_about_another"]
        assert alerts(due(store)) == in_order
        (older,) = [row for row in due(store) if row.alert == "alt_older"]
        later = attempted(older, "pending", next_at=NOW + 90 * MINUTE)
        await store.commit(outbox.record(later))
        assert alerts(due(store)) == ["alt_urgent", "alt_about_another"]
        assert alerts(due(store, minute=90)) == in_order
        await store.commit(outbox.record(attempted(older)))
        assert alerts(due(store)) == ["alt_urgent", "alt_newer", "alt_about_another"]


async def test_what_waits_for_its_hour_keeps_nothing_back(path: Where) -> None:
    async with opened(path) as store:
        morning = NOW + 600 * MINUTE
        await owe(store, 1, "alt_quiet", Way(not_before=morning), minute=1)
        await owe(store, 1, "alt_digest", Way(not_before=morning, digest=True), minute=2)
        await owe(store, 1, "alt_now", minute=3)
        assert alerts(due(store)) == ["alt_now"]
        assert alerts(due(store, minute=600)) == ["alt_quiet", "alt_digest", "alt_now"]
        (quiet, *_) = due(store, minute=600)
        failed = attempted(quiet, "pending", next_at=morning + 30 * MINUTE)
        await store.commit(outbox.record(failed))
        assert alerts(due(store, minute=601)) == ["alt_digest"], "the digest is of all persons"


async def test_a_row_just_committed_asks_whether_an_older_one_is_owed(path: Where) -> None:
    async with opened(path) as store:
        await owe(store, 1, "alt_older", minute=1)
        await owe(store, 1, "alt_newer", minute=2)
        await owe(store, 2, "alt_other", minute=3)
        older, newer, other = due(store)
        owed = Owed(store.reader)
        assert owed.owes_older(newer, ())
        assert not owed.owes_older(newer, {older.key}), "it is in memory, ahead"
        assert not owed.owes_older(older, ())
        assert not owed.owes_older(other, ())


async def test_another_workers_older_alert_comes_first(path: Where) -> None:
    async with opened(path) as store:
        await owe(store, 1, "alt_older", minute=1, slot=0)
        await owe(store, 1, "alt_newer", minute=2, slot=1)
        assert alerts(due(store, slot=1, slots=2)) == []
        (older,) = due(store, slot=0, slots=2)
        await store.commit(outbox.record(attempted(older)))
        assert alerts(due(store, slot=1, slots=2)) == ["alt_newer"]


async def test_what_was_owed_for_too_long_is_found(path: Where) -> None:
    async with opened(path) as store:
        await owe(store, 1, "alt_old", minute=0)
        await owe(store, 2, "alt_new", minute=50)
        owed, police = Owed(store.reader), EndpointId("police/webhook")
        found = owed.overdue(police, before=NOW + 10 * MINUTE, limit=5)
        assert alerts(list(found)) == ["alt_old"]


async def test_every_row_belongs_to_one_worker_whatever_their_number(path: Where) -> None:
    async with opened(path) as store:
        for number in range(6):
            await owe(store, number, f"alt_{number}", slot=number)
        for slots in (1, 2, 3, 4):
            owned = [alerts(due(store, slot=slot, slots=slots)) for slot in range(slots)]
            assert sorted(alert for found in owned for alert in found) == [
                f"alt_{number}" for number in range(6)
            ]


async def test_an_outcome_is_stored_with_its_entry_and_takes_the_row_out(path: Where) -> None:
    async with opened(path) as store:
        await owe(store, 1, "alt_1")
        (row,) = due(store)
        outcome = attempted(row, "rejected", reason="http-410")
        await store.commit(outbox.record(outcome))
        assert due(store) == []
        assert outbox.counts(store.reader) == {"rejected": 1}
    assert entries(path)[-1] == outcome.entry
    assert column(path, "SELECT reason FROM outbox") == ["http-410"]


async def test_a_final_state_is_never_left_again(path: Where) -> None:
    async with opened(path) as store:
        await owe(store, 1, "alt_1")
        (row,) = due(store)
        await store.commit(outbox.record(attempted(row, "accepted")))
        await store.commit(outbox.record(attempted(row, "pending", attempts=7)))
        assert outbox.counts(store.reader) == {"accepted": 1}
        assert column(path, "SELECT attempts FROM outbox") == [1]


async def test_a_deferred_row_keeps_what_the_next_attempt_needs(path: Where) -> None:
    async with opened(path) as store:
        await owe(store, 1, "alt_1")
        (row,) = due(store)
        later = NOW + 5 * MINUTE
        await store.commit(outbox.record(attempted(row, "pending", next_at=later, unknown=True)))
    async with opened(path) as store:
        assert due(store, minute=4) == []
        (again,) = due(store, minute=5)
    assert again == replace(row, attempts=1, outcome_unknown=True, next_at=later)


async def test_a_decision_is_committed_once(path: Where) -> None:
    async with opened(path) as store:
        event = await accepted(store, one_release(1))
        first = await store.commit(final(decided(event, disclosure(event, "alt_1"))))
        again = await store.commit(final(decided(event, disclosure(event, "alt_2"))))
        assert (first.verdict, again) == ("committed", Committed("already-decided"))
        assert alerts(due(store)) == ["alt_1"]
        assert undecided(store) == []
    assert len(entries(path)) == 2


async def test_a_decision_made_on_old_facts_changes_nothing(path: Where) -> None:
    async with opened(path) as store:
        one = await accepted(store, one_release(1, id="own-1"))
        two = await accepted(store, one_release(1, id="own-2"))
        assert (await store.commit(final(decided(one)))).verdict == "committed"
        stale = await store.commit(final(decided(two, disclosure(two, "alt_2"))))
        assert stale.verdict == "person-changed"
        assert due(store) == []
        assert [event.ref for event in undecided(store)] == [two.ref]
        mended = decided(two, disclosure(two, "alt_2"), version=1)
        assert (await store.commit(final(mended))).verdict == "committed"
    assert len(entries(path)) == 4


async def test_an_event_is_set_aside_after_so_many_failures_and_the_others_go_on(
    path: Where,
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


async def test_a_decided_event_is_never_set_aside(path: Where) -> None:
    async with opened(path) as store:
        event = await accepted(store, one_release(1))
        await store.commit(final(decided(event)))
        assert not await set_aside(store, event, body("aside"), after=1)
    assert column(path, "SELECT state FROM event") == ["decided"]
    assert not any(b"aside" in one for one in entries(path))


async def test_failures_are_counted_over_restarts(path: Where) -> None:
    async with opened(path) as store:
        event = await accepted(store, one_release(1))
        assert not await set_aside(store, event, body("aside"), after=2)
    async with opened(path) as store:
        assert await set_aside(store, event, body("aside"), after=2)


async def test_a_decision_against_an_older_directory_changes_nothing(path: Where) -> None:
    async with opened(path) as store:
        event = await accepted(store, one_release(1))
        made = decided(event, disclosure(event, "alt_1"))
        stale = await store.commit(commit(made, directory=lambda: "dir_newer"))
        assert stale == Committed("directory-changed")
        assert due(store) == []
        assert (await store.commit(final(made))).verdict == "committed"
