"""Which events about people are let in: anyone nameable, no duty of an agency's making."""

from pathlib import Path
from typing import Any

import pytest

from gateway.model.kinds import OWN_KINDS, type_of
from tests import canaries
from tests.gateway_in_process import Gateway, gateway, planned_release


def naming(identifiers: dict[str, str], id_: str = "evt-1", **changes: Any) -> dict[str, Any]:
    event = planned_release(id_, **changes)
    event["data"]["identifiers"] = identifiers
    return event


def told(served: Gateway, op: str = "collection") -> int:
    return len(served.entries(op))


@pytest.mark.parametrize(
    "identifiers",
    [
        {"noms": canaries.NOMS, "nhs_number": "1111111111", "nhs_number_status": "01"},
        {"nhs_number": "999 999 9999"},
        {"nhs_number": canaries.NHS_NUMBER, "nhs_number_status": "04"},
    ],
)
async def test_a_doubtful_nhs_number_costs_no_event(
    tmp_path: Path, identifiers: dict[str, str]
) -> None:
    async with gateway(tmp_path / "i") as served:
        status, _ = await served.post(naming(identifiers))
        assert status == 202
        assert told(served) == 1


async def test_an_event_about_nobody_is_refused(tmp_path: Path) -> None:
    async with gateway(tmp_path / "i") as served:
        for identifiers in ({}, {"visor_ref": "V/1"}):
            status, answer = await served.post(naming(identifiers))
            assert (status, answer["problems"][0]["path"]) == (400, "$.data.identifiers")
        assert told(served) == 0


@pytest.mark.parametrize("kind", sorted(OWN_KINDS))
async def test_no_agency_states_what_only_the_gateway_does(tmp_path: Path, kind: str) -> None:
    async with gateway(tmp_path / "i") as served:
        status, answer = await served.post(planned_release(type=type_of(kind)))
        assert (status, answer["type"]) == (403, "urn:throughgate:problem:not-allowed")
        assert told(served) == 0


async def test_no_agency_states_a_duty_beside_other_facts(tmp_path: Path) -> None:
    event = planned_release()
    event["data"]["duty"] = {"clock": "C1", "status": "met"}
    async with gateway(tmp_path / "i") as served:
        status, answer = await served.post(event)
        assert (status, answer["type"]) == (403, "urn:throughgate:problem:not-allowed")


async def test_a_revision_needs_no_identifier_but_an_event_to_revise(tmp_path: Path) -> None:
    gone = planned_release("evt-2", type=type_of("event.retracted"), corrects="evt-1", data={})
    async with gateway(tmp_path / "i") as served:
        status, answer = await served.post(gone)
        assert (status, answer["type"]) == (422, "urn:throughgate:problem:corrects-unknown")
        assert told(served) == 0
        assert (await served.post(planned_release("evt-1")))[0] == 202
        assert (await served.post(gone))[0] == 202
        assert told(served) == 2
