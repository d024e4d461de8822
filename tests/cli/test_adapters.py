"""The `adapters` commands as an engineer uses them: what they say, and with which exit code."""

import json
import os
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters.registry import find_adapters
from adapters.table import read_mapping, table_adapter
from gateway.cli.adapters import Told, translated
from gateway.instance import create
from gateway.model.problem import Problem
from tests.adapters.examples import FOLDER
from tests.adapters.samples import HMPPS_SAMPLES
from tests.support.quick import command as quick

EXAMPLES = FOLDER / "table"
MAPPING = EXAMPLES / "supported_housing.toml"
TENANCIES = EXAMPLES / "tenancies.in.csv"
ALERT = EXAMPLES / "placed.alert.json"
HMPPS = "hmpps_domain_events"
RELEASED = next(iter(HMPPS_SAMPLES.values()))


def throughgate(
    *words: object, given: bytes = b"", cwd: Path | None = None
) -> subprocess.CompletedProcess[bytes]:
    command = [*quick(), "adapters", *(str(word) for word in words)]
    return subprocess.run(
        command, capture_output=True, input=given, timeout=120, cwd=cwd, check=False
    )


def objects(text: bytes) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines()]


def test_every_installed_adapter_is_listed_with_what_it_reads_and_writes() -> None:
    done = throughgate("list", "--json")
    assert done.returncode == 0
    listed = json.loads(done.stdout)["adapters"]
    assert listed == [
        {
            "name": name,
            "title": one.title,
            "reads": list(one.inbound.media_types if one.inbound else ()),
            "writes": [form.form for form in one.outbound],
        }
        for name, one in find_adapters().items()
    ]
    shown = throughgate("list").stdout.decode()
    assert all(name in shown for name in find_adapters())
    assert "--mapping" in shown


async def test_a_table_that_an_instance_names_is_listed_and_converted(tmp_path: Path) -> None:
    section = f'[[table]]\nname = "supported_housing"\nmapping = "{MAPPING}"\n'
    home = tmp_path / "instance"
    await create(home, name="throughgate.example/tables", sections=section)
    config = home / "throughgate.toml"
    listed = json.loads(throughgate("list", "--json", "--config", config).stdout)["adapters"]
    (table,) = [one for one in listed if one["name"] == "supported_housing"]
    assert table["reads"] == ["text/csv"]
    assert table["writes"] == ["row"]
    done = throughgate("convert", "supported_housing", TENANCIES, "--config", config)
    assert done.returncode == 0
    assert len(objects(done.stdout)) == 3


@pytest.mark.parametrize(
    ("section", "reason"),
    [
        ('name = "supported_housing"\nmapping = "nowhere.toml"', "cannot read"),
        (f'name = "other"\nmapping = "{MAPPING}"', "its mapping is called"),
        (f'name = "{HMPPS}"\nmapping = "{MAPPING}"', "there is another adapter"),
        (f'name = "supported_housing"\nmapping = "{TENANCIES}"', "not TOML"),
    ],
)
async def test_a_table_that_cannot_be_used_is_a_fault_of_the_configuration(
    tmp_path: Path, section: str, reason: str
) -> None:
    home = tmp_path / "instance"
    sections = f"[[table]]\n{section}\n"
    await create(home, name="throughgate.example/tables", sections=sections)
    done = throughgate("list", "--config", home / "throughgate.toml")
    assert done.returncode == 2
    assert reason in done.stderr.decode()


def test_a_file_becomes_the_events_of_its_golden_file() -> None:
    words = ("convert", "table", TENANCIES, "--mapping", MAPPING)
    done = throughgate(*words, "--source", "urn:example:agency")
    assert done.returncode == 0
    assert objects(done.stdout) == objects((EXAMPLES / "tenancies.events.json").read_bytes())
    assert b"passed over: $.Change" in done.stderr
    assert b"note: $.Changed at" in done.stderr


def test_standard_input_is_converted_too() -> None:
    body = b"[" + b",".join([RELEASED] * 2) + b"]"
    done = throughgate("convert", HMPPS, "-", given=body)
    assert done.returncode == 0
    assert len(objects(done.stdout)) == 2


def test_what_is_refused_is_named_by_message_and_the_rest_converted() -> None:
    body = TENANCIES.read_bytes().replace(b"LOST", b"GONE").replace(b"05/11/1990", b"1990")
    words = ("convert", "table", "-", "--mapping", MAPPING)
    done = throughgate(*words, given=body)
    assert done.returncode == 1
    assert len(objects(done.stdout)) == 1
    errors = done.stderr.decode()
    assert "refused: message 2: $.Change: needs a human" in errors
    assert "refused: message 3: $.Born: must be a date" in errors
    assert "GONE" not in errors
    said = objects(throughgate(*words, "--json", given=body).stderr)
    assert [one["refused"] for one in said if "refused" in one] == [2, 3]
    assert {one["reason"] for one in said if "passed_over" in one} == {
        "rows of this kind are passed over"
    }


def test_an_unread_member_is_named_once_with_how_often_it_came() -> None:
    body = TENANCIES.read_bytes().replace(b"Weekly rent", b"Colour", 1).replace(b"No,", b"No,red")
    done = throughgate("convert", "table", "-", "--mapping", MAPPING, given=body)
    assert done.returncode == 0
    assert done.stderr.count(b"unread: $.Colour") == 1
    assert b"(2)" in done.stderr


def test_what_cannot_be_cut_into_messages_ends_the_file() -> None:
    done = throughgate("convert", HMPPS, "-", given=b'{"a":"' + b"a" * 2_000_000)
    assert done.returncode == 1
    assert b"refused: message 1: $: a message longer than" in done.stderr


def test_an_opened_alert_becomes_the_agencys_own_form() -> None:
    done = throughgate("convert", "table", ALERT, "--mapping", MAPPING, "--to", "agency")
    assert done.returncode == 0
    assert done.stdout == (EXAMPLES / "placed.row.out.csv").read_bytes()
    given = ALERT.read_bytes()
    again = throughgate(
        "convert", "table", "-", "--mapping", MAPPING, "--to", "agency", given=given
    )
    assert again.stdout == done.stdout


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (b"accommodation.placed", b"custody.died", "no rows of that kind"),
        (b'"X999001"', b'"X1"', "$.facts.identifiers.crn"),
        (b"{", b"[", "not JSON"),
    ],
)
def test_an_alert_the_form_cannot_say_is_declined_with_its_reasons(
    old: bytes, new: bytes, reason: str
) -> None:
    given = ALERT.read_bytes().replace(old, new, 1)
    words = ("convert", "table", "-", "--mapping", MAPPING, "--to", "agency")
    done = throughgate(*words, given=given)
    assert done.returncode == 1
    assert done.stdout == b""
    assert reason in done.stderr.decode()
    (said,) = objects(throughgate(*words, "--json", given=given).stderr)
    assert reason in str(said["refused"])


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("convert", "nobody", TENANCIES), f"there are: {next(iter(find_adapters()))}"),
        (("convert", "table", TENANCIES), "give --mapping"),
        (("convert", HMPPS, TENANCIES, "--mapping", MAPPING), "is for supported_housing"),
        (("convert", "table", TENANCIES, "--mapping", TENANCIES), "not TOML"),
        (("convert", HMPPS, "nowhere.json"), "nowhere.json"),
        (("convert", HMPPS, TENANCIES, "--to", "nobody"), "canonical or agency"),
        (
            ("convert", "table", ALERT, "--mapping", MAPPING, "--to", "agency", "--form", "x"),
            "supported_housing writes row",
        ),
        (("check", "nowhere.toml", TENANCIES), "nowhere.toml"),
        (("check", MAPPING, "nowhere.csv"), "nowhere.csv"),
        (("new", "Homes"), "lower-case"),
        (("new", "table"), "already"),
        (("new", HMPPS), "already"),
    ],
)
def test_what_the_user_can_mend_is_said_with_exit_code_2(
    words: tuple[object, ...], reason: str
) -> None:
    done = throughgate(*words)
    assert done.returncode == 2
    assert reason in done.stderr.decode()


def test_a_mapping_that_reads_its_whole_sample_is_ok_and_shows_no_content() -> None:
    done = throughgate("check", MAPPING, TENANCIES)
    assert done.returncode == 0
    shown = (done.stdout + done.stderr).decode()
    assert shown.splitlines()[0].startswith("supported_housing: 3 events")
    assert "ok" in shown
    for content in ("X999001", "Z0001ZZ", "Specimen", "Example Lodge", "1981"):
        assert content not in shown
    report = json.loads(throughgate("check", MAPPING, TENANCIES, "--json").stdout)
    assert report["ok"]
    assert report["stated"]["identifiers.crn"] == 3
    assert report["stated"]["location.address.lines"] == 1


def test_every_fault_of_a_mapping_is_named(tmp_path: Path) -> None:
    bad = tmp_path / "bad.toml"
    bad.write_text(
        MAPPING.read_text("utf-8").replace("mappa.level", "mappa.x").replace('"csv"', '"x"'),
        "utf-8",
    )
    done = throughgate("check", bad, TENANCIES)
    assert done.returncode == 1
    assert [line[:6] for line in done.stderr.decode().splitlines()] == ["fault:"] * 2
    faults = json.loads(throughgate("check", bad, TENANCIES, "--json").stdout)["faults"]
    assert len(faults) == 2


@pytest.mark.parametrize(
    ("old", "new", "report"),
    [
        (b"Weekly rent", b"Rent", {"unread": ["$.Rent"]}),
        (b"LOST", b"GONE", {"refused": 1}),
        (
            b"T-0003,APPLIED,03/08/2026 11:15,X999002,Z0002ZZ",
            b"T-0002,LOST,09/02/2026 17:00,X999001,",
            {"alike": 1},
        ),
    ],
)
def test_a_sample_that_is_not_wholly_read_is_not_ok(
    tmp_path: Path, old: bytes, new: bytes, report: dict[str, object]
) -> None:
    sample = tmp_path / "sample.csv"
    sample.write_bytes(TENANCIES.read_bytes().replace(old, new, 1))
    done = throughgate("check", MAPPING, sample, "--json")
    assert done.returncode == 1
    said = json.loads(done.stdout)
    assert report.items() <= said.items()
    assert not said["ok"]


def test_a_new_adapter_passes_its_own_tests_as_it_is_laid_out(tmp_path: Path) -> None:
    done = throughgate("new", "example_homes", "--folder", tmp_path, "--json")
    assert done.returncode == 0
    home = tmp_path / "example_homes"
    files = json.loads(done.stdout)["files"]
    assert sorted(files) == sorted(
        path.relative_to(home).as_posix() for path in home.rglob("*") if path.is_file()
    )
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:randomly", "-p", "no:cacheprovider"]
    ran = subprocess.run(
        command,
        cwd=home,
        env=os.environ | {"THROUGHGATE_FUZZ_EXAMPLES": "50"},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert " passed" in ran.stdout
    assert throughgate("new", "example_homes", "--folder", tmp_path).returncode == 2


def test_a_new_adapter_is_in_the_projects_own_form(tmp_path: Path) -> None:
    throughgate("new", "example_homes", "--folder", tmp_path)
    home = tmp_path / "example_homes"
    ruff = Path(sys.executable).with_name("ruff")
    options = ["--isolated", "--line-length", "100", "--no-cache"]
    for words in (["format", "--check"], ["check", "--select", "E,F,I"]):
        done = subprocess.run(
            [ruff, *words, *options, "."], cwd=home, capture_output=True, check=False
        )
        assert done.returncode == 0, done.stdout


def test_a_long_file_is_converted_in_the_memory_of_one_message() -> None:
    adapter = table_adapter(read_mapping(MAPPING.read_text("utf-8")))
    assert adapter.inbound is not None
    heading, row, *_ = TENANCIES.read_bytes().splitlines(keepends=True)

    def pieces(rows: int) -> Iterator[bytes]:
        yield heading
        for number in range(rows):
            yield row.replace(b"T-0001", b"T-%06d" % number)

    told = Told(as_json=True)
    assert next(translated(adapter.inbound, pieces(1), "urn:x", told)).events  # warms up
    tracemalloc.start()
    try:
        made = sum(1 for _ in translated(adapter.inbound, pieces(2000), "urn:x", told))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert made == 2000
    assert peak < 512 * 1024
    assert sum(told.notes.values()) == 2001


def test_no_end_of_different_notes_takes_no_end_of_memory() -> None:
    told = Told(as_json=False)
    for number in range(5000):
        told.note("note", Problem(path=f"$[{number}]", reason="no zone"))
    assert len(told.notes) <= 1001
    assert sum(told.notes.values()) == 5000
