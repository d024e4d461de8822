"""`person` and `decisions` beside a serving gateway: what they change, what they never print."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gateway.model.kinds import type_of
from tests import canaries
from tests.gateway_in_process import Gateway, gateway, planned_release
from tests.store.stores import column
from tests.support.quick import command as quick

OTHER_NOMS, CRN = "Z0601ZZ", "Z000601"
SAYING = ("--by", "registry-desk", "--reason", "Canary-because of the photographs")


@dataclass(frozen=True)
class Desk:
    """A command line beside a gateway that serves, and two persons it knows."""

    served: Gateway
    one: str
    other: str

    async def run(self, *words: str, typed: str = "") -> tuple[int, str, str]:
        """Run a command; whatever it prints holds no mark of a person and no reason."""
        config = str(self.served.folder / "throughgate.toml")
        started = await asyncio.create_subprocess_exec(
            *quick(), *words, "--config", config,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, err = (part.decode() for part in await started.communicate(typed.encode()))
        for mark in (*canaries.MARKS, OTHER_NOMS, CRN):
            assert mark not in out + err
        assert "Traceback" not in err
        return started.returncode or 0, out, err

    async def json(self, *words: str, typed: str = "") -> Any:
        code, out, err = await self.run(*words, "--json", typed=typed)
        assert code == 0, err
        return json.loads(out)

    async def show(self, who: str) -> Any:
        return await self.json("person", "show", who, *SAYING)


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with gateway(tmp_path / "i") as served:
        other = planned_release("evt-2")
        other["data"]["identifiers"] = {"noms": OTHER_NOMS}
        for event in (planned_release("evt-1"), other):
            assert (await served.post(event))[0] == 202
        one, two = (entry["person"] for entry in served.entries("collection"))
        yield Desk(served, one, two)


async def test_show_finds_by_reference_or_identifier_and_says_no_fact(desk: Desk) -> None:
    by_ref = await desk.show(desk.one)
    assert by_ref["person"] == desk.one
    assert by_ref["records"] == [
        {"record": desk.one, "identifiers": {"nhs_number": 1, "noms": 1, "pnc": 1}}
    ]
    (event,) = by_ref["events"]
    assert (event["kind"], event["agency"]) == ("release.planned", "hmp-exampleton")
    spaced = (
        canaries.NHS_NUMBER[:3] + " " + canaries.NHS_NUMBER[3:6] + " " + canaries.NHS_NUMBER[6:]
    )
    for who, typed in ((f"noms={canaries.NOMS}", ""), (canaries.NOMS.lower(), ""),
                       ("pnc=-", f"{canaries.PNC}\n"), ("-", f"{spaced}\n")):  # fmt: skip
        found = await desk.json("person", "show", who, *SAYING, typed=typed)
        assert found["person"] == desk.one
    code, out, _ = await desk.run("person", "show", desk.one, *SAYING)
    assert code == 0
    assert "release.planned" in out
    assert "nhs_number=1" in out


async def test_every_reading_is_in_the_log_with_who_and_not_why(desk: Desk) -> None:
    await desk.show(desk.one)
    (read,) = [one for one in desk.served.entries("consultation") if one["what"] == "record"]
    assert (read["person"], read["reader"]) == (desk.one, "registry-desk")
    assert len(read["reason_mac"]) == 64
    assert "Canary-because" not in json.dumps(read)
    before = len(desk.served.entries("consultation"))
    assert (await desk.run("person", "show", "A1234AA", *SAYING))[0] == 1
    in_vain = desk.served.entries("consultation")[before:]
    assert [(one["reader"], one["shown"], "person" in one) for one in in_vain] == [
        ("registry-desk", 0, False)
    ], "what was looked up in vain was looked up"


WRONG: list[tuple[tuple[str, ...], int, str]] = [
    (("person", "show", "noms=A1234AA", *SAYING), 1, "nobody known"),
    (("person", "show", "nhs_number=3333333333", *SAYING), 2, "repeated"),
    (("person", "show", "name=Somebody", *SAYING), 2, "KIND=VALUE"),
    (("person", "show", "per_" + "0" * 32, *SAYING), 1, "nobody known"),
    (("person", "merge", "per_1", "per_2", *SAYING), 2, "reference"),
    (("person", "merge", "per_" + "0" * 32, "per_" + "1" * 32, *SAYING), 1, "no record"),
    (("person", "link", "per_" + "0" * 32, "crn=D1974X", *SAYING), 2, "case reference"),
    (("decisions", "approve", "tsk_none", *SAYING), 1, "no task"),
    (("person", "tasks", "per_" + "0" * 32), 1, "nobody known"),
    (("person", "show", "noms=A1234AA", "--by", "me@example.org", "--reason", "x"), 2, "--by"),
    (("person", "show", "noms=A1234AA", "--by", "", "--reason", "x"), 2, "--by"),
    (("person", "show", "noms=A1234AA", "--by", "desk", "--reason", "  "), 2, "--reason"),
]


async def test_what_cannot_be_done_is_one_clear_line_and_shows_and_changes_nothing(
    desk: Desk,
) -> None:
    before = len(desk.served.entries("combination"))
    answers = await asyncio.gather(*(desk.run(*words) for words, _, _ in WRONG))
    for (words, code, why), (answered, out, err) in zip(WRONG, answers, strict=True):
        assert (answered, out) == (code, ""), words
        assert why in err, words
        assert len(err.splitlines()) == 1, words
    assert len(desk.served.entries("combination")) == before
    looked = desk.served.entries("consultation")
    assert [one["shown"] for one in looked] == [0] * 3, "three looked somebody up, in vain"


async def decided(desk: Desk, event: str) -> None:
    """Wait until the serving gateway has decided an event the command line stated."""
    database = desk.served.config.path(desk.served.config.instance.database)
    for _ in range(100):
        if column(database, f"SELECT state FROM event WHERE ref = '{event}'") == ["decided"]:
            return
        await asyncio.sleep(0.1)
    raise AssertionError("the gateway that serves did not take the event up")


async def test_merge_and_unmerge_while_the_gateway_serves(desk: Desk) -> None:
    done = await desk.json("person", "merge", desk.one, desk.other, *SAYING)
    shown = await desk.show(desk.other)
    assert shown["person"] == desk.one
    assert [one["record"] for one in shown["records"]] == [desk.one, desk.other]
    assert [one["event"] for one in shown["merges"]] == [done["event"]]
    await decided(desk, done["event"])
    assert (await desk.run("person", "merge", desk.one, desk.other, *SAYING))[0] == 1
    undone = await desk.json("person", "unmerge", desk.one, desk.other, *SAYING)
    shown = await desk.show(desk.other)
    assert (shown["person"], len(shown["records"])) == (desk.other, 1)
    assert shown["merges"][0]["undone_by"] == undone["event"]
    await decided(desk, undone["event"])
    assert (await desk.run("person", "unmerge", desk.one, desk.other, *SAYING))[0] == 1


async def test_link_and_unlink_take_the_number_from_standard_input(desk: Desk) -> None:
    await desk.json("person", "link", desk.one, "crn=-", *SAYING, typed=f"{CRN}\n")
    assert (await desk.show(f"crn={CRN}"))["person"] == desk.one
    code, _, err = await desk.run("person", "link", desk.other, f"crn={CRN}", *SAYING)
    assert (code, "another person" in err) == (1, True)
    await desk.json("person", "unlink", desk.one, f"crn={CRN}", *SAYING)
    assert (await desk.run("person", "show", f"crn={CRN}", *SAYING))[0] == 1


async def test_tasks_are_listed_decided_and_show_their_reason_only_to_a_logged_reader(
    desk: Desk,
) -> None:
    joint = planned_release("evt-3", type=type_of("risk.assessed"))
    joint["data"]["identifiers"] = {"noms": canaries.NOMS, "nhs_number": "1111111111"}
    assert (await desk.served.post(joint))[0] == 202
    (task,) = await desk.json("person", "tasks")
    assert (task["kind"], task["person"]) == ("nhs-number-placeholder", desk.one)
    assert await desk.json("person", "tasks", desk.other) == []
    assert [one["id"] for one in await desk.json("person", "tasks", desk.one)] == [task["id"]]
    assert (await desk.json("decisions", "list")) == [task]
    code, out, _ = await desk.run("decisions", "list")
    assert (code, task["id"] in out) == (0, True)
    decided = await desk.json("decisions", "decline", task["id"], *SAYING)
    assert (decided["state"], decided["decided_by"]) == ("declined", "registry-desk")
    assert (await desk.run("decisions", "approve", task["id"], *SAYING))[0] == 1
    shown = await desk.json("decisions", "show", task["id"])
    assert (shown["state"], shown["reason"]) == ("declined", None)
    shown = await desk.json("decisions", "show", task["id"], "--by", "dpo")
    assert shown["reason"] == SAYING[-1]
    read = desk.served.entries("consultation")[-1]
    assert (read["what"], read["reader"]) == ("decision", "dpo")
    (logged,) = desk.served.entries("decision")
    assert (logged["outcome"], logged["decider"]) == ("declined", "registry-desk")
    assert "Canary-because" not in json.dumps(logged)


async def test_why_a_record_was_read_is_kept_sealed_and_shown_to_a_logged_asker(
    desk: Desk,
) -> None:
    await desk.show(desk.one)
    database = desk.served.config.path(desk.served.config.instance.database)
    reading = "SELECT idx FROM log_entry WHERE instr(CAST(body AS TEXT), 'reason_mac')"
    (index,) = await asyncio.to_thread(column, database, reading)
    code, _, err = await desk.run("log", "justification", "0", "--by", "dpo")
    assert code == 1
    assert "no reading" in err
    code, out, _ = await desk.run("log", "justification", str(index), "--by", "dpo")
    assert (code, out) == (0, "Canary-because of the photographs\n")
    asked = [one for one in desk.served.entries("consultation") if one["what"] == "justification"]
    assert [(one["reader"], one["person"]) for one in asked] == [("dpo", desk.one)]
    kept = await asyncio.to_thread(column, database, "SELECT sealed FROM justification")
    assert len(kept) == 1
    assert b"Canary-because" not in kept[0]
