"""`throughgate duties` and `throughgate duties simulate`."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.support.quick import command as quick

EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "examples" / "duties"


def throughgate(*words: object) -> subprocess.CompletedProcess[str]:
    command = [*quick(), *(str(word) for word in words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_a_scenario_prints_its_calendar() -> None:
    done = throughgate("duties", "simulate", EXAMPLES / "change-without-probation.toml")
    assert done.returncode == 0, done.stderr
    assert "chased: not consulted" in done.stdout


def test_a_scenario_prints_its_calendar_as_json() -> None:
    done = throughgate("duties", "simulate", EXAMPLES / "children-five-weeks.toml", "--json")
    found = {one["person"]: one["what"] for one in json.loads(done.stdout)[::-1]}
    assert found == {"A": "late, done", "B": "late by circumstance, done"}


def test_a_file_that_is_no_scenario_is_a_usage_error(tmp_path: Path) -> None:
    file = tmp_path / "none.toml"
    file.write_text('title = "No more"\n')
    done = throughgate("duties", "simulate", file)
    assert (done.returncode, done.stdout) == (2, "")


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("instance") / "home"
    done = throughgate("init", folder, "--name", "duties.example.org/test")
    assert done.returncode == 0, done.stderr
    return folder / "throughgate.toml"


def test_an_instance_that_owes_nothing_says_so(config: Path) -> None:
    done = throughgate("duties", "--config", config)
    assert (done.returncode, done.stdout.strip()) == (0, "No duties.")
    listed = throughgate("duties", "--late", "--json", "--config", config)
    assert json.loads(listed.stdout) == []


def test_reckoning_for_another_day_opens_records_and_is_logged(config: Path) -> None:
    before = throughgate("log", "checkpoint", "--config", config).stdout.splitlines()[1]
    done = throughgate("duties", "--at", "2026-06-01", "--json", "--config", config)
    assert (done.returncode, json.loads(done.stdout)) == (0, [])
    after = throughgate("log", "checkpoint", "--config", config).stdout.splitlines()[1]
    assert int(after) == int(before) + 1


@pytest.mark.parametrize("words", [("--at", "soon"), ("--person", "Testcase")])
def test_a_day_or_person_that_is_none_is_a_usage_error(
    config: Path, words: tuple[str, str]
) -> None:
    done = throughgate("duties", *words, "--config", config)
    assert done.returncode == 2
    assert "Testcase" not in done.stderr
