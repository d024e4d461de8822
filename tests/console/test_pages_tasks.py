"""The pages of a coordinator: tasks, duties, the rulebook and statistics."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway import clock
from gateway.model.ids import PersonRef, RecipientId, RuleId, TaskId
from gateway.store.engine import Connection
from gateway.store.group_commit import Staged
from gateway.store.merges import root
from gateway.store.tasks import Task, open_task, task_by_id
from tests import canaries
from tests.console.desk import PRISON, WHY, desk, dpo, happens, readings, told
from tests.console.stage import Client, Stage
from tests.gateway_in_process import planned_release


@pytest.fixture
async def made(tmp_path: Path) -> AsyncIterator[Stage]:
    async with desk(tmp_path / "instance") as staged:
        yield staged


async def coordinator(made: Stage) -> Client:
    return await made.signed_in("coordinator", agencies=(PRISON,))


async def ask(made: Stage, **fields: object) -> str:
    """Open a task about the canary."""
    _, entry = told(made)
    id_ = clock.new_id("tsk")
    stated = {"kind": "similar-person", **fields}

    def unit(connection: Connection) -> Staged[bool]:
        task = Task(id=TaskId(id_), person=PersonRef(entry["person"]), **stated)  # type: ignore[arg-type]
        return Staged(open_task(connection, task, made.now()))

    assert await made.store.commit(unit)
    return id_


async def another(made: Stage) -> PersonRef:
    """Have a second person held."""
    event = planned_release("evt-other")
    event["data"]["identifiers"] |= {"noms": "A1234AA"}
    for name in ("pnc", "nhs_number", "nhs_number_status"):
        del event["data"]["identifiers"][name]
    before = {ref for (ref,) in made.store.reader.execute("SELECT ref FROM person")}
    await happens(made.own, "evt-other", data=event["data"])
    (new,) = {ref for (ref,) in made.store.reader.execute("SELECT ref FROM person")} - before
    return PersonRef(str(new))


async def test_two_records_are_joined_and_parted(made: Stage) -> None:
    other = await another(made)
    _, entry = told(made)
    client = await coordinator(made)
    task = await ask(made, body={"others": [other]})
    listing = await client.get("/console/tasks")
    assert f'href="/console/tasks/{task}"' in listing.text
    assert canaries.found_in(listing.text) == []
    assert "Why you need to look" in (await client.get(f"/console/tasks/{task}")).text
    page = await client.post(f"/console/tasks/{task}", WHY)
    assert other in page.text
    assert "They are one person" in page.text
    assert len(readings(made, "audit.task")) == 1
    blank = await client.post(f"/console/tasks/{task}/decide", {})
    assert blank.status == 422
    assert 'href="#decision"' in blank.text
    done = await client.post(
        f"/console/tasks/{task}/decide", {"decision": "link", "reason": "Same prison file"}
    )
    assert done.to == "/console/tasks?show=people&done=link"
    assert root(made.store.reader, other) == entry["person"]
    decided = task_by_id(made.store.reader, task)
    assert decided is not None
    assert (decided.state, decided.decided_by) == ("approved", "coordinator-01")
    again = await ask(made, kind="identifiers-conflict", body={"others": [other]})
    parted = await client.post(
        f"/console/tasks/{again}/decide", {"decision": "separate", "reason": "Two dates of birth"}
    )
    assert parted.status == 303
    assert root(made.store.reader, other) == other
    assert [one.get("by") for one in made.entries("combination")][-2:] == ["coordinator-01"] * 2
    twice = await client.post(
        f"/console/tasks/{again}/decide", {"decision": "dismiss", "reason": "Again"}
    )
    assert twice.status == 422
    assert "no longer open" in twice.text


async def test_a_disclosure_is_decided_with_a_reason(made: Stage) -> None:
    _, entry = told(made)
    task = await ask(
        made,
        kind="disclosure",
        event=entry["event"],
        recipient=RecipientId("housing"),
        rule=RuleId("housing-release"),
    )
    client = await coordinator(made)
    assert task not in (await client.get("/console/tasks")).text
    assert task in (await client.get("/console/tasks?show=decisions")).text
    page = await client.post(f"/console/tasks/{task}", WHY)
    assert "housing-release" in page.text
    silent = await client.post(f"/console/tasks/{task}/decide", {"decision": "declined"})
    assert "Say why you decide so" in silent.text
    done = await client.post(
        f"/console/tasks/{task}/decide", {"decision": "declined", "reason": "Not needed"}
    )
    assert done.to == "/console/tasks?show=decisions&done=declined"
    (logged,) = made.entries("decision")
    assert (logged["outcome"], logged["decider"]) == ("declined", "coordinator-01")
    assert "Not needed" not in str(made.entries("decision"))


async def test_another_controllers_tasks_do_not_exist(made: Stage) -> None:
    task = await ask(made)
    stranger = await made.signed_in("coordinator", id_="c-2", agencies=("hmp-elsewhere",))
    assert task not in (await stranger.get("/console/tasks")).text
    for path in (f"/console/tasks/{task}", f"/console/tasks/{task}/decide"):
        answer = await stranger.post(path, {**WHY, "decision": "declined", "reason": "x"})
        assert answer.status == 404


async def test_the_calendar_of_duties_names_people_to_coordinators_only(made: Stage) -> None:
    _, entry = told(made)
    due = (made.now().date().toordinal()) - 719163

    def unit(connection: Connection) -> Staged[None]:
        connection.executemany(
            "INSERT INTO duty (person, clock, status, due) VALUES (?, ?, ?, ?)",
            [(entry["person"], "C1", "late", due), (entry["person"], "C2", "due", due)],
        )
        return Staged(None)

    await made.store.commit(unit)
    client, operator = await coordinator(made), await made.signed_in("operator")
    for path in ("/console/duties", "/console/duties?show=late", "/console/duties?month=nonsense"):
        page, bare = await client.get(path), await operator.get(path)
        assert (page.status, bare.status) == (200, 200)
        assert entry["person"] in page.text
        assert entry["person"] not in bare.text
        assert "(C1)" in bare.text
    assert "1 late" in bare.text
    led = await client.post("/console/person", {"person": entry["person"]})
    assert led.status == 200
    assert "There is a problem" not in led.text
    assert f'value="{entry["person"]}"' in led.text
    assert readings(made, "audit.timeline") == []
    empty = await operator.get("/console/duties?month=2031-01")
    assert "(C1)" not in empty.text
    assert "January 2031" in empty.text


async def test_the_rulebook_is_shown_compared_and_tried(made: Stage) -> None:
    client = await coordinator(made)
    digest = made.own.law.rulebook.digest
    first = await client.get("/console/rulebook")
    assert digest in first.text
    for _ in range(200):
        page = await client.get("/console/rulebook?kind=custody.died")
        assert page.status == 200
        if "Who may be told what of custody.died" in page.text:
            break
        assert "is being worked out" in page.text
        await asyncio.sleep(0.05)
    assert "For information" in page.text or "For action" in page.text
    assert len(page.body) < 100_000
    rule = await client.get("/console/rulebook/rule?id=housing-release")
    assert "@id(&#34;housing-release&#34;)" in rule.text
    assert (await client.get("/console/rulebook/rule?id=no-rule")).status == 404
    assert (await client.get("/console/rulebook?kind=no.kind")).status == 404
    path = "/console/rulebook/versions"
    assert digest[:16] in (await client.get(path)).text
    same = await client.post(path, {"do": "diff", "old": digest, "new": "configured"})
    assert "They are the same" in same.text
    tried = await client.post(path, {"do": "replay", "new": "configured", "period": "7"})
    assert "No alert would change" in tried.text
    assert "1 events of 1 people" in tried.text
    assert len(readings(made, "audit.replay")) == 1
    wrong = await client.post(path, {"do": "diff", "old": "", "new": "0" * 64})
    assert wrong.status == 422
    assert "Choose a version" in wrong.text


async def test_statistics_come_from_events_and_never_from_the_log(made: Stage) -> None:
    refused = await (await dpo(made)).get("/console/statistics?from=log")
    assert refused.status == 403
    assert "s.62(4)" in refused.text
    client = await coordinator(made)
    fields = {"year": "2022-23", "area": "Exampleshire"}
    page = await client.post("/console/statistics", fields)
    assert page.status == 200, page.text[:500]
    assert "<table" in page.text
    assert len(page.body) < 100_000
    assert "Small numbers are withheld" in page.text
    assert made.entries("consultation")[-1]["what"] == "statistics"
    kept = await client.post("/console/statistics", {**fields, "export": "csv"})
    assert kept.text.startswith("year,area,table")
    wrong = await client.post("/console/statistics", {"year": "1999-00"})
    assert wrong.status == 422
    assert "Enter a year that is defined" in wrong.text
    assert "Enter the area" in wrong.text
