"""Steps of an alert: when the next is turned to, and when it is not."""

from collections.abc import Mapping
from typing import Any

import orjson
import pytest

from gateway.model.ids import AlertId, EndpointId
from gateway.model.outcome import Receipt
from gateway.store import outbox
from gateway.store.group_commit import Staged, Unit
from gateway.store.outbox import State
from gateway.store.owed import Owed
from gateway.store.steps import OutOfReach, turn_to_next
from gateway.store.store import Store
from tests.store.owing import MINUTE, Way, alerts, attempted, due, owe
from tests.store.stores import NOW, Where, column, entries, opened

HOOK = Way(endpoint="police/webhook", step=1)
MAIL = Way(endpoint="police/email", channel="email", form="notice", step=1)
TEXT = Way(endpoint="police/sms", channel="sms", form="pointer", step=2)
DESK = Way(endpoint="police/desk", channel="email", form="notice", step=3)
ALERT = AlertId("alt_1")


async def end(store: Store, way: Way, state: State, *, minute: float = 1) -> None:
    """Let an attempt at the alert over a way end."""
    (row,) = [one for one in due(store, endpoint=way.endpoint) if one.alert == ALERT]
    await store.commit(
        outbox.record(attempted(row, state, at=NOW + minute * MINUTE, reason="http-410"))
    )


def states(store: Store) -> dict[str, str]:
    return dict(store.reader.execute("SELECT endpoint, state FROM outbox"))


def alert(store: Store) -> Mapping[str, Any]:
    names = ("rung", "answer_by")
    return dict(
        zip(names, store.reader.execute("SELECT rung, answer_by FROM alert").get, strict=True)
    )


def escalations(path: Where) -> list[dict[str, Any]]:
    found = [orjson.loads(one) for one in entries(path)]
    return [one for one in found if one["op"] == "escalation"]


async def test_a_later_step_waits_and_is_turned_to_when_the_first_has_failed(path: Where) -> None:
    async with opened(path) as store:
        await owe(store, 1, "alt_1", HOOK, MAIL, TEXT, DESK)
        assert states(store)["police/sms"] == "waiting"
        assert outbox.next_step(store.reader, ALERT) == 2
        await end(store, HOOK, "rejected")
        assert states(store)["police/sms"] == "waiting", "the mail may still arrive"
        await end(store, MAIL, "dead", minute=2)
        assert states(store) == {
            "police/webhook": "rejected",
            "police/email": "dead",
            "police/sms": "pending",
            "police/desk": "waiting",
        }
        (text,) = due(store, endpoint="police/sms")
        assert text.next_at == NOW + 2 * MINUTE
        assert alert(store)["rung"] == 1
    (logged,) = escalations(path)
    told = {name: logged[name] for name in ("alert", "recipient", "rung", "to", "reason")}
    assert told == {
        "alert": "alt_1", "recipient": "police", "rung": 1, "to": "police/sms", "reason": "failed",
    }  # fmt: skip


async def test_the_attempts_entry_comes_before_what_followed_from_it(path: Where) -> None:
    async with opened(path) as store:
        await owe(store, 1, "alt_1", HOOK, TEXT)
        await end(store, HOOK, "dead")
    assert [b'"op":"escalation"' in one for one in entries(path)[-2:]] == [False, True]


@pytest.mark.parametrize("other", ["accepted", "pending"])
async def test_a_failure_turns_to_nothing_while_another_way_worked_or_may(
    path: Where, other: State
) -> None:
    async with opened(path) as store:
        await owe(store, 1, "alt_1", HOOK, MAIL, TEXT)
        await end(store, MAIL, other)
        await end(store, HOOK, "dead")
        assert states(store)["police/sms"] == "waiting"
    assert escalations(path) == []


async def test_nothing_is_turned_to_once_a_human_has_read_the_alert(path: Where) -> None:
    async with opened(path) as store:
        await owe(store, 1, "alt_1", HOOK, TEXT)
        await store.commit(_sql("UPDATE alert SET collected_at = 1"))
        await end(store, HOOK, "dead")
        assert states(store)["police/sms"] == "waiting"


async def test_an_urgent_alert_does_not_wait_for_an_endpoint_out_of_reach(path: Where) -> None:
    async with opened(path) as store:
        await owe(store, 1, "alt_1", HOOK, TEXT, urgent=True)
        police = EndpointId("police/webhook")
        at = NOW + MINUTE
        found = Owed(store.reader).stranded(police, now=at, decided_before=NOW - MINUTE, limit=9)
        assert found == [ALERT]
        out = OutOfReach(endpoints=frozenset({police}), decided_before=NOW - MINUTE)
        await store.commit(turn_to_next(found, at, out))
        assert states(store) == {"police/webhook": "pending", "police/sms": "pending"}
        await store.commit(turn_to_next(found, at, out))
        assert alert(store)["rung"] == 1
    assert len(escalations(path)) == 1


async def test_a_routine_alert_waits_so_long_for_an_endpoint_out_of_reach(path: Where) -> None:
    async with opened(path) as store:
        await owe(store, 1, "alt_1", HOOK, TEXT)
        police = EndpointId("police/webhook")
        owed, at = Owed(store.reader), NOW + 11 * MINUTE
        for before, found in ((NOW - MINUTE, []), (NOW, [ALERT])):
            assert owed.stranded(police, now=at, decided_before=before, limit=9) == found
            out = OutOfReach(endpoints=frozenset({police}), decided_before=before)
            await store.commit(turn_to_next([ALERT], at, out))
            assert alert(store)["rung"] == len(found)


async def test_a_bounce_undoes_the_acceptance_and_the_next_step_is_turned_to(path: Where) -> None:
    async with opened(path) as store:
        await owe(store, 1, "alt_1", MAIL, TEXT)
        await end(store, MAIL, "accepted")
        bounce = Receipt(alert=ALERT, channel="email", state="failed", code="dsn-5.1.1")
        assert await store.commit(outbox.receive(bounce, NOW + 5 * MINUTE))
        assert states(store) == {"police/email": "accepted", "police/sms": "pending"}
    assert len(escalations(path)) == 1


async def test_a_bounce_turns_to_nothing_if_another_way_worked(path: Where) -> None:
    async with opened(path) as store:
        await owe(store, 1, "alt_1", HOOK, MAIL, TEXT)
        await end(store, HOOK, "accepted")
        await end(store, MAIL, "accepted")
        bounce = Receipt(alert=ALERT, channel="email", state="failed", code="dsn-5.1.1")
        assert await store.commit(outbox.receive(bounce, NOW + 5 * MINUTE))
        assert states(store)["police/sms"] == "waiting"


async def test_when_no_way_is_left_the_next_person_is_due_at_once(path: Where) -> None:
    async with opened(path) as store:
        await owe(store, 1, "alt_1", HOOK, TEXT, answer=True)
        await end(store, HOOK, "dead")
        at = NOW + 3 * MINUTE
        assert alert(store)["answer_by"] > int(at.timestamp() * 1000)
        await end(store, TEXT, "rejected", minute=3)
        assert alert(store) == {"rung": 1, "answer_by": int(at.timestamp() * 1000)}


async def test_an_alert_that_nobody_has_to_answer_is_not_lost_in_silence(path: Where) -> None:
    async with opened(path) as store:
        await owe(store, 1, "alt_1", HOOK)
        assert alert(store)["answer_by"] is None
        await end(store, HOOK, "dead")
        assert alert(store)["answer_by"] == int((NOW + MINUTE).timestamp() * 1000)


@pytest.mark.parametrize("state", ["accepted", "pending"])
async def test_an_alert_that_may_have_arrived_is_not_due_early(path: Where, state: State) -> None:
    async with opened(path) as store:
        await owe(store, 1, "alt_1", HOOK, MAIL)
        await end(store, MAIL, state)
        await end(store, HOOK, "dead")
        assert alert(store)["answer_by"] is None


async def test_silence_turns_to_a_step_once_and_not_before_its_quiet_hours_end(path: Where) -> None:
    async with opened(path) as store:
        morning = NOW + 30 * MINUTE
        await owe(store, 1, "alt_1", HOOK, Way(endpoint="police/sms", step=2, not_before=morning))
        turned: list[list[EndpointId]] = []

        def unit(connection: Any) -> Staged[None]:
            turned.append(outbox.activate_step(connection, ALERT, 2, NOW + MINUTE))
            return Staged(None)

        await store.commit(unit)
        await store.commit(unit)
        assert turned == [["police/sms"], []]
        assert due(store, endpoint="police/sms", minute=29) == []
        assert alerts(due(store, endpoint="police/sms", minute=30)) == ["alt_1"]
        assert outbox.next_step(store.reader, ALERT) is None


async def test_what_is_withheld_is_never_turned_to(path: Where) -> None:
    async with opened(path) as store:
        await owe(store, 1, "alt_1", HOOK, TEXT)
        (row,) = due(store)

        def unit(connection: Any) -> Staged[None]:
            return Staged(None, outbox.withhold(connection, ALERT, "retracted", NOW))

        await store.commit(unit)
        await store.commit(outbox.record(attempted(row, "dead")))
        assert set(states(store).values()) == {"withheld"}
        assert column(path, "SELECT answer_by FROM alert") == [None]


def _sql(text: str) -> Unit[None]:
    def unit(connection: Any) -> Staged[None]:
        connection.execute(text)
        return Staged(None)

    return unit
