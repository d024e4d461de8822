"""Who may say that they have an alert: whoever opened it, and whose telephone was texted."""

import dataclasses
from pathlib import Path

from gateway.model.ids import AlertId, RecipientId
from gateway.model.reference import reference
from gateway.registration import register_recipients
from gateway.store import alerts
from tests.gateway.nights import HOUR, TWO, Night, Sleeper, night

NUMBER = "+447700900101"
TEXTED = Sleeper(name="police", hook=False, number=NUMBER)
BOTH = Sleeper(name="police", number=NUMBER)


async def escaped(it: Night) -> AlertId:
    await it.happens("custody.escaped")
    [(alert,)] = it.rows("SELECT id FROM alert WHERE recipient = 'police'")
    return AlertId(alert)


def answered(it: Night, alert: AlertId) -> str | None:
    row = alerts.find(it.store.reader, alert)
    assert row is not None
    return row.answer


async def test_the_token_that_travels_inside_the_seal_answers(tmp_path: Path) -> None:
    async with night(tmp_path, [BOTH]) as it:
        alert = await escaped(it)
        token = it.sealed("police")[0]["answer"]["token"]
        assert it.answering.opened(alert, token) is not None
        result = await it.answering.answer(alert, token, "accepted", means="api", by="duty-1")
        assert result.state == "accepted"
        (logged,) = it.story("acknowledgement")
        assert (logged["means"], logged["by"]) == ("api", "duty-1")


async def test_no_other_token_does(tmp_path: Path) -> None:
    async with night(tmp_path, [BOTH]) as it:
        alert = await escaped(it)
        token = it.sealed("police")[0]["answer"]["token"]
        other = AlertId("alt_" + "0" * 32)
        for named, given in (
            (other, token),
            (alert, token[:-1] + ("A" if token[-1] != "A" else "B")),
            (alert, ""),
            (alert, it.answering.links.answer_token(other)),
            (other, it.answering.links.answer_token(other)),
        ):
            assert it.answering.opened(named, given) is None
            result = await it.answering.answer(named, given, "accepted", means="api")
            assert result.verdict == "unknown"
        assert answered(it, alert) is None


async def test_yes_by_text_acknowledges(tmp_path: Path) -> None:
    async with night(tmp_path, [TEXTED]) as it:
        alert = await escaped(it)
        plain = reference(alert).replace("-", "")
        assert await it.answers_by_text("07700 900101", f"yes {plain}"), "a national number"
        assert await it.answers_by_text(NUMBER, f"YES {reference(alert)}."), "said again"
        (logged,) = it.story("acknowledgement")
        assert (logged["answer"], logged["means"]) == ("acknowledged", "sms")
        assert NUMBER not in str(logged)
        assert "by" not in logged


async def test_no_other_telephone_does(tmp_path: Path) -> None:
    async with night(tmp_path, [TEXTED]) as it:
        alert = await escaped(it)
        for number in ("+447700900102", "+447700900100", "+441632960101"):
            assert not await it.answers_by_text(number, f"YES {reference(alert)}")
        assert answered(it, alert) is None


async def test_a_telephone_that_was_not_texted_yet_cannot_answer(tmp_path: Path) -> None:
    """The reference was read out to somebody: having the number is not having the alert."""
    async with night(tmp_path, [BOTH]) as it:
        alert = await escaped(it)
        assert not await it.answers_by_text(NUMBER, f"YES {reference(alert)}")
        await it.at(TWO + HOUR)
        assert await it.answers_by_text(NUMBER, f"YES {reference(alert)}")


async def test_a_number_that_the_directory_took_away_cannot_answer(tmp_path: Path) -> None:
    async with night(tmp_path, [TEXTED]) as it:
        alert = await escaped(it)
        police = it.directory.recipients[RecipientId("police")]
        moved = dataclasses.replace(police.endpoints[0], address="+447700900199")
        await register_recipients(it.config, [dataclasses.replace(police, endpoints=(moved,))])
        assert not await it.answers_by_text(NUMBER, f"YES {reference(alert)}")


async def test_a_reference_nobody_has_is_met_with_silence(tmp_path: Path) -> None:
    async with night(tmp_path, [TEXTED]) as it:
        await escaped(it)
        assert not await it.answers_by_text(NUMBER, "YES 000-000-000-000")
        assert it.story("acknowledgement") == []
