"""What the gateway finds missing goes the ordinary way: decided, logged, sealed, delivered."""

import asyncio
import datetime as dt
from pathlib import Path

from gateway import clock
from tests.gateway.tellings import Scene, happened, scene

SOON = (clock.now() + dt.timedelta(days=200)).date().isoformat()
SOONER = (clock.now() + dt.timedelta(days=190)).date().isoformat()


async def chased(it: Scene, kind: str) -> None:
    """Start the gateway again, which looks at duties at once, and wait for what it states."""
    await it.restart()
    async with asyncio.timeout(15):
        while not it.rows("SELECT 1 FROM event WHERE kind = ?", kind):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    await it.settled()


async def test_a_date_changed_without_consultation_alerts_police_and_probation(
    tmp_path: Path,
) -> None:
    """Vector 22, from the prison's post to the recipients' own keys (D3, C5)."""
    async with scene(tmp_path / "instance") as it:
        await it.post(happened("release.planned", "e-1", custody={"planned_date": SOON}))
        await it.post(happened("release.date_changed", "e-2", custody={"planned_date": SOONER}))
        await chased(it, "consultation.missing")
        for name in ("police", "probation"):
            [alert] = [one for one in it.told(name) if "consultation.missing" in one["event_type"]]
            assert alert["recipient_type"] == "FA"
            assert alert["facts"]["duty"]["clock"] == "C5"
            assert alert["facts"]["duty"]["missing"]
        assert it.told("police-elsewhere") == []
        (row,) = it.rows("SELECT ref FROM event WHERE kind = 'consultation.missing'")
        assert {"police", "probation"} <= it.disclosed(str(row[0]))


async def test_a_missed_duty_is_told_to_the_coordinator_once(tmp_path: Path) -> None:
    """A release two weeks away of which nobody reviewed the level (D4, C3)."""
    two_weeks = (clock.now() + dt.timedelta(days=14)).date().isoformat()
    async with scene(tmp_path / "instance") as it:
        await it.post(happened("release.planned", "e-1", custody={"planned_date": two_weeks}))
        await chased(it, "duty.missed")

        def told() -> list[str]:
            return sorted(
                one["facts"]["duty"]["clock"]
                for one in it.told("coordinator")
                if "duty.missed" in one["event_type"]
            )

        first = told()
        assert "C3" in first
        assert len(first) == len(set(first))
        await it.restart()
        await asyncio.sleep(1)
        await it.settled()
        assert told() == first, "a restart says nothing again"
