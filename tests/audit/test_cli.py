"""`throughgate audit` and `person disclosures`, as an officer types them."""

import asyncio
import csv
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from gateway.cli.audit_commands import audit
from gateway.cli.person_commands import person
from tests import canaries
from tests.gateway_in_process import Gateway, gateway, planned_release, police
from tests.store.stores import column

WHY = "Canary-because of a complaint"
BY = ("--by", "dpo-01")
SAYING = (*BY, "--why", WHY)


@dataclass(frozen=True)
class Desk:
    """A command line on an instance, and one person it told of."""

    served: Gateway
    person: str
    event: str

    async def run(self, *words: str, group: Any = audit, typed: str | None = None) -> Result:
        """Run a command; whatever it prints holds no mark of a person and no reason."""
        config = str(self.served.folder / "throughgate.toml")
        done = await asyncio.to_thread(
            CliRunner().invoke, group, [*words, "--config", config], input=typed
        )
        for mark in (*canaries.MARKS, WHY):
            assert mark not in done.output
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        return done

    async def json(self, *words: str, **how: Any) -> Any:
        done = await self.run(*words, "--json", **how)
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)

    def questions(self) -> list[dict[str, Any]]:
        return [
            one for one in self.served.entries("consultation") if one["what"].startswith("audit.")
        ]


@pytest.fixture
async def desk(tmp_path: Path) -> Desk:
    recipient, _ = police()
    async with gateway(tmp_path / "i", recipients=[recipient]) as served:
        assert (await served.post(planned_release()))[0] == 202
        database = served.config.path(served.config.instance.database)
        for _ in range(200):
            if await asyncio.to_thread(column, database, _DECIDED) == ["decided"]:
                break
            await asyncio.sleep(0.05)
    (taken,) = served.entries("collection")  # what it prints would be among what commands print
    return Desk(served, taken["person"], taken["event"])


_DECIDED = "SELECT state FROM event"


async def test_every_question_is_answered_logged_and_in_every_form(
    desk: Desk, tmp_path: Path
) -> None:
    known = await desk.json("who-knows", desk.person, *SAYING)
    assert [row["recipient"] for row in known["rows"]] == ["police-ppu"]
    typed = await desk.json("who-knows", "-", *SAYING, typed=f"{canaries.NOMS}\n")
    assert typed["rows"] == known["rows"]
    (rule, *_) = known["rows"][0]["rules"].split("; ")
    alert = known["rows"][0]["alert"]
    for words in (
        ("told", "police-ppu", desk.person, *SAYING),
        ("refused", "--person", desk.person, *SAYING),
        ("refused", "--event", desk.event, *BY),
        ("rule", rule, *BY, "--since", "2020-01-01"),
        ("merge", desk.person, *SAYING),
        ("looked", "--person", desk.person, *SAYING),
        ("looked", "--staff", "dpo-01", *BY),
        ("genuine", alert[-12:], *BY),
        ("lapsed", *BY),
        ("breach", "--endpoint", "police-ppu/webhook", "--since", "2026-01-01", *BY),
    ):
        done = await desk.run(*words)
        assert done.exit_code == 0, done.output
        assert "log's first" in done.output
    asked = [one["what"] for one in desk.questions()]
    assert asked == [
        "audit.who-knows", "audit.who-knows", "audit.told", "audit.refused", "audit.refused",
        "audit.rule", "audit.merge", "audit.looked", "audit.looked", "audit.genuine",
        "audit.lapsed", "audit.breach",
    ]  # fmt: skip
    assert {one["reader"] for one in desk.questions()} == {"dpo-01"}
    table = await desk.run("who-knows", desk.person, *SAYING, "--csv")
    rows = list(csv.DictReader(io.StringIO(table.stdout)))
    assert [row["alert"] for row in rows] == [alert]
    pdf = tmp_path / "pack.pdf"
    done = await desk.run("told", "police-ppu", desk.person, *SAYING, "--pdf", str(pdf))
    assert done.exit_code == 0
    assert pdf.read_bytes().startswith(b"%PDF-")
    for schedule in ("ropa", "agreement"):
        done = await desk.run(schedule, "--csv")
        assert len(done.stdout.splitlines()) > 10


async def test_what_cannot_be_asked_is_one_clear_line(desk: Desk) -> None:
    for words, code, why in (
        (("who-knows", desk.person, *BY), 1, "Say why you ask"),
        (("who-knows", desk.person, *SAYING, "--purpose", "statistics"), 1, "s.62(4)"),
        (("who-knows", desk.person, *SAYING, "--csv", "--json"), 2, "give one of"),
        (("who-knows", desk.person, *SAYING, "--controller", "nobody"), 2, "--controller"),
        (("who-knows", desk.person, *SAYING, "--after", "next"), 2, "--after"),
        (("who-knows", desk.person, "--by", "me@example.org", "--why", "x"), 2, "--by"),
        (("refused", *BY), 2, "--person or --event"),
        (("looked", *BY), 2, "--person or --staff"),
        (("genuine", *BY), 2, "give an alert"),
        (("rule", "r", *BY, "--since", "yesterday"), 2, "a day as"),
        (("breach", *BY, "--since", "2026-01-01"), 2, "--endpoint"),
    ):
        done = await desk.run(*words)
        assert (done.exit_code, done.stdout) == (code, ""), words
        assert why in done.stderr
        assert len(done.stderr.splitlines()) == 1
    assert desk.questions() == []


async def test_nobody_known_is_asked_in_vain_and_logged(desk: Desk) -> None:
    done = await desk.run("who-knows", "noms=A1234AA", *SAYING)
    assert (done.exit_code, done.stdout) == (1, "")
    assert "nobody known" in done.stderr
    (asked,) = desk.questions()
    assert "person" not in asked
    for unknown in ("noms=A1234AA", desk.person):  # whom another controller knows, or nobody
        scoped = await desk.run("who-knows", unknown, *SAYING, "--controller", "hmp-exampleton")
        assert scoped.exit_code == 0
    assert "police-ppu" in scoped.output
    gone = await desk.run("genuine", "0" * 12, *BY)
    assert gone.exit_code == 1
    assert "Do not act on it" in gone.output


async def test_to_whom_facts_went_is_told_to_the_person_without_saying_more(desk: Desk) -> None:
    own = await desk.json("disclosures", desk.person, "--sar", *SAYING, group=person)
    assert len(own["rows"]) == 1
    assert (own["entries"], own["asked"]) == ([], {})
    nobody = await desk.json("disclosures", "noms=A1234AA", "--sar", *SAYING, group=person)
    (alert,) = [one["alert"] for one in desk.served.entries("disclosure")]
    kept = await desk.json(
        "disclosures", desk.person, "--sar", "--restrict", f"{alert}=crime", *SAYING, group=person
    )
    assert kept == nobody
    file = await desk.json(
        "disclosures", desk.person, "--restrict", f"{alert}=crime", *SAYING, group=person
    )
    assert len(file["rows"]) == 1
    logged = desk.questions()[-1]["about"]
    assert (logged["restricted-crime-1"], logged["copy"]) == (alert, "file")
    wrong = await desk.run(
        "disclosures", desk.person, "--restrict", "alt_1=because", *SAYING, group=person
    )
    assert wrong.exit_code == 2
