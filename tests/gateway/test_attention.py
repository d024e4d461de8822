"""Strands of information that meet become a question to a human; so does a gap that is stated."""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from gateway import clock
from gateway.attention import questions
from gateway.cli.post import send
from gateway.instance import load_law
from gateway.model.event import Event
from gateway.model.ids import AgencyName, EventRef, PersonRef
from gateway.model.kinds import type_of
from gateway.model.party import Agency
from gateway.model.person import Person
from gateway.registration import register_agency
from gateway.store import sqlite
from keys.signing import SigningKey
from tests import canaries
from tests.gateway_in_process import Gateway, gateway, planned_release

AGENCIES = {
    "exampleshire-police": ("police", "police.arrested"),
    "exampleshire-probation": ("probation", "licence.breached"),
    "exampleshire-trust": ("nhs_mental_health_trust", "health.concern"),
    "exampleshire-children": ("childrens_services", "safeguarding.child_concern"),
}


class Town:
    """A gateway with four agencies beside the prison."""

    def __init__(self, running: Gateway, keys: dict[str, SigningKey]) -> None:
        self.gateway = running
        self.keys = keys
        self.posted = 0

    async def concern(self, agency: str, kind: str | None = None, **groups: dict[str, Any]) -> None:
        """Post what this agency usually worries about, or another kind with more to it."""
        self.posted += 1
        event = {
            "specversion": "1.0",
            "id": f"concern-{self.posted}",
            "source": f"urn:example:{agency}",
            "type": type_of(kind or AGENCIES[agency][1]),
            "time": clock.now().isoformat(),
            "data": {"identifiers": {"noms": canaries.NOMS}, **groups},
        }
        body = orjson.dumps(event)
        url, key = self.gateway.url, self.keys[agency]
        status, answer = await send(self.gateway.session, url, agency, key, body)
        assert status == 202, answer
        await self.settled()

    async def settled(self) -> None:
        """Wait until nothing is left to decide."""
        reader = sqlite.open_reader(self.gateway.config.path(self.gateway.config.instance.database))
        async with asyncio.timeout(15):
            while reader.execute("SELECT 1 FROM event WHERE state = 'accepted'").fetchone():  # noqa: ASYNC110
                await asyncio.sleep(0.02)  # another thread decides when
        reader.close()

    def tasks(self, kind: str) -> list[dict[str, Any]]:
        """Return the bodies of the tasks of one kind, oldest first."""
        reader = sqlite.open_reader(self.gateway.config.path(self.gateway.config.instance.database))
        rows = reader.execute("SELECT body FROM task WHERE kind = ? ORDER BY id", (kind,))
        found = [orjson.loads(body) for (body,) in rows]
        reader.close()
        return found


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[Town]:
    async with gateway(tmp_path / "instance") as running:
        keys = {}
        for name, (class_, _kind) in AGENCIES.items():
            keys[name] = SigningKey.generate()
            agency = Agency(
                name=AgencyName(name),
                urn=f"urn:example:{name}",
                organisation_class=class_,
                public_keys=(keys[name].public_text,),
            )
            await register_agency(running.config, agency)
        yield Town(running, keys)


async def test_four_agencies_low_level_concerns_become_one_question_to_a_human(town: Town) -> None:
    """Seed 003: strands of information that nobody put side by side."""
    await town.concern("exampleshire-police")
    await town.concern("exampleshire-probation")
    assert town.tasks("strands") == []
    await town.concern("exampleshire-trust")
    assert town.tasks("strands") == [
        {
            "agencies": 3,
            "kinds": ["health.concern", "licence.breached", "police.arrested"],
            "within_days": 90,
        }
    ]
    await town.concern("exampleshire-children")
    assert [task["agencies"] for task in town.tasks("strands")] == [3, 4]


async def test_one_agency_that_worries_often_is_no_meeting_of_strands(town: Town) -> None:
    for _ in range(4):
        await town.concern("exampleshire-police")
    await town.concern("exampleshire-probation")
    assert town.tasks("strands") == []


async def test_concerns_long_past_do_not_count(town: Town) -> None:
    await town.concern("exampleshire-police")
    await town.concern("exampleshire-probation")
    reader = sqlite.open_reader(town.gateway.config.path(town.gateway.config.instance.database))
    person = reader.execute("SELECT DISTINCT person FROM event").get
    for days, asked in ((89, 1), (91, 0)):
        later = Event(
            ref=EventRef("evt_later"),
            agency=AgencyName("exampleshire-trust"),
            person=PersonRef(person),
            kind="health.concern",
            occurred_at=clock.now(),
            received_at=clock.now() + dt.timedelta(days=days),
            groups={},
        )
        about = Person(ref=PersonRef(person))
        found = questions(reader, later, about, load_law().attention, clock.new_id)
        assert len(list(found)) == asked
    reader.close()


def release_with(id_: str, routing: dict[str, str]) -> dict[str, Any]:
    event = planned_release(id_)
    return event | {"data": {**event["data"], "health_routing": routing}}


async def test_a_gap_that_is_stated_becomes_a_question_and_is_asked_once(town: Town) -> None:
    """Seed 000: the practice and the team that nobody had recorded."""
    gaps = {"community_gp": "NOT_RECORDED", "mental_health_team": "NOT_RECORDED"}
    for id_ in ("evt-1", "evt-2"):
        status, answer = await town.gateway.post(release_with(id_, gaps))
        assert status == 202, answer
        await town.settled()
    assert town.tasks("not-recorded") == [
        {"members": ["health_routing.community_gp", "health_routing.mental_health_team"]}
    ]


async def test_dates_no_order_of_a_court_can_have_become_a_question(town: Town) -> None:
    """A sexual harm prevention order runs five years at least (D32, C11)."""
    short = {"kind": "SHPO", "made_on": "2026-01-05", "expires_on": "2028-01-05"}
    await town.concern("exampleshire-police", "order.imposed", offence={"orders": [short]})
    assert town.tasks("order-dates") == [{"faults": ["shpo-under-five-years"]}]
    whole = short | {"expires_on": "2031-01-05"}
    await town.concern("exampleshire-police", "order.varied", offence={"orders": [whole]})
    assert len(town.tasks("order-dates")) == 1
