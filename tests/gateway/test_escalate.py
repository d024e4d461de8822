"""Whom an alert goes on to, and whom it does not, whatever made it go on."""

import asyncio
import dataclasses
import datetime as dt
from pathlib import Path

from gateway.disclose import Disclosing
from gateway.escalate import Escalator
from gateway.model.alert_state import Answer
from gateway.model.disclosure import AlertKept
from gateway.model.ids import AlertId, EventRef, PersonRef, RecipientId
from gateway.registration import register_recipients
from gateway.store import alerts
from gateway.store.alerts import AnswerResult
from gateway.store.engine import Connection
from gateway.store.group_commit import Staged
from gateway.store.steps import fall_over
from tests.gateway.nights import HOUR, SECOND, TWO, Night, Sleeper, night

DESK = Sleeper(
    name="desk", role="accommodation_associate", organisation_class="charity", hook=False,
    number="+447700900103",
)  # fmt: skip
OTHER = dataclasses.replace(DESK, name="other", number="+447700900104")
POLICE = Sleeper(name="police", deputies=("other",), duty_desk="desk")
MINUTE = dt.timedelta(minutes=1)


async def escaped(it: Night) -> AlertId:
    """Have somebody escape; return the alert that the police got."""
    await it.happens("custody.escaped")
    return own(it, "police")


def own(it: Night, name: str) -> AlertId:
    [(alert,)] = it.rows("SELECT id FROM alert WHERE recipient = ?", name)
    return AlertId(alert)


async def answer(
    it: Night, alert: AlertId, said: Answer, reason: str | None = None
) -> AnswerResult:
    return await it.store.commit(
        alerts.answer(alert, said, means="api", by=None, reason=reason, now=it.clock())
    )


async def edit(it: Night, sql: str, *bindings: object) -> None:
    """Change the database as another part of the gateway would."""

    def unit(connection: Connection) -> Staged[None]:
        connection.execute(sql, bindings)
        return Staged(None)

    await it.store.commit(unit)


async def lost(it: Night, alert: AlertId) -> None:
    """Have every way of an alert be given up."""

    def unit(connection: Connection) -> Staged[None]:
        connection.execute("UPDATE outbox SET state = 'dead' WHERE alert = ?", (alert,))
        return Staged(None, fall_over(connection, alert, it.clock()))

    await it.store.commit(unit)


def climbs(it: Night) -> list[tuple[str, str]]:
    return [(one["to"], one["reason"]) for one in it.story("escalation")]


async def test_a_rejection_goes_straight_to_somebody_else(tmp_path: Path) -> None:
    police = dataclasses.replace(POLICE, number="+447700900101")
    async with night(tmp_path, [police, OTHER, DESK]) as it:
        alert = await escaped(it)
        await answer(it, alert, "rejected", "not-ours")
        assert await it.at(TWO + MINUTE) == 1
        assert climbs(it) == [("other", "rejected")], "not to their own second channel"
        assert await it.at(TWO + HOUR) == 1, "an hour from the rejection"
        assert climbs(it)[1:] == [("desk", "unanswered")]


async def test_a_rejection_by_whom_it_went_on_to_brings_the_next_at_once(tmp_path: Path) -> None:
    async with night(tmp_path, [POLICE, OTHER, DESK]) as it:
        await escaped(it)
        await it.at(TWO + HOUR)
        it.clock.now = TWO + HOUR + MINUTE
        await answer(it, own(it, "other"), "rejected", "cannot-act")
        await it.at(TWO + HOUR + MINUTE)
        await it.at(TWO + HOUR + MINUTE)
        assert climbs(it) == [("other", "unanswered"), ("desk", "rejected")]
        last = it.story("escalation")[-1]
        assert last["due"][11:19] == "03:01:00"


async def test_a_late_rejection_takes_it_from_nobody(tmp_path: Path) -> None:
    async with night(tmp_path, [POLICE, OTHER, DESK]) as it:
        alert = await escaped(it)
        await it.at(TWO + HOUR)
        await answer(it, alert, "rejected", "not-ours")
        assert await it.at(TWO + 2 * HOUR - SECOND) == 0, "the other has an hour to answer"
        await it.at(TWO + 2 * HOUR)
        assert climbs(it) == [("other", "unanswered"), ("desk", "unanswered")]


async def test_a_late_rejection_does_not_undo_that_somebody_has_it(tmp_path: Path) -> None:
    async with night(tmp_path, [POLICE, OTHER, DESK]) as it:
        alert = await escaped(it)
        await it.at(TWO + HOUR)
        await answer(it, own(it, "other"), "accepted")
        await answer(it, alert, "rejected", "not-ours")
        assert await it.at(TWO + 24 * HOUR) == 0
        assert climbs(it) == [("other", "unanswered")]


async def test_the_last_way_lost_goes_on_at_once(tmp_path: Path) -> None:
    async with night(tmp_path, [POLICE, OTHER, DESK]) as it:
        it.hooks["police"]._answers.extend([410])
        alert = await escaped(it)
        assert it.rows("SELECT state FROM outbox WHERE alert = ?", alert) == [("rejected",)]
        assert await it.at(TWO) == 1
        assert climbs(it) == [("other", "failed")]
        assert await it.at(TWO + SECOND) == 0, "one loss, one rung"
        await it.at(TWO + HOUR - SECOND)
        assert len(climbs(it)) == 1
        await it.at(TWO + HOUR)
        assert climbs(it)[1:] == [("desk", "unanswered")]


async def test_a_loss_further_up_goes_on_from_there(tmp_path: Path) -> None:
    async with night(tmp_path, [POLICE, OTHER, DESK]) as it:
        await escaped(it)
        await it.at(TWO + HOUR)
        it.clock.now = TWO + HOUR + MINUTE
        await lost(it, own(it, "other"))
        assert await it.at(TWO + HOUR + MINUTE) == 1
        assert await it.at(TWO + HOUR + MINUTE) == 1
        assert climbs(it) == [("other", "unanswered"), ("desk", "failed")]
        assert await it.at(TWO + HOUR + 2 * MINUTE) == 0


async def test_a_loss_of_what_nobody_must_answer_goes_on_too(tmp_path: Path) -> None:
    async with night(tmp_path, [POLICE, OTHER, DESK]) as it:
        alert = await escaped(it)
        await edit(it, "UPDATE alert SET answer_by = NULL, answer_within = NULL")
        assert await it.at(TWO + 24 * HOUR) == 0
        await lost(it, alert)
        assert await it.at(TWO + 24 * HOUR + SECOND) == 1
        assert climbs(it) == [("other", "failed")]
        await it.at(TWO + 27 * HOUR)
        assert len(climbs(it)) == 1
        await it.at(TWO + 29 * HOUR)  # the chase goes unanswered in its turn
        await it.at(TWO + 29 * HOUR)
        assert climbs(it)[1:] == [("desk", "unanswered")]


async def test_what_was_retracted_goes_to_nobody(tmp_path: Path) -> None:
    async with night(tmp_path, [POLICE, OTHER, DESK]) as it:
        await escaped(it)
        await edit(it, "UPDATE event SET state = 'retracted'")
        await it.at(TWO + HOUR)
        assert await it.at(TWO + 24 * HOUR) == 0
        assert climbs(it) == []


async def test_what_was_withheld_before_it_left_goes_to_nobody(tmp_path: Path) -> None:
    async with night(tmp_path, [POLICE, OTHER, DESK]) as it:
        await escaped(it)
        await edit(it, "UPDATE outbox SET state = 'withheld', attempts = 0")
        await it.at(TWO + HOUR)
        assert await it.at(TWO + 24 * HOUR) == 0
        assert climbs(it) == []


async def test_who_is_gone_is_left_out_and_a_circle_ends(tmp_path: Path) -> None:
    police = dataclasses.replace(POLICE, deputies=("gone", "police", "other", "other"))
    async with night(tmp_path, [police, OTHER, DESK]) as it:
        await escaped(it)
        for hours in range(1, 6):
            await it.at(TWO + hours * HOUR)
        assert [to for to, _ in climbs(it)] == ["other", "desk", "nobody"]


async def test_who_has_it_already_is_left_out(tmp_path: Path) -> None:
    """A deputy who was told of the event themselves, and answered, is not told again."""
    deputy = Sleeper(name="deputy")
    police = dataclasses.replace(POLICE, deputies=("deputy", "other"))
    async with night(tmp_path, [police, deputy, OTHER, DESK]) as it:
        await escaped(it)
        await answer(it, own(it, "deputy"), "accepted")
        await it.at(TWO + HOUR)
        assert climbs(it) == [("other", "unanswered")]


async def test_who_cannot_be_reached_is_left_out_and_said(tmp_path: Path) -> None:
    async with night(tmp_path, [POLICE, dataclasses.replace(OTHER, exercise=True), DESK]) as it:
        await escaped(it)
        assert await it.at(TWO + HOUR) == 1
        assert climbs(it) == [("desk", "unanswered")]
        reasons = [
            reason["code"]
            for one in it.story("refusal")
            if one["recipient"] == "other"
            for reason in one["reasons"]
        ]
        assert "no-live-route" in reasons


async def test_an_exercise_reaches_exercise_routes_alone(tmp_path: Path) -> None:
    people = [
        dataclasses.replace(POLICE, exercise=True),
        OTHER,  # has a live telephone, and no other
        dataclasses.replace(DESK, exercise=True),
    ]
    async with night(tmp_path, people) as it:
        await it.happens("custody.escaped", status="exercise")
        assert await it.at(TWO + HOUR) == 1
        assert climbs(it) == [("desk", "unanswered")]
        assert it.texts(OTHER.number or "") == []
        assert set(it.rows("SELECT exercise FROM alert")) == {(1,)}


async def test_the_loop_looks_by_itself_and_ends_when_it_is_told_to(tmp_path: Path) -> None:
    async with night(tmp_path, [POLICE, OTHER, DESK]) as it:
        await escaped(it)
        loop = asyncio.create_task(it.escalator.run())
        it.clock.now = TWO + HOUR
        async with asyncio.timeout(10):
            while not climbs(it):  # noqa: ASYNC110 - the loop decides when
                await asyncio.sleep(0.05)
        loop.cancel()
        await asyncio.gather(loop, return_exceptions=True)
        assert loop.cancelled()
        assert climbs(it) == [("other", "unanswered")]


async def test_two_workers_climb_one_rung(tmp_path: Path) -> None:
    async with night(tmp_path, [POLICE, OTHER, DESK]) as it:
        await escaped(it)
        it.clock.now = TWO + HOUR
        await asyncio.gather(*(it.escalator.look() for _ in range(4)))
        assert climbs(it) == [("other", "unanswered")]
        assert len(it.rows("SELECT id FROM alert WHERE recipient = 'other'")) == 1


async def test_an_answer_that_comes_first_wins(tmp_path: Path) -> None:
    async with night(tmp_path, [POLICE, OTHER, DESK]) as it:
        alert = await escaped(it)
        it.clock.now = TWO + HOUR
        answered, _ = await asyncio.gather(answer(it, alert, "acknowledged"), it.escalator.look())
        assert answered.state == "acknowledged"
        await it.delivered()
        assert await it.at(TWO + 24 * HOUR) == 0
        assert climbs(it) == []


async def test_a_directory_that_changes_is_looked_at_again(tmp_path: Path) -> None:
    async with night(tmp_path, [POLICE, OTHER, DESK]) as it:
        await escaped(it)
        police = it.directory.recipients[RecipientId("police")]
        await register_recipients(it.config, [dataclasses.replace(police, deputies=())])
        await it.at(TWO + HOUR)
        assert climbs(it) == [("desk", "unanswered")]


async def test_one_that_cannot_be_acted_on_does_not_keep_the_others_waiting(
    tmp_path: Path,
) -> None:
    async with night(tmp_path, [POLICE, OTHER, DESK]) as it:
        await escaped(it)
        await it.happens("custody.escaped")
        it.clock.now = TWO + HOUR
        broken = [True]
        whole = it.escalator._with.disclosing

        def disclosing(now: dt.datetime) -> Disclosing:
            if broken and broken.pop():
                raise RuntimeError("a fault of ours")
            return whole(now)

        escalator = Escalator(dataclasses.replace(it.escalator._with, disclosing=disclosing))
        assert await escalator.look() == 1, "the other of the two"
        assert climbs(it) == [("other", "unanswered")]
        assert await escalator.look() == 0
        it.clock.now += MINUTE
        assert await escalator.look() == 1, "tried again a minute on"
        assert len(climbs(it)) == 2


async def test_an_event_that_does_not_open_any_more_is_said_to_the_operator(
    tmp_path: Path,
) -> None:
    async with night(tmp_path, [POLICE, OTHER, DESK]) as it:
        await escaped(it)
        await edit(it, "UPDATE event SET sealed = x'00'")
        await it.at(TWO + HOUR)
        assert climbs(it) == [("nobody", "unanswered")]
        assert it.rows("SELECT name FROM incident") == [("nobody-answered police",)]


async def test_nobody_is_told_of_an_erased_person(tmp_path: Path) -> None:
    async with night(tmp_path, [POLICE, OTHER, DESK]) as it:
        await escaped(it)
        await edit(it, "UPDATE person SET wrapped_key = x'', facts = NULL")
        it.store.sealed.forget(PersonRef(it.rows("SELECT ref FROM person")[0][0]))
        await it.at(TWO + HOUR)
        assert await it.at(TWO + 24 * HOUR) == 0
        assert climbs(it) == []


async def test_a_test_goes_to_nobody_else(tmp_path: Path) -> None:
    async with night(tmp_path, [POLICE, OTHER, DESK]) as it:
        await escaped(it)
        await edit(it, "UPDATE alert SET message = 'TEST'")
        await it.at(TWO + HOUR)
        assert climbs(it) == [("nobody", "unanswered")]
        assert it.rows("SELECT 1 FROM incident") == [], "whoever asked for it is waiting"


async def test_a_recall_nobody_could_be_told_of_is_chased(tmp_path: Path) -> None:
    """Somebody acts on what is wrong: the next in the chain learns that, and no fact."""
    async with night(tmp_path, [POLICE, OTHER, DESK]) as it:
        alert = await escaped(it)
        await edit(
            it, "UPDATE alert SET message = 'RECALL', answer_by = NULL, answer_within = NULL"
        )
        await edit(it, "UPDATE event SET state = 'retracted'")
        await lost(it, alert)
        await it.at(TWO + MINUTE)
        assert climbs(it) == [("other", "failed")]
        assert it.rows("SELECT message FROM alert WHERE recipient = 'other'") == [("CHASE",)]


async def test_what_a_later_alert_took_the_place_of_stays_put(tmp_path: Path) -> None:
    async with night(tmp_path, [POLICE, OTHER, DESK]) as it:
        first = await escaped(it)
        later = await it.store.commit(
            lambda connection: Staged(
                connection.execute(
                    "INSERT INTO alert (id, event, person, recipient, message, supersedes, urgent,"
                    " exercise, decided_at, slot) SELECT 'alt_later', event, person, recipient,"
                    " 'RECALL', id, 1, 0, decided_at + 1, 0 FROM alert WHERE id = ? RETURNING id",
                    (first,),
                ).get
            )
        )
        assert later == "alt_later"
        row = alerts.find(it.store.reader, first)
        assert row is not None
        kept = _kept(first, "alt_later")

        def taking_its_place(connection: Connection) -> Staged[None]:
            alerts.supersede(connection, [kept])
            return Staged(None)

        await it.store.commit(taking_its_place)
        assert await it.at(TWO + 24 * HOUR) == 0
        assert climbs(it) == []
        recalled = alerts.find(it.store.reader, first)
        assert recalled is not None
        assert recalled.recalled
        assert alerts.state(it.store.reader, recalled, it.clock()) == "recalled"
        refused = await answer(it, first, "accepted")
        assert refused.verdict == "recalled"
        assert (await answer(it, first, "acknowledged")).verdict == "taken"


def _kept(first: AlertId, later: str) -> AlertKept:
    return AlertKept(
        alert=AlertId(later),
        event=EventRef("evt"),
        person=PersonRef("per"),
        recipient=RecipientId("police"),
        message="RECALL",
        supersedes=first,
        escalates=None,
        urgent=True,
        exercise=False,
        acknowledge_by=None,
        acknowledge_within=None,
        content=b"",
    )
