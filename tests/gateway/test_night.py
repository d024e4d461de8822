"""A simulated night: nobody answers, and the alert goes on, to the second, until somebody does."""

import dataclasses
import datetime as dt
from pathlib import Path

import pytest

from gateway.model.ids import AlertId, EndpointId, RecipientId
from gateway.model.reference import reference
from gateway.registration import register_recipients
from tests.gateway.nights import HOUR, SECOND, TWO, Night, Sleeper, night
from tests.gateway_in_process import planned_release

OWN = "+447700900101"
DEPUTY = "+447700900102"
DESK = "+447700900103"
POLICE = Sleeper(name="police", number=OWN, deputies=("deputy",), duty_desk="desk")
# May be told nothing of the case: a charity that nobody has designated.
DESK_AT_NIGHT = Sleeper(
    name="desk",
    role="accommodation_associate",
    organisation_class="charity",
    hook=False,
    number=DESK,
)
MINUTE = dt.timedelta(minutes=1)


async def deputy_comes_on_duty(it: Night) -> None:
    """Put the deputy in the directory: from now on there is one."""
    police = it.directory.recipients[RecipientId("police")]
    (hook, text) = police.endpoints
    deputy = dataclasses.replace(
        police,
        id=RecipientId("deputy"),
        endpoints=(
            dataclasses.replace(hook, id=EndpointId("deputy/webhook")),
            dataclasses.replace(text, id=EndpointId("deputy/sms"), address=DEPUTY),
        ),
        deputies=(RecipientId("police"), RecipientId("deputy")),  # round in a circle
        duty_desk=None,
    )
    await register_recipients(it.config, [deputy])


def alert_of(it: Night, name: str) -> AlertId:
    [(alert,)] = it.rows("SELECT id FROM alert WHERE recipient = ?", name)
    return AlertId(alert)


def clock_of(it: Night, name: str) -> object:
    [(at,)] = it.rows("SELECT answer_by FROM alert WHERE recipient = ?", name)
    return None if at is None else dt.datetime.fromtimestamp(at / 1000, dt.UTC)


async def test_nobody_answers_until_the_duty_desk_does(tmp_path: Path) -> None:
    async with night(tmp_path, [POLICE, DESK_AT_NIGHT]) as it:
        await it.happens("custody.escaped")  # police answer within the hour, says the rulebook
        assert [one["event_type"] for one in it.opened("police")] == [
            "org.throughgate.custody.escaped.v1"
        ]
        assert it.texts(OWN) == []
        own = alert_of(it, "police")
        assert clock_of(it, "police") == TWO + HOUR

        await deputy_comes_on_duty(it)
        assert await it.at(TWO + HOUR - SECOND) == 0
        assert it.texts(OWN) == [], "not a second early"
        assert await it.at(TWO + HOUR) == 1
        assert len(it.texts(OWN)) == 1, "the second channel, in the middle of quiet hours"
        assert reference(own) in it.texts(OWN)[0]

        assert await it.at(TWO + 2 * HOUR - SECOND) == 0
        assert await it.at(TWO + 2 * HOUR) == 1
        told = it.opened("police")  # the deputy shares the office's webhook, and its key
        assert len(told) == 2
        assert told[1]["recipient"] == "deputy"
        assert told[1]["facts"] == told[0]["facts"]

        # 05:00: the desk is next; the deputy's own second channel is as late.
        assert await it.at(TWO + 3 * HOUR - SECOND) == 0
        assert await it.at(TWO + 3 * HOUR) == 2
        assert len(it.texts(DEPUTY)) == 1
        (chased,) = it.texts(DESK)
        desk = alert_of(it, "desk")
        assert reference(desk) in chased

        it.clock.now = TWO + 3 * HOUR + 20 * MINUTE
        assert not await it.answers_by_text(OWN, f"YES {reference(desk)}"), "not their telephone"
        assert clock_of(it, "desk") is not None
        assert await it.answers_by_text(DESK, f"yes {reference(desk)}")
        for name in ("police", "deputy", "desk"):
            assert clock_of(it, name) is None, "one human has it: the clock stops for all"
        assert await it.at(TWO + 24 * HOUR) == 0
        told_in_order(it, own, alert_of(it, "deputy"), desk)


def told_in_order(it: Night, own: str, deputy: str, desk: str) -> None:
    """Read the night from the log."""
    story = it.story("disclosure", "escalation", "acknowledgement", "attempt", "refusal")
    short = [
        (one["at"][11:19], one["op"], one.get("to") or one.get("endpoint") or one["recipient"])
        for one in story
        if one.get("recipient") != "*"
    ]
    assert short[:5] == [
        ("02:00:00", "disclosure", "police/webhook"),
        ("02:00:00", "disclosure", "police/sms"),
        ("02:00:00", "refusal", "desk"),
        ("02:00:00", "attempt", "police/webhook"),
        ("03:00:00", "escalation", "police/sms"),
    ]
    assert short[5:10] == [
        ("03:00:00", "attempt", "police/sms"),
        ("04:00:00", "disclosure", "deputy/webhook"),
        ("04:00:00", "disclosure", "deputy/sms"),
        ("04:00:00", "escalation", "deputy"),
        ("04:00:00", "attempt", "deputy/webhook"),
    ]
    assert sorted(short[10:-1]) == [
        ("05:00:00", "attempt", "deputy/sms"),
        ("05:00:00", "attempt", "desk/sms"),
        ("05:00:00", "disclosure", "desk/sms"),
        ("05:00:00", "escalation", "deputy/sms"),
        ("05:00:00", "escalation", "desk"),
        ("05:00:00", "refusal", "desk"),
    ]
    assert short[-1] == ("05:20:00", "acknowledgement", "desk")
    climbs = [one for one in story if one["op"] == "escalation" and one["alert"] == own]
    assert [(one["rung"], one["to"], one.get("raised"), one["due"][11:19]) for one in climbs] == [
        (1, "police/sms", None, "03:00:00"),
        (2, "deputy", deputy, "04:00:00"),
        (3, "desk", desk, "05:00:00"),
    ]
    assert {one["reason"] for one in climbs} == {"unanswered"}
    answer = story[-1]
    assert (answer["alert"], answer["answer"], answer["means"]) == (desk, "acknowledged", "sms")
    assert OWN not in str(story)
    assert DESK not in str(story)


async def test_what_the_desk_may_not_know_is_not_in_its_chase(tmp_path: Path) -> None:
    async with night(tmp_path, [dataclasses.replace(POLICE, number=None), DESK_AT_NIGHT]) as it:
        await it.happens("custody.escaped")
        assert await it.at(TWO + HOUR) == 1
        [(message, escalates)] = it.rows(
            "SELECT message, escalates FROM alert WHERE recipient = 'desk'"
        )
        assert (message, escalates) == ("CHASE", alert_of(it, "police"))
        [one] = [d for d in it.story("disclosure") if d["recipient"] == "desk"]
        assert one["grants"] == []
        assert one["reason"] == "unanswered"
        assert clock_of(it, "desk") == TWO + 2 * HOUR


async def test_a_gateway_that_was_down_catches_up_rung_by_rung(tmp_path: Path) -> None:
    async with night(tmp_path, [POLICE, DESK_AT_NIGHT]) as it:
        await it.happens("custody.escaped")
        await deputy_comes_on_duty(it)
        back = TWO + 2 * HOUR + 30 * MINUTE  # it was down from three to half past four
        assert await it.at(back) == 1
        assert len(it.texts(OWN)) == 1
        assert len(it.opened("police")) == 1, "one rung a look"
        assert await it.at(back + SECOND) == 1
        assert len(it.opened("police")) == 2
        assert await it.at(back + 2 * SECOND) == 0
        climbs = it.story("escalation")
        assert [(one["rung"], one["due"][11:19], one["at"][11:19]) for one in climbs] == [
            (1, "03:00:00", "04:30:00"),
            (2, "04:00:00", "04:30:01"),
        ]
        assert clock_of(it, "police") == TWO + 3 * HOUR, "the third is due when it always was"
        assert clock_of(it, "deputy") == back + SECOND + HOUR, "the deputy has a whole hour"


async def test_at_the_end_of_the_chain_the_operator_is_told(tmp_path: Path) -> None:
    async with night(tmp_path, [POLICE]) as it:
        await it.happens("custody.escaped")
        for hours in (1, 2, 3, 4):
            await it.at(TWO + hours * HOUR)
        climbs = [(one["rung"], one["to"]) for one in it.story("escalation")]
        assert climbs == [(1, "police/sms"), (2, "nobody")]
        assert it.rows("SELECT name, seen FROM incident") == [("nobody-answered police", 1)]
        assert clock_of(it, "police") is None
        own = alert_of(it, "police")
        assert await it.answers_by_text(OWN, f"YES {reference(own)}"), "it can still be answered"
        [(answer,)] = it.rows("SELECT answer FROM alert")
        assert answer == "acknowledged"


@pytest.mark.parametrize("text", ["NO {}", "no {}"])
async def test_a_rejection_by_text_brings_the_next_rung_on_at_once(
    tmp_path: Path, text: str
) -> None:
    async with night(tmp_path, [POLICE, DESK_AT_NIGHT]) as it:
        await it.happens("custody.escaped")
        await it.at(TWO + HOUR)
        own = alert_of(it, "police")
        it.clock.now = TWO + HOUR + MINUTE
        assert await it.answers_by_text(OWN, text.format(reference(own)))
        assert await it.at(TWO + HOUR + MINUTE) == 1
        assert len(it.texts(DESK)) == 1
        last = it.story("escalation")[-1]
        assert (last["to"], last["reason"], last["due"][11:19]) == ("desk", "rejected", "03:01:00")
        assert clock_of(it, "police") == TWO + 2 * HOUR + MINUTE


async def test_what_turns_out_wrong_is_recalled_from_all_who_were_told(tmp_path: Path) -> None:
    """The deputy learnt the facts by escalation and is told to disregard them; the desk learnt
    none. Nobody's silence is acted on any more."""
    async with night(tmp_path, [POLICE, DESK_AT_NIGHT]) as it:
        await it.happens("custody.escaped")
        await deputy_comes_on_duty(it)
        for hours in (1, 2, 3):
            await it.at(TWO + hours * HOUR)
        identifiers = planned_release()["data"]["identifiers"]
        await it.happens("event.retracted", corrects="evt-1", data={"identifiers": identifiers})
        recalled = it.rows("SELECT recipient FROM alert WHERE message = 'RECALL' ORDER BY 1")
        assert recalled == [("deputy",), ("police",)]
        chain = "SELECT recipient FROM alert WHERE message <> 'RECALL' AND recalled = 1 ORDER BY 1"
        assert it.rows(chain) == [("deputy",), ("desk",), ("police",)]
        before = len(it.story("escalation"))
        for hours in (4, 5, 6):
            await it.at(TWO + hours * HOUR)
        assert len(it.story("escalation")) == before
        assert it.rows("SELECT 1 FROM incident") == []
