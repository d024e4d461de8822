"""Holds: a routine movement waits, what is undone meanwhile is told to nobody, risk never waits."""

import asyncio
import datetime as dt
from pathlib import Path

import pytest

from gateway.instance import load_law
from gateway.model.kinds import URGENT
from policies.facts import FactClass
from policies.holds import load_holds
from policies.problem import BadRulebook
from tests.gateway.tellings import Clock, Scene, happened, revising, scene

TEXT = (Path(__file__).parents[2] / "policies" / "holds.toml").read_text("utf-8")
HOLDS = load_law().holds
HELD = sorted(kind for kind, entry in HOLDS.kinds.items() if entry.hold)
PAST_HOLD = dt.timedelta(minutes=46)


async def until_decided(it: Scene, ref: str) -> None:
    async with asyncio.timeout(10):
        while it.state(ref) != "decided":  # noqa: ASYNC110 - the gateway decides when
            await asyncio.sleep(0.05)
    await it.settled()


async def test_a_held_movement_is_told_when_its_hold_ends(tmp_path: Path) -> None:
    time = Clock()
    async with scene(tmp_path / "instance", now=time) as it:
        out = await it.post(happened("release.temporary", "e-1"))
        assert (it.state(out), it.messages()) == ("held", {})
        time.ahead = PAST_HOLD
        await until_decided(it, out)
        assert it.messages()["police"] == ["NOTIFY"]


async def test_a_movement_undone_while_held_is_told_to_nobody(tmp_path: Path) -> None:
    time = Clock()
    async with scene(tmp_path / "instance", now=time) as it:
        out = await it.post(happened("release.temporary", "e-1"))
        back = await it.post(happened("custody.received", "e-2"))
        time.ahead = PAST_HOLD
        await asyncio.sleep(1.5)  # a sweep goes by
        assert (it.state(out), it.state(back)) == ("cancelled", "decided")
        assert it.messages() == {}
        assert it.gateway.entries("disclosure") == []
        [altered] = it.gateway.entries("alteration")
        assert (altered["event"], altered["corrects"]) == (back, out)


async def test_a_retraction_cancels_a_hold(tmp_path: Path) -> None:
    async with scene(tmp_path / "instance") as it:
        out = await it.post(happened("release.temporary", "e-1"))
        await it.post(revising("event.retracted", "e-2", "e-1"))
        assert it.state(out) == "cancelled"
        assert it.messages() == {}


async def test_a_corrected_movement_waits_no_longer_and_is_told_once(tmp_path: Path) -> None:
    time = Clock()
    async with scene(tmp_path / "instance", now=time) as it:
        out = await it.post(happened("release.temporary", "e-1"))
        await it.post(
            revising("event.corrected", "e-2", "e-1", custody={"planned_date": "2027-01-02"})
        )
        assert it.state(out) == "decided"
        assert it.messages()["police"] == ["NOTIFY"]
        [alert] = it.told("police")
        assert alert["facts"]["custody"]["planned_date"] == "2027-01-02"
        assert alert["event_type"] == "org.throughgate.release.temporary.v1"


@pytest.mark.parametrize("rosh", [{"imminence": "high"}, {"public": "very_high"}])
async def test_imminent_risk_is_never_held(tmp_path: Path, rosh: dict[str, str]) -> None:
    async with scene(tmp_path / "instance") as it:
        out = await it.post(happened("release.temporary", "e-1", rosh=rosh))
        assert it.state(out) == "decided"
        assert it.messages()["police"] == ["NOTIFY"]


async def test_a_hold_ends_when_the_risk_turns_out_imminent(tmp_path: Path) -> None:
    async with scene(tmp_path / "instance") as it:
        out = await it.post(happened("release.temporary", "e-1"))
        assert it.state(out) == "held"
        await it.post(happened("risk.assessed", "e-2", rosh={"imminence": "very_high"}))
        await until_decided(it, out)
        assert "org.throughgate.release.temporary.v1" in {
            one["event_type"] for one in it.told("police")
        }


async def test_a_restart_keeps_a_hold(tmp_path: Path) -> None:
    time = Clock()
    async with scene(tmp_path / "instance", now=time) as it:
        out = await it.post(happened("release.temporary", "e-1"))
        await it.restart()
        await asyncio.sleep(1.5)  # a sweep goes by
        assert (it.state(out), it.messages()) == ("held", {})
        time.ahead = PAST_HOLD
        await it.restart()
        await until_decided(it, out)
        assert it.messages()["police"] == ["NOTIFY"]


def test_no_urgent_kind_waits_and_a_release_never_does() -> None:
    assert HELD
    assert not URGENT.intersection(HELD)
    assert not HOLDS.hold_for(FactClass(kind="release.actual", sender_class="prison"))


@pytest.mark.parametrize("kind", HELD)
def test_a_kind_waits_unless_the_risk_is_imminent_or_very_high(kind: str) -> None:
    def waits(**known: int | bool) -> bool:
        return bool(HOLDS.hold_for(FactClass(kind=kind, sender_class="prison", **known)))  # type: ignore[arg-type]

    assert waits()
    assert waits(rosh=3)
    assert not waits(rosh=4)
    assert not waits(imminent=True)


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("imminent = true ", "imminent = false ", "catalogue-invalid"),
        ('rosh = "very_high"', 'rosh = "terrible"', "catalogue-invalid"),
        ("[never_held]", "[ever_held]", "catalogue-invalid"),
        ('kinds."custody.transferred"', 'kinds."custody.teleported"', "kind-unknown"),
        ('reversed_by = ["custody.received"]', 'reversed_by = ["event.retracted"]', "kind-unknown"),
        ('hold = "PT0S"', 'hold = "PT5M"', "urgent-kind-held"),
        ('hold = "PT45M"', 'hold = "P2D"', "catalogue-invalid"),
        ('hold = "PT45M"', 'hold = "PT46M"', "catalogue-invalid"),
        ('window = "PT45M"\n', "", "catalogue-invalid"),
        ("[never_held]", "never_held", "not-toml"),
    ],
)
def test_a_broken_file_is_refused(old: str, new: str, code: str) -> None:
    assert old in TEXT
    with pytest.raises(BadRulebook) as refused:
        load_holds(TEXT.replace(old, new))
    assert refused.value.code == code
