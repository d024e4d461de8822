"""Retention: what is done with goes after its time; what anybody still needs does not."""

from datetime import UTC, datetime, timedelta

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.retention import RetentionConfig
from gateway.model.ids import AlertId, RecipientId
from gateway.store import alerts, disposal, outbox, retention
from gateway.store.disposal import Disposing, months_before
from gateway.store.engine import Connection
from gateway.store.group_commit import Staged, Unit
from gateway.store.outbox import State
from gateway.store.retention import KINDS, Kind, Term
from gateway.store.store import Store
from tests.store.owing import Way, attempted, due, owe
from tests.store.stores import NOW, Where, accepted, column, entries, one_release, opened

LATER = NOW + timedelta(days=400)
EVERYTHING = RetentionConfig(
    contents_months=1, alerts_months=2, events_months=3, receipts_months=4, batch=2
)


async def disposed(store: Store, *kinds: Kind, now: datetime = LATER, hold: str = "") -> int:
    """Take away all that may go, of some kinds; return how much."""
    total = 0
    for kind in kinds or KINDS:
        held = frozenset({hold} - {""})
        term = Term(kind=kind, before=now - timedelta(days=30), legal_hold=held)
        for keys in retention.due(store.reader, term, limit=3):
            total += await store.commit(retention.take_away(term, keys, by="dpo", now=now))
    return total


def changing(statement: str) -> Unit[None]:
    """Return a unit that runs a statement."""

    def unit(connection: Connection) -> Staged[None]:
        connection.execute(statement)
        return Staged(None)

    return unit


async def sent(store: Store, *, state: State = "accepted") -> None:
    """Let every alert that is due leave."""
    for row in due(store):
        await store.commit(outbox.record(attempted(row, state)))


async def test_only_what_is_settled_and_told_goes(path: Where) -> None:
    async with opened(path) as store:
        await owe(store, 1, "alt_told")
        await owe(store, 2, "alt_unanswered", answer=True)
        await owe(store, 3, "alt_answered", answer=True)
        await sent(store)
        await owe(store, 4, "alt_owed")
        await owe(store, 5, "alt_dead")
        for row in due(store):
            if row.alert == "alt_dead":
                await store.commit(outbox.record(attempted(row, "dead")))
        await store.commit(
            alerts.answer(
                AlertId("alt_answered"), "acknowledged", means="operator", by="ops",
                reason=None, now=NOW, recipient=RecipientId("police"),
            )
        )  # fmt: skip
        assert await disposed(store, "contents") == 2
        assert column(path, "SELECT id FROM alert WHERE held IS NULL ORDER BY id") == [
            "alt_answered",
            "alt_told",
        ]
        assert column(path, "SELECT alert FROM outbox WHERE length(sealed) = 0 ORDER BY alert") == [
            "alt_answered",
            "alt_told",
        ]
        assert await disposed(store, "alerts") == 2
        kept = ["alt_dead", "alt_owed", "alt_unanswered"]
        assert column(path, "SELECT id FROM alert ORDER BY id") == kept
        assert column(path, "SELECT alert FROM outbox ORDER BY alert") == kept
        assert await disposed(store) == 2 + 5, "the events nothing rests on, and every receipt"
        assert len(column(path, "SELECT ref FROM event")) == 3


async def test_the_log_keeps_every_entry_and_says_what_went_by_count(path: Where) -> None:
    async with opened(path) as store:
        for person in range(1, 6):
            await owe(store, person, f"alt_{person}")
        await sent(store)
        before = entries(path)
        assert await disposed(store, "alerts") == 5
        after = entries(path)
        assert after[: len(before)] == before
        logged = [orjson.loads(one) for one in after[len(before) :]]
        assert [(one["op"], one["kind"], one["count"]) for one in logged] == [
            ("erasure", "alerts", 3),
            ("erasure", "alerts", 2),
        ]
        assert "person" not in logged[0]
        assert await disposed(store, "alerts") == 0
        assert entries(path) == after, "nothing went: nothing is said"


async def test_what_is_young_stays(path: Where) -> None:
    async with opened(path) as store:
        await owe(store, 1, "alt_1")
        await sent(store)
        assert await disposed(store, now=NOW + timedelta(days=29)) == 0


async def test_of_somebody_on_legal_hold_everything_stays_but_receipts(path: Where) -> None:
    async with opened(path) as store:
        event = await owe(store, 1, "alt_1")
        await sent(store)
        assert await disposed(store, "contents", "alerts", "events", hold=event.person) == 0
        assert await disposed(store, "contents", "alerts", "events") == 3


async def test_an_alert_that_a_kept_one_corrects_stays(path: Where) -> None:
    async with opened(path) as store:
        await owe(store, 1, "alt_1")
        await owe(store, 1, "alt_2")
        await sent(store)

        await store.commit(
            changing("UPDATE alert SET supersedes = 'alt_1', answer_within = 1 WHERE id = 'alt_2'")
        )
        assert await disposed(store, "alerts") == 0


async def test_an_undecided_event_stays(path: Where) -> None:
    async with opened(path) as store:
        await accepted(store, one_release(1))
        assert await disposed(store, "events") == 0


async def test_what_came_meanwhile_is_judged_anew(path: Where) -> None:
    async with opened(path) as store:
        await owe(store, 1, "alt_1")
        await sent(store)
        term = Term(kind="alerts", before=LATER)
        (keys,) = retention.due(store.reader, term, limit=10)

        await store.commit(changing("UPDATE outbox SET state = 'pending'"))
        taken = await store.commit(retention.take_away(term, keys, by="dpo", now=LATER))
        assert taken == 0


async def test_the_loop_of_a_gateway_does_what_is_configured(path: Where) -> None:
    async with opened(path) as store:
        for person in range(1, 4):
            await owe(store, person, f"alt_{person}", Way())
        await sent(store)
        assert disposal.counted(store.reader, EVERYTHING, LATER) == {
            "contents": 3, "alerts": 3, "events": 0, "receipts": 3,
        }  # fmt: skip
        off = Disposing(
            place=store.place, section=RetentionConfig(), commit=store.commit, now=lambda: LATER
        )
        assert await off.once() == 0, "nothing goes unless it is configured"
        on = Disposing(
            place=store.place, section=EVERYTHING, commit=store.commit, now=lambda: LATER, pause_s=0
        )
        assert await on.once() == 3 + 3 + 3 + 3
        assert await on.once() == 0


@given(
    st.datetimes(min_value=datetime(1990, 1, 1), max_value=datetime(2090, 1, 1)),  # noqa: DTZ001
    st.integers(1, 1200),
)
def test_months_before_are_months_of_the_calendar(at: datetime, months: int) -> None:
    found = months_before(at.replace(tzinfo=UTC), months)
    assert (at.year * 12 + at.month) - (found.year * 12 + found.month) == months
    assert found.day <= at.day
    assert (found.day == at.day) or (found + timedelta(days=1)).day == 1


@pytest.mark.parametrize(
    ("at", "months", "before"),
    [
        (datetime(2026, 3, 31, tzinfo=UTC), 1, datetime(2026, 2, 28, tzinfo=UTC)),
        (datetime(2024, 3, 31, tzinfo=UTC), 1, datetime(2024, 2, 29, tzinfo=UTC)),
        (datetime(2026, 1, 15, tzinfo=UTC), 12, datetime(2025, 1, 15, tzinfo=UTC)),
    ],
)
def test_a_month_ends_on_its_last_day(at: datetime, months: int, before: datetime) -> None:
    assert months_before(at, months) == before
