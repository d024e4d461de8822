"""Facts of one group by two agencies: each is told on its own agency's basis, and as theirs."""

import dataclasses
import datetime as dt
from typing import Any

import orjson

from gateway.candidates import Candidates
from gateway.decide import decide
from gateway.disclose import disclose
from gateway.known import with_event
from gateway.model.decision import Permit, Refusal
from gateway.model.event import Event
from gateway.model.ids import AgencyName
from gateway.model.person import Person
from keys.seal import open_sealed
from tests.gateway.test_disclose import LAW, NOW, READERS, context, happened

LATER = NOW + dt.timedelta(hours=1)
ASSESSED = {"assertion": "assessment", "verified": True}


def stated(agency: str, groups: dict[str, Any], at: dt.datetime = LATER) -> Event:
    return dataclasses.replace(
        happened("risk.assessed"),
        agency=AgencyName(agency),
        groups=groups,
        occurred_at=at,
        received_at=at,
    )


def told(also_by: str) -> dict[str, Any]:
    """Return what police open when the prison's release was followed by another agency's word."""
    reader = READERS["police-ppu"]
    event = happened()
    theirs = {"overall": "high", "source_system": "OASys", "as_of": NOW.isoformat(), **ASSESSED}
    event = dataclasses.replace(event, groups={**event.groups, "rosh": theirs})
    known = with_event(Person(ref=event.person), event)
    rosh = {"imminence": "high", "source_system": "Example", "as_of": LATER.isoformat(), **ASSESSED}
    person = with_event(known, stated("other-agency", {"rosh": rosh}))
    [permit] = decide(
        event,
        person,
        before=None,
        candidates=Candidates([reader.recipient]),
        rulebook=LAW.rulebook,
        classes={AgencyName("hmp-exampleton"): "prison", AgencyName("other-agency"): also_by},
        today=NOW.date(),
    )
    assert isinstance(permit, Permit | Refusal)
    assert isinstance(permit, Permit)
    sealed = disclose(permit, event, person, reader.recipient, context()).disclosures[0].sealed
    alert: dict[str, Any] = orjson.loads(open_sealed(sealed, reader.private or b""))["alert"]
    return alert


def test_each_agencys_part_of_a_group_is_a_row_with_its_own_provenance() -> None:
    rows = [row for row in told("probation")["groups"] if row["name"] == "rosh"]
    assert [row["controller"] for row in rows] == ["other-agency", "hmp-exampleton"]
    assert rows[0]["members"] == ["imminence"]
    assert "overall" in rows[1]["members"]
    assert rows[0]["source_system"] != rows[1]["source_system"]


def test_a_part_whose_agency_has_no_basis_stays_and_the_other_part_is_told() -> None:
    alert = told("other")
    assert "overall" in alert["facts"]["rosh"]
    assert "imminence" not in alert["facts"]["rosh"]
    rows = [row for row in alert["groups"] if row["name"] == "rosh"]
    assert [row["controller"] for row in rows] == ["hmp-exampleton"]
    assert alert["facts"]["rosh"]["source_system"] == rows[0]["source_system"]
