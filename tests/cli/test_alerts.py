"""`alerts`: where alerts stand, the story of one, an answer on somebody's word."""

import asyncio
from pathlib import Path
from typing import Any

import orjson
from typer.testing import CliRunner, Result

from gateway.cli.alerts_commands import alerts
from gateway.model.ids import AlertId
from gateway.model.reference import reference
from tests import canaries
from tests.gateway.nights import HOUR, TWO, Night, Sleeper, night

NUMBER = "+447700900101"
POLICE = Sleeper(name="police", number=NUMBER, duty_desk="desk")
DESK = Sleeper(
    name="desk", role="accommodation_associate", organisation_class="charity", hook=False,
    number="+447700900103",
)  # fmt: skip


async def command(it: Night, *words: str) -> Result:
    config = it.config.file
    run = [*words, "--config", str(config)]
    return await asyncio.to_thread(lambda: CliRunner().invoke(alerts, run))


async def as_json(it: Night, *words: str) -> Any:
    result = await command(it, *words, "--json")
    assert result.exit_code == 0, result.output
    return orjson.loads(result.stdout)


async def a_night(it: Night) -> AlertId:
    """Let an alert climb to the second channel and to the desk; return it."""
    await it.happens("custody.escaped")
    await it.at(TWO + HOUR)
    await it.at(TWO + 2 * HOUR)
    [(alert,)] = it.rows("SELECT id FROM alert WHERE recipient = 'police'")
    return AlertId(alert)


async def test_the_list_says_where_alerts_stand(tmp_path: Path) -> None:
    async with night(tmp_path, [POLICE, DESK]) as it:
        alert = await a_night(it)
        found = await as_json(it, "list")
        assert [(one["recipient"], one["message"], one["state"]) for one in found] == [
            ("desk", "CHASE", "sent"),
            ("police", "NOTIFY", "escalated"),
        ]
        for words, names in (
            (["--state", "escalated"], ["police"]),
            (["--recipient", "desk"], ["desk"]),
            (["--since", "2026-11-20T03:30Z"], ["desk"]),
            (["--unanswered"], ["desk", "police"]),
            (["--since", "2020-01-01", "--state", "failed"], []),
        ):
            assert [one["recipient"] for one in await as_json(it, "list", *words)] == names
        lines = (await command(it, "list")).stdout
        assert f"{reference(alert)}  escalated  NOTIFY  police" in lines
        assert (await command(it, "list", "--state", "failed")).stdout == "none\n"
        assert (await command(it, "list", "--since", "yesterday")).exit_code == 2


async def test_the_story_of_one_is_told_in_order_and_by_reference(tmp_path: Path) -> None:
    async with night(tmp_path, [POLICE, DESK]) as it:
        alert = await a_night(it)
        found = await as_json(it, "show", alert)
        told = [(one["op"], one.get("to") or one.get("endpoint")) for one in found["story"]]
        assert told == [
            ("disclosure", "police/webhook"),
            ("disclosure", "police/sms"),
            ("attempt", "police/webhook"),
            ("escalation", "police/sms"),
            ("attempt", "police/sms"),
            ("disclosure", "desk/sms"),
            ("escalation", "desk"),
            ("attempt", "desk/sms"),
        ]
        assert [one["recipient"] for one in found["chain"]] == ["police", "desk"]
        assert [one["state"] for one in found["ways"]] == ["accepted", "accepted"]
        by_reference = await command(it, "show", reference(alert).lower())
        assert f"{reference(alert)}  escalated  to police" in by_reference.stdout
        text = by_reference.stdout + orjson.dumps(found).decode()
        for secret in (canaries.NAME, canaries.NOMS, canaries.NHS_NUMBER, NUMBER, "per_"):
            assert secret not in text
        read = it.story("consultation")
        assert [one["what"] for one in read] == ["log", "log"], "reading the log is logged"


async def test_an_answer_on_somebodys_word(tmp_path: Path) -> None:
    async with night(tmp_path, [POLICE, DESK]) as it:
        alert = await a_night(it)
        result = await command(it, "acknowledge", reference(alert), "--by", "duty-inspector")
        assert result.exit_code == 0, result.output
        assert result.stdout == f"{reference(alert)}: acknowledged\n"
        (logged,) = it.story("acknowledgement")
        assert (logged["means"], logged["by"]) == ("operator", "duty-inspector")
        assert await it.at(TWO + 24 * HOUR) == 0, "the clock stands, beside a serving gateway"

        words = ["acknowledge", alert, "--by", "duty-inspector", "--answer"]
        assert await as_json(it, *words, "accepted") == {"verdict": "taken", "state": "accepted"}
        back = await command(it, *words, "acknowledged")
        assert back.exit_code == 1
        assert "not-forward" in back.stdout
        for wrong in (
            [*words, "rejected"],
            [*words, "rejected", "--reason", "because"],
            [*words, "accepted", "--reason", "other"],
            [*words, "yes"],
            ["acknowledge", alert, "--by", "Jo Example"],
            ["show", "not-a-reference"],
        ):
            assert (await command(it, *wrong)).exit_code == 2, wrong
        assert (await command(it, "show", "alt_" + "0" * 32)).exit_code == 1
        assert (await command(it, "show", "000-000-000-000")).exit_code == 1
