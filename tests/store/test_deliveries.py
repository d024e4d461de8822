"""Deliveries as an operator sees them: listed, told, and set going again once."""

from datetime import timedelta

import orjson
import pytest

from gateway.model.ids import AlertId, EndpointId, RecipientId
from gateway.model.outcome import Receipt
from gateway.model.party import Form
from gateway.store import deliveries, outbox
from gateway.store.deliveries import Wanted, retry
from gateway.store.outbox import State
from gateway.store.store import Store
from tests.store.owing import MINUTE, Way, attempted, due, owe
from tests.store.stores import NOW, Where, column, edit, entries, opened

MAIL = Way(endpoint="police/email", channel="email", form="notice")
TEXT = Way(endpoint="police/sms", channel="sms", form="pointer", step=2)
LATER = NOW + timedelta(hours=6)


def text_of(alert: AlertId, _endpoint: EndpointId, form: Form, issue: int) -> bytes:
    return f"{form} {alert} {issue}".encode()


async def end(store: Store, alert: str, state: State, *, way: Way, minute: float = 1) -> None:
    (row,) = [one for one in due(store, endpoint=way.endpoint) if one.alert == alert]
    made = attempted(row, state, at=NOW + minute * MINUTE, reason="smtp-550")
    await store.commit(outbox.record(made))


async def again(store: Store, alert: str) -> int:
    keys = deliveries.dead_letters(store.reader, alert=AlertId(alert))
    return await store.commit(retry(keys, by="operator-7", text_of=text_of, now=LATER))


async def test_deliveries_are_listed_by_what_is_asked(path: Where) -> None:
    async with opened(path) as store:
        await owe(store, 1, "alt_1", MAIL, TEXT, minute=0)
        await owe(store, 2, "alt_2", MAIL, minute=1)
        await owe(store, 3, "alt_3", Way(endpoint="probation/webhook"), minute=2)
        await end(store, "alt_2", "accepted", way=MAIL, minute=3)
        bounce = Receipt(alert=AlertId("alt_2"), channel="email", state="failed", code="dsn-5.1.1")
        await store.commit(outbox.receive(bounce, NOW + 50 * MINUTE))

        def found(wanted: Wanted) -> list[tuple[str, str, str]]:
            rows = deliveries.listing(store.reader, wanted)
            return [(one.alert, one.endpoint, one.shown) for one in rows]

        everything = [
            ("alt_3", "probation/webhook", "pending"),
            ("alt_2", "police/email", "failed"),
            ("alt_1", "police/email", "pending"),
            ("alt_1", "police/sms", "waiting"),
        ]
        assert found(Wanted()) == everything
        assert found(Wanted(limit=1)) == everything[:1]
        assert found(Wanted(state="waiting")) == everything[3:]
        assert found(Wanted(state="failed")) == [everything[1]]
        assert found(Wanted(endpoint=EndpointId("police/email"))) == everything[1:3]
        assert found(Wanted(recipient=RecipientId("probation"))) == everything[:1]
        assert found(Wanted(since=NOW + 40 * MINUTE)) == [everything[1]]


async def test_an_alerts_story_is_told_from_the_log(path: Where) -> None:
    async with opened(path) as store:
        await owe(store, 1, "alt_1", MAIL, TEXT)
        await owe(store, 2, "alt_11", MAIL)
        await end(store, "alt_1", "rejected", way=MAIL)
        ways = deliveries.ways_of(store.reader, AlertId("alt_1"))
        assert [(one.endpoint, one.shown) for one in ways] == [
            ("police/email", "rejected"),
            ("police/sms", "pending"),
        ]
        story = deliveries.story_of(store.reader, AlertId("alt_1"))
        assert [one["op"] for one in story][-1] == "escalation"
        assert deliveries.story_of(store.reader, AlertId("alt_none")) == []


@pytest.mark.parametrize("state", ["rejected", "dead"])
async def test_a_dead_letter_is_set_going_again_with_a_new_link(path: Where, state: State) -> None:
    async with opened(path) as store:
        await owe(store, 1, "alt_1", MAIL)
        await end(store, "alt_1", state, way=MAIL)
        assert due(store, endpoint="police/email") == []
        assert await again(store, "alt_1") == 1
        (row,) = due(store, endpoint="police/email", minute=360)
        assert (row.attempts, row.link_issue, row.sealed) == (1, 1, b"notice alt_1 1")
        assert row.owed_since == LATER, "it is not given up at once"
        assert await again(store, "alt_1") == 0, "nothing of it has failed now"
    logged = orjson.loads(entries(path)[-1])
    told = {name: logged.get(name) for name in ("op", "outcome", "number", "reason", "by")}
    assert told == {
        "op": "attempt", "outcome": "retried", "number": 1, "reason": "smtp-550",
        "by": "operator-7",
    }  # fmt: skip


async def test_what_was_sealed_stays_sealed(path: Where) -> None:
    async with opened(path) as store:
        await owe(store, 1, "alt_1")
        (row,) = due(store)
        await store.commit(outbox.record(attempted(row, "dead", unknown=True)))
        assert await again(store, "alt_1") == 1
        (once_more,) = due(store, minute=360)
    assert (once_more.sealed, once_more.link_issue) == (row.sealed, 0)
    assert once_more.outcome_unknown, "an SMS provider is asked before anything is sent again"


async def test_two_who_retry_at_once_make_one_retry(path: Where) -> None:
    async with opened(path) as store:
        await owe(store, 1, "alt_1", MAIL)
        await end(store, "alt_1", "dead", way=MAIL)
        keys = deliveries.dead_letters(store.reader, alert=AlertId("alt_1"))
        done = [
            await store.commit(retry(keys, by=by, text_of=text_of, now=LATER)) for by in ("a", "b")
        ]
    assert done == [1, 0]


_NEWER = (
    "INSERT INTO alert (id, event, person, recipient, message, supersedes, urgent, exercise,"
    " decided_at, slot) SELECT 'alt_newer', event, person, recipient, 'UPDATE', id, 0, 0, 0, 0"
    " FROM alert"
)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE alert SET recalled = 1",
        "UPDATE alert SET held = NULL",
        _NEWER,
    ],
    ids=["recalled", "erased", "replaced"],
)
async def test_what_no_longer_stands_is_never_set_going(path: Where, change: str) -> None:
    async with opened(path) as store:
        await owe(store, 1, "alt_1", MAIL)
        await end(store, "alt_1", "dead", way=MAIL)
    edit(path, change)
    async with opened(path) as store:
        assert deliveries.dead_letters(store.reader) == []
        assert await again(store, "alt_1") == 0


async def test_a_failed_receipt_is_a_dead_letter_too(path: Where) -> None:
    async with opened(path) as store:
        await owe(store, 1, "alt_1", MAIL)
        await end(store, "alt_1", "accepted", way=MAIL)
        bounce = Receipt(alert=AlertId("alt_1"), channel="email", state="failed", code="dsn-5.1.1")
        await store.commit(outbox.receive(bounce, NOW + 5 * MINUTE))
        assert await again(store, "alt_1") == 1
        assert column(path, "SELECT receipt FROM outbox") == [""]


async def test_dead_letters_since_a_time_over_one_endpoint(path: Where) -> None:
    async with opened(path) as store:
        for number, minute in enumerate((1, 20, 40)):
            await owe(store, number, f"alt_{number}", MAIL)
            await end(store, f"alt_{number}", "dead", way=MAIL, minute=minute)

        def found(**asked: object) -> list[str]:
            return [alert for alert, _ in deliveries.dead_letters(store.reader, **asked)]  # type: ignore[arg-type]

        assert found() == ["alt_0", "alt_1", "alt_2"]
        assert found(since=NOW + 20 * MINUTE) == ["alt_1", "alt_2"]
        assert found(endpoint=EndpointId("police/sms")) == []
