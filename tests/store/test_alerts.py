"""Alerts in the store: answers taken once, clocks stopped for a whole chain, what is listed."""

import dataclasses
import datetime as dt
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.disclosure_log import entry
from gateway.model.alert_state import Answer
from gateway.model.disclosure import AlertKept, Disclosure, Message
from gateway.model.event import Event
from gateway.model.ids import AlertId, EndpointId, EventRef, PersonRef, RecipientId
from gateway.model.reference import plain_reference
from gateway.store import alerts, chains
from gateway.store.alerts import AlertRow, AnswerResult
from gateway.store.decisions import Decided, commit
from gateway.store.store import Store
from tests.store.stores import NOW, accepted, column, entries, kept, one_release, opened

HOUR = dt.timedelta(hours=1)
FIRST = AlertId("alt_" + "a" * 32)
SECOND = AlertId("alt_" + "b" * 32)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with opened(tmp_path / "throughgate.db") as found:
        yield found


async def told(
    store: Store,
    alert: AlertId,
    recipient: str = "police",
    *,
    message: Message = "NOTIFY",
    escalates: AlertId | None = None,
    supersedes: AlertId | None = None,
    by: dt.datetime | None = NOW + HOUR,
    hours: int = 0,
) -> Event:
    """Decide a new event: one alert, to be answered by then."""
    event = await accepted(store, one_release(1, id=f"own-{alert}"))
    one = dataclasses.replace(
        kept(event, alert, recipient),
        message=message,
        escalates=escalates,
        supersedes=supersedes,
        acknowledge_by=by,
        acknowledge_within=HOUR if by else None,
    )
    (version,) = column(store.place, f"SELECT version FROM person WHERE ref = '{event.person}'")
    made = Decided(
        event=event,
        directory=None,
        person_version=version,
        facts=b"facts",
        alerts=((one, b"sealed"),),
        disclosures=(_over(one),),
        refusals=(),
        now=NOW + hours * HOUR,
        slot=0,
    )
    assert (await store.commit(commit(made, directory=lambda: None))).verdict == "committed"
    return event


def _over(one: AlertKept) -> Disclosure:
    return Disclosure(
        alert=one.alert,
        event=one.event,
        person=one.person,
        recipient=one.recipient,
        endpoint=EndpointId(f"{one.recipient}/webhook"),
        channel="webhook",
        form="sealed",
        sealed=b"{}",
        entry=entry.security(at=NOW, code="disclosed", agency=None).encode(),
    )


async def say(
    store: Store, alert: AlertId, said: Answer, reason: str | None = None, **changes: Any
) -> AnswerResult:
    settings: dict[str, Any] = {"means": "api", "by": "duty-officer", "now": NOW + HOUR / 2}
    return await store.commit(alerts.answer(alert, said, reason=reason, **(settings | changes)))


def row(store: Store, alert: AlertId) -> AlertRow:
    found = alerts.find(store.reader, alert)
    assert found is not None
    return found


def answers(store: Store) -> list[dict[str, Any]]:
    logged = (orjson.loads(one) for one in entries(store.place))
    return [one for one in logged if one["op"] == "acknowledgement"]


async def test_an_answer_is_taken_logged_and_stops_the_clock(store: Store) -> None:
    await told(store, FIRST)
    assert row(store, FIRST).answer_by == NOW + HOUR
    result = await say(store, FIRST, "acknowledged")
    assert result == AnswerResult(verdict="taken", state="acknowledged")
    assert row(store, FIRST).answer_by is None
    assert row(store, FIRST).answered_at == NOW + HOUR / 2
    (logged,) = answers(store)
    assert (logged["alert"], logged["recipient"], logged["answer"]) == (
        FIRST, "police", "acknowledged",
    )  # fmt: skip
    assert (logged["means"], logged["by"]) == ("api", "duty-officer")
    assert "reason" not in logged


async def test_the_same_answer_twice_is_one_entry(store: Store) -> None:
    await told(store, FIRST)
    await say(store, FIRST, "accepted")
    again = await say(store, FIRST, "accepted", now=NOW + HOUR)
    assert again == AnswerResult(verdict="repeated", state="accepted")
    assert len(answers(store)) == 1
    assert row(store, FIRST).answered_at == NOW + HOUR / 2


async def test_answers_only_go_forward(store: Store) -> None:
    await told(store, FIRST)
    forward: tuple[Answer, ...] = ("acknowledged", "accepted", "actioned")
    for said in forward:
        assert (await say(store, FIRST, said)).verdict == "taken"
    for said in forward[:2]:
        back = await say(store, FIRST, said)
        assert back == AnswerResult(verdict="not-forward", state="actioned")
    assert (await say(store, FIRST, "rejected", "other")).verdict == "not-forward"
    assert [one["answer"] for one in answers(store)] == ["acknowledged", "accepted", "actioned"]


async def test_a_rejection_needs_a_reason_and_is_due_at_once(store: Store) -> None:
    await told(store, FIRST)
    assert (await say(store, FIRST, "rejected")).verdict == "needs-reason"
    assert row(store, FIRST).answer_by == NOW + HOUR
    assert (await say(store, FIRST, "rejected", "wrong-person")).state == "rejected"
    assert row(store, FIRST).answer_by == NOW + HOUR / 2
    assert chains.due(store.reader, NOW + HOUR / 2, 10) == [FIRST]
    assert answers(store)[0]["reason"] == "wrong-person"


async def test_who_is_not_the_recipient_learns_nothing(store: Store) -> None:
    await told(store, FIRST)
    unknown = AnswerResult(verdict="unknown", state=None)
    assert await say(store, FIRST, "accepted", recipient=RecipientId("probation")) == unknown
    assert await say(store, SECOND, "accepted") == unknown
    assert answers(store) == []


async def test_one_human_has_it_for_the_whole_chain(store: Store) -> None:
    await told(store, FIRST)
    await told(store, SECOND, "desk", message="CHASE", escalates=FIRST, hours=1)
    members = alerts.chain(store.reader, row(store, SECOND))
    assert [one.id for one in members] == [FIRST, SECOND]
    assert not alerts.is_held(members)
    await say(store, SECOND, "acknowledged")
    assert row(store, FIRST).answer_by is None
    assert row(store, SECOND).answer_by is None
    assert row(store, FIRST).answer is None, "what the first says of itself is the first's to say"
    assert alerts.is_held(alerts.chain(store.reader, row(store, FIRST)))


@pytest.mark.parametrize(("message", "recalled"), [("RECALL", True), ("CORRECTION", False)])
async def test_what_takes_an_alerts_place_stops_its_clock_and_its_chases(
    store: Store, message: Message, recalled: bool
) -> None:
    await told(store, FIRST)
    await told(store, SECOND, "desk", message="CHASE", escalates=FIRST)
    later = AlertId("alt_" + "c" * 32)
    await told(store, later, message=message, supersedes=FIRST, by=None, hours=1)
    for alert in (FIRST, SECOND):
        assert row(store, alert).answer_by is None
        assert row(store, alert).recalled is recalled
    verdict = (await say(store, FIRST, "accepted")).verdict
    assert verdict == ("recalled" if recalled else "taken")
    if recalled:
        answered = await say(store, FIRST, "acknowledged")
        assert answered == AnswerResult(verdict="taken", state="recalled")


async def test_an_alert_is_found_by_its_reference(store: Store) -> None:
    await told(store, FIRST)
    await told(store, SECOND)
    (found,) = alerts.by_reference(store.reader, plain_reference(FIRST))
    assert found.id == FIRST
    assert alerts.by_reference(store.reader, "0" * 12) == []
    plan = store.reader.execute(
        "EXPLAIN QUERY PLAN SELECT id FROM alert WHERE substr(id, -12) = ?", ("a" * 12,)
    ).fetchall()
    assert "alert_reference" in str(plan)


async def test_the_list_is_newest_first_and_narrowed(store: Store) -> None:
    await told(store, FIRST)
    await told(store, SECOND, "probation", by=None, hours=2)

    def found(**narrowed: Any) -> list[str]:
        return [one.id for one in alerts.listed(store.reader, **narrowed)]

    assert found() == [SECOND, FIRST]
    assert found(recipient=RecipientId("police")) == [FIRST]
    assert found(since=NOW + HOUR) == [SECOND]
    assert found(unanswered=True) == [FIRST], "nobody has to answer the other"
    await say(store, FIRST, "accepted")
    assert found(unanswered=True) == []


async def test_a_unit_that_comes_too_late_changes_nothing(store: Store) -> None:
    """What was read before an answer is acted on after it: by nobody."""
    await told(store, FIRST)
    before = row(store, FIRST)
    await say(store, FIRST, "acknowledged")
    count = len(entries(store.place))
    now = NOW + HOUR
    assert not await store.commit(
        chains.end(before, reason="unanswered", now=now, incident="nobody-answered police")
    )
    assert await store.commit(chains.climb_own(before, 2, reason="unanswered", now=now)) == []
    await store.commit(chains.pass_on(before, reason="failed", now=now))
    await store.commit(chains.stop(before))
    assert row(store, FIRST).rung == 0
    assert len(entries(store.place)) == count
    assert store.reader.execute("SELECT count(*) FROM incident").get == 0


@given(within=st.timedeltas(dt.timedelta(minutes=1), dt.timedelta(days=5)), rungs=st.integers(1, 9))
def test_the_kth_rung_is_due_at_the_decision_and_k_times_what_each_has(
    within: dt.timedelta, rungs: int
) -> None:
    """Nothing that was read of a clock when it was climbed comes into it."""
    one = AlertRow(
        id=FIRST, event=EventRef("evt"), person=PersonRef("per"), recipient=RecipientId("police"),
        message="NOTIFY", escalates=None, urgent=True, exercise=False, decided_at=NOW,
        answer_by=NOW + within, within=within, rung=0, collected_at=None, answer=None,
        answered_at=None, recalled=False,
    )  # fmt: skip
    for rung in range(1, rungs + 1):
        assert one.answer_by == NOW + rung * within
        one = dataclasses.replace(one, rung=rung, answer_by=chains.next_due(one))
