"""Asking a human what a rule leaves to them, from the question to what leaves."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.model.ids import EndpointId, RecipientId
from gateway.model.kinds import type_of
from gateway.model.party import Recipient
from tests import canaries
from tests.gateway_in_process import Gateway, gateway, planned_release, police
from tests.support.quick import command as quick

SAYING = ("--by", "duty-inspector", "--reason", "Canary-because officers are on their way")
RULE = "response-narrative"


def response() -> Recipient:
    """Return a control room: what it may be told of a narrative is a sender's decision."""
    known, _private = police()
    (endpoint,) = known.endpoints
    return replace(
        known,
        id=RecipientId("control-room"),
        role="police_response",
        endpoints=(replace(endpoint, id=EndpointId("control-room/webhook")),),
    )


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Gateway]:
    async with gateway(tmp_path / "i", recipients=[response()]) as running:
        event = planned_release("evt-1") | {"type": type_of("release.actual")}
        event["data"]["mappa"] = {"category": 2, "level": 3}
        event["data"]["rosh"] = {"overall": "very_high"}
        event["data"]["risk_narrative"] = {"triggers": canaries.NAME}
        assert (await running.post(event))[0] == 202
        yield running


async def run(served: Gateway, *words: str) -> tuple[int, str, str]:
    """Run a command; whatever it prints holds no mark of a person."""
    config = str(served.folder / "throughgate.toml")
    started = await asyncio.create_subprocess_exec(
        *quick(), "decisions", *words, "--config", config,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = (part.decode() for part in await started.communicate())
    assert canaries.found_in(out + err) == []
    assert "Traceback" not in err
    return started.returncode or 0, out, err


def event_of(served: Gateway) -> str:
    return str(served.entries("collection")[0]["event"])


async def disclosures(served: Gateway, number: int) -> list[dict[str, Any]]:
    async with asyncio.timeout(15):
        while len(served.entries("disclosure")) < number:  # noqa: ASYNC110 - another process does
            await asyncio.sleep(0.1)
    return served.entries("disclosure")


async def test_what_a_rule_leaves_to_a_human_is_asked_approved_and_disclosed(
    served: Gateway,
) -> None:
    (first,) = await disclosures(served, 1)
    told = {member for grant in first["grants"] for member in grant["members"]}
    assert not any(member.startswith("risk_narrative.") for member in told)
    _, listed, _ = await run(served, "list", "--json")
    assert [task for task in json.loads(listed) if task["kind"] == "disclosure"] == []

    asked = await run(served, "request", event_of(served), "control-room", RULE, *SAYING, "--json")
    assert asked[0] == 0, asked[2]
    task = json.loads(asked[1])
    assert (task["recipient"], task["rule"]) == ("control-room", RULE)
    assert "risk_narrative.triggers" in task["body"]["members"]
    again = await run(served, "request", event_of(served), "control-room", RULE, *SAYING)
    assert again[0] == 1
    assert "asked before" in again[2]
    assert len(served.entries("disclosure")) == 1, "asking discloses nothing"

    assert (await run(served, "approve", task["id"], *SAYING))[0] == 0
    second = (await disclosures(served, 2))[1]
    members = {member for grant in second["grants"] for member in grant["members"]}
    assert members == {"risk_narrative.triggers"}
    assert [grant["decided_by"] for grant in second["grants"]] == ["sender"]
    (decided,) = served.entries("decision")
    assert (decided["outcome"], decided["rule"]) == ("approved", RULE)
    assert "Canary-because" not in json.dumps(decided)


async def test_only_a_rule_that_waits_for_a_decision_can_be_asked_about(served: Gateway) -> None:
    await disclosures(served, 1)
    event = event_of(served)
    code, _, err = await run(served, "request", event, "control-room", "police-release", *SAYING)
    assert code == 1
    assert RULE in err, "what can be asked is named"
    for words, said in (
        ((event, "nobody-known", RULE), "no recipient"),
        (("evt_" + "0" * 32, "control-room", RULE), "no event"),
    ):
        code, _, err = await run(served, "request", *words, *SAYING)
        assert code == 1
        assert said in err
    read = [one for one in served.entries("consultation") if one["what"] == "record"]
    assert [one["reader"] for one in read] == ["duty-inspector"], "only the first read a record"
