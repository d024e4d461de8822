"""The `policy` commands as a reviewer uses them: what they say, and with which exit code."""

import asyncio
import csv
import json
import shutil
import subprocess
import time
from pathlib import Path

import orjson
import pytest

from gateway.disclosure_log.entry import OPERATIONS
from tests import canaries
from tests.gateway_in_process import gateway, planned_release, police, serving
from tests.support.quick import command as quick

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = ROOT / "policies"

PERSONAL = (canaries.NAME, canaries.NOMS, canaries.PNC, canaries.NHS_NUMBER)


def throughgate(*words: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [*quick(), "policy", *(str(word) for word in words)]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=120, cwd=cwd, check=False
    )


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the rulebook in which police offender managers have no rule at all."""
    folder = tmp_path_factory.mktemp("rulebook") / "other"
    folder.mkdir()
    for file in (*SHIPPED.glob("*.toml"), *SHIPPED.glob("*.cedarschema")):
        shutil.copy(file, folder)
    shutil.copytree(SHIPPED / "rulebook", folder / "rulebook")
    (folder / "rulebook" / "police.cedar").unlink()
    return folder


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The configuration of an instance that was told of one release and told the police of it."""
    folder = tmp_path_factory.mktemp("instance") / "instance"
    asyncio.run(_lived(folder))
    return folder / "throughgate.toml"


async def _lived(folder: Path) -> None:
    recipient, _ = police()
    async with gateway(folder, recipients=[recipient]) as served:
        status, answer = await served.post(planned_release())
        assert status == 202, answer
        deadline = time.monotonic() + 20
        while not served.entries("disclosure"):
            assert time.monotonic() < deadline, "nobody was told"
            await asyncio.sleep(0.05)


def consultations(config: Path) -> list[dict[str, object]]:
    """Return every consultation in the instance's log."""
    assert "consultation" in OPERATIONS

    async def read() -> list[dict[str, object]]:
        from gateway.config import load_config
        from keys.signing import SigningKey

        served = serving(config.parent, load_config(config), SigningKey.generate())
        async with served as running:
            return running.entries("consultation")

    return asyncio.run(read())


@pytest.fixture
def event(tmp_path: Path) -> Path:
    """A file that holds the canary's planned release."""
    file = tmp_path / "event.json"
    file.write_bytes(orjson.dumps(planned_release("evt-2")))
    return file


def test_check_says_the_shipped_rulebook_is_whole() -> None:
    done = throughgate("check", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    assert found["ok"] is True
    assert found["silent"] == found["unreached"] == []
    assert found["permitted"] + found["forbidden"] == found["roles"] * found["kinds"]


def test_check_lists_what_is_left_unsaid_and_exits_1(other: Path) -> None:
    done = throughgate("check", other)
    assert done.returncode == 1
    unsaid = [line for line in done.stdout.splitlines() if line.startswith("no rule and no forbid")]
    assert len(unsaid) == 1
    assert "police_offender_manager: " in unsaid[0]
    assert "release.planned" in unsaid[0]


@pytest.mark.parametrize(
    ("file", "old", "new", "position", "code"),
    [
        ("rulebook/police.cedar", "permit (", "permit [", "", "not-cedar"),
        ("rulebook/police.cedar", '@basis("LB01', '@basis("LB99', "rule ", "basis-unknown"),
        ("roles.toml", "title = ", "name = ", "police_offender_manager", "catalogue-invalid"),
    ],
)
def test_check_says_where_a_rulebook_is_broken(
    tmp_path: Path, file: str, old: str, new: str, position: str, code: str
) -> None:
    folder = tmp_path / "broken"
    folder.mkdir()
    for one in (*SHIPPED.glob("*.toml"), *SHIPPED.glob("*.cedarschema")):
        shutil.copy(one, folder)
    shutil.copytree(SHIPPED / "rulebook", folder / "rulebook")
    broken = folder / file
    broken.write_text(broken.read_text("utf-8").replace(old, new, 1), "utf-8")
    done = throughgate("check", folder, "--json")
    assert done.returncode == 1
    problem = json.loads(done.stdout)["problem"]
    assert problem["file"].endswith(file.rpartition("/")[2])
    assert problem["code"] == code
    assert position in problem["position"]
    assert code in throughgate("check", folder).stderr


def test_check_of_no_folder_exits_1_and_says_so(tmp_path: Path) -> None:
    done = throughgate("check", tmp_path / "nowhere")
    assert done.returncode == 1
    assert "unreadable" in done.stderr


@pytest.mark.parametrize("form", ["table", "csv", "html"])
def test_matrix_of_a_kind_in_each_format(form: str) -> None:
    done = throughgate("matrix", "--kind", "release.planned", "--format", form)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert {"table": "police_offender_manager", "csv": "kinds,role", "html": "<!DOCTYPE html>"}[
        form
    ] in done.stdout


def test_matrix_as_csv_and_as_json_say_the_same() -> None:
    text = throughgate("matrix", "--kind", "health.concern", "--format", "csv").stdout
    lines = {
        (one["role"], one["group"], one["letter"]) for one in csv.DictReader(text.splitlines())
    }
    found = json.loads(throughgate("matrix", "--kind", "health.concern", "--json").stdout)
    cells = {
        (row["role"], group, cell["letter"])
        for row in found["matrices"][0]["rows"]
        for group, cell in row["cells"].items()
    }
    assert lines == cells != set()


@pytest.mark.parametrize("words", [("--kind", "release.imagined"), ("--format", "pdf")])
def test_matrix_of_what_there_is_not_is_a_usage_error(words: tuple[str, str]) -> None:
    done = throughgate("matrix", *words)
    assert done.returncode == 2
    assert done.stderr.startswith(f"throughgate: {words[0]}: ")


def test_the_shipped_vectors_all_run_and_come_out_as_expected() -> None:
    done = throughgate("test", SHIPPED / "vectors.toml", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    assert found["ok"] is True
    assert all(one["ran"] and one["passed"] for one in found["vectors"])


def test_vectors_that_fail_or_cannot_run_are_said_and_exit_1(tmp_path: Path) -> None:
    text = (SHIPPED / "vectors.toml").read_text("utf-8")
    wrong = text.replace('expect = { verdict = "ALLOW"', 'expect = { verdict = "DENY"', 1)
    file = tmp_path / "vectors.toml"
    file.write_text(wrong.replace('check = "channel"', 'check = "pigeon"', 1), "utf-8")
    done = throughgate("test", file)
    assert done.returncode == 1
    assert "WRONG" in done.stdout
    assert "NOT RUN" in done.stdout
    assert "verdict ALLOW, expected DENY" in done.stdout


def test_vectors_are_tried_on_another_rulebook(other: Path) -> None:
    done = throughgate("test", SHIPPED / "vectors.toml", "--rulebook", other)
    assert done.returncode == 1
    assert "WRONG" in done.stdout


def test_diff_of_a_rulebook_with_itself_finds_nothing() -> None:
    done = throughgate("diff", SHIPPED, SHIPPED)
    assert done.returncode == 0
    assert done.stdout.startswith("the same rulebook")


def test_diff_names_rules_and_the_cells_they_change(tmp_path: Path) -> None:
    changed = tmp_path / "changed"
    shutil.copytree(SHIPPED, changed, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    rule = changed / "rulebook" / "extra.cedar"
    rule.write_text(
        '@id("gp-extra") @basis("LB01") @purpose("continuity_of_care") @groups("mappa.summary")'
        ' @for("information") @source("test") permit (principal in Role::"gp_practice",'
        ' action == Action::"disclose", resource) when { resource.kind == "release.planned" };',
        "utf-8",
    )
    done = throughgate("diff", SHIPPED, changed, "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert [(one["rule"], one["change"]) for one in found["rules"]] == [("gp-extra", "added")]
    assert {cell["kind"] for cell in found["cells"]} == {"release.planned"}
    assert ["mappa.category", "mappa.level"] in [cell["gained"] for cell in found["cells"]]


def test_explain_alone_says_of_every_role_why_or_why_not(event: Path, tmp_path: Path) -> None:
    done = throughgate("explain", event, "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert "one model recipient of every role" in found["footing"]
    told = {one["role"] for one in found["decisions"] if one["told"]}
    assert {"police_offender_manager", "probation_offender_manager"} <= told
    assert all(one["grants"] if one["told"] else one["reasons"] for one in found["decisions"])
    text = throughgate("explain", event, cwd=tmp_path).stdout
    assert [value for value in PERSONAL if value in text + done.stdout] == []


def test_explain_of_one_recipient_answers_with_its_exit_code(event: Path, tmp_path: Path) -> None:
    told = throughgate(
        "explain", event, "--recipient", "model/police_offender_manager", cwd=tmp_path
    )
    assert told.returncode == 0
    assert "relying on Criminal Justice Act 2003 s.325(4)" in told.stdout
    never = throughgate(
        "explain", event, "--recipient", "model/strategic_management_board", cwd=tmp_path
    )
    assert never.returncode == 1
    assert "Because: " in never.stdout
    nobody = throughgate("explain", event, "--recipient", "model/nobody", cwd=tmp_path)
    assert nobody.returncode == 2


def test_explain_takes_the_senders_class(event: Path, tmp_path: Path) -> None:
    as_charity = throughgate("explain", event, "--sender", "charity", "--json", cwd=tmp_path)
    decisions = json.loads(as_charity.stdout)["decisions"]
    assert not any(one["told"] for one in decisions)
    assert throughgate("explain", event, "--sender", "circus", cwd=tmp_path).returncode == 2


def test_explain_of_a_file_that_is_no_event_says_where(tmp_path: Path) -> None:
    file = tmp_path / "event.json"
    file.write_text('{"specversion": "1.0", "type": "unheard.of"}')
    done = throughgate("explain", file, cwd=tmp_path)
    assert done.returncode == 1
    assert "refused: $.type" in done.stderr


def test_explain_at_an_instance_uses_what_it_knows_and_logs_the_reading(
    instance: Path, tmp_path: Path
) -> None:
    bare = planned_release("evt-3")
    bare["data"] = {"identifiers": {"noms": canaries.NOMS}, "custody": bare["data"]["custody"]}
    file = tmp_path / "bare.json"
    file.write_bytes(orjson.dumps(bare))
    before = len(consultations(instance))
    done = throughgate("explain", file, "--config", instance, "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert "with what is known of the person" in found["footing"]
    (police_decision,) = [one for one in found["decisions"] if one["recipient"] == "police-ppu"]
    members = {member for grant in police_decision["grants"] for member in grant["members"]}
    assert "mappa.category" in members  # the event does not say so: the instance knows
    assert [value for value in PERSONAL if value in done.stdout] == []
    after = consultations(instance)
    assert len(after) == before + 1
    assert after[-1]["what"] == "record"
    assert str(after[-1]["person"]).startswith("per_")


def test_explain_at_an_instance_refuses_a_source_it_does_not_know(
    instance: Path, tmp_path: Path
) -> None:
    file = tmp_path / "stranger.json"
    file.write_bytes(orjson.dumps({**planned_release("evt-4"), "source": "urn:example:stranger"}))
    done = throughgate("explain", file, "--config", instance)
    assert done.returncode == 1
    assert "no agency of this instance" in done.stderr


def test_replay_under_the_same_rulebook_changes_nobodys_alerts(instance: Path) -> None:
    done = throughgate("replay", SHIPPED, "--config", instance)
    assert done.returncode == 0, done.stderr
    assert "no alert would change" in done.stdout


def test_replay_says_whose_alerts_would_change_and_sends_nothing(
    instance: Path, other: Path
) -> None:
    before = len(consultations(instance))
    done = throughgate("replay", other, "--config", instance, "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    (change,) = found["changes"]
    assert (change["recipient"], change["effect"]) == ("police-ppu", "no-longer-told")
    assert change["kind"] == "release.planned"
    assert change["gained"] == []
    assert "identity.family_name" in change["lost"]
    text = throughgate("replay", other, "--config", instance).stdout
    assert "Nothing was sent" in text
    assert [value for value in PERSONAL if value in text + done.stdout] == []
    logged = consultations(instance)
    assert len(logged) == before + 2
    assert logged[-1]["what"] == "events"


def test_replay_compares_only_events_since_a_day(instance: Path, other: Path) -> None:
    done = throughgate("replay", other, "--since", "2999-01-01", "--config", instance, "--json")
    assert json.loads(done.stdout)["changes"] == []
    assert throughgate("replay", other, "--since", "soon", "--config", instance).returncode == 2


def test_a_reader_who_has_seen_enough_is_no_trouble() -> None:
    command = [*quick(), "policy", "prove"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as started:
        assert started.stdout is not None
        assert started.stderr is not None
        started.stdout.close()
        said = started.stderr.read()
    assert b"roken pipe" not in said
    assert b"Traceback" not in said
    assert started.returncode == 0
