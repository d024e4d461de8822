"""`stats`: counts from the event store, tables checked from outside, and nothing from the log."""

import asyncio
import csv
import io
import subprocess
from pathlib import Path
from typing import Any

import apsw
import openpyxl
import orjson
import pytest

from gateway.config import load_config
from gateway.demo.cast import AREA
from gateway.instance import CONFIG_NAME, create
from gateway.model.kinds import type_of
from tests import canaries
from tests.gateway_in_process import URN, Gateway, gateway
from tests.support.quick import command as quick

OTHER_NOMS = "Z0007ZZ"

T1_AS_PUBLISHED = """table,row,column,value
T1,Level 1,Category 1,3669
T1,Level 1,Category 2,1763
T1,Level 1,Category 3,1
T1,Level 1,Total,5432
T1,Level 2,Category 1,11
T1,Level 2,Category 2,29
T1,Level 2,Category 3,5
T1,Level 2,Total,45
T1,Level 3,Category 1,2
T1,Level 3,Category 2,5
T1,Level 3,Category 3,2
T1,Level 3,Total,9
T1,Total,Category 1,3682
T1,Total,Category 2,1797
T1,Total,Category 3,7
T1,Total,Total,5486
"""


def stats(*words: object) -> subprocess.CompletedProcess[str]:
    command = [*quick(), "stats", *(str(word) for word in words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def stated(id_: str, when: str, *, noms: str = canaries.NOMS, **groups: Any) -> dict[str, Any]:
    """Return a canonical release.actual of 2021 about the canary, or another."""
    return {
        "specversion": "1.0",
        "id": id_,
        "source": URN,
        "type": type_of("release.actual"),
        "time": f"{when}T10:00:00Z",
        "data": {"identifiers": {"noms": noms}, "location": {"home_area": AREA}, **groups},
    }


async def counted(served: Gateway, *words: object) -> subprocess.CompletedProcess[str]:
    """Run `stats` beside the serving gateway, once every event is decided."""
    config = served.config.path(served.config.instance.database)
    reader = apsw.Connection(str(config), flags=apsw.SQLITE_OPEN_READONLY)
    for _ in range(500):
        if not reader.execute("SELECT count(*) FROM event WHERE state = 'accepted'").get:
            break
        await asyncio.sleep(0.01)
    reader.close()
    file = served.folder / CONFIG_NAME
    own = ("--year", "2021-22", "--area", AREA, "--config", file)
    return await asyncio.to_thread(stats, *own, *words)


def cell(done: subprocess.CompletedProcess[str], table: str, row: str, column: str) -> str:
    lines = csv.DictReader(io.StringIO(done.stdout))
    [found] = [
        line["value"]
        for line in lines
        if (line["table"], line["row"], line["column"]) == (table, row, column)
    ]
    return found


async def test_tables_are_counted_from_the_event_store_and_the_reading_is_logged(
    tmp_path: Path,
) -> None:
    async with gateway(tmp_path / "i") as served:
        one = stated("evt-1", "2021-06-01", mappa={"category": 2, "level": 2})
        assert (await served.post(one))[0] == 202
        done = await counted(served, "--format", "csv", "--population", 1000)
        assert done.returncode == 0, done.stderr
        assert cell(done, "T1", "Level 2", "Category 2") == "1"
        assert cell(done, "T1", "Level 1", "Category 3") == "-"
        assert cell(done, "T1", "Level 1", "Category 1") == "0"
        assert cell(done, "T2", "Total", "Total") == "1"
        assert cell(done, "T7", "RSO", "Rate") == "0"
        [logged] = [one for one in served.entries("consultation") if one["what"] == "statistics"]
        assert (logged["shown"], logged["reader"].startswith("uid-")) == (1, True)
        for words in ((), ("--json",), ("--format", "csv")):
            done = await counted(served, *words)
            assert done.returncode == 0
            assert canaries.found_in(done.stdout + done.stderr) == []
            assert "per_" not in done.stdout


async def test_json_and_the_printed_page_say_the_same(tmp_path: Path) -> None:
    async with gateway(tmp_path / "i") as served:
        one = stated("evt-1", "2021-06-01", mappa={"category": 2, "level": 2})
        assert (await served.post(one))[0] == 202
        answer = orjson.loads((await counted(served, "--json")).stdout)
        assert (answer["year"], answer["area"], answer["faults"]) == ("2021-22", AREA, [])
        t1 = next(table for table in answer["tables"] if table["table"] == "T1")
        assert t1["rows"][0]["values"] == {
            "Category 1": 0, "Category 2": 0, "Category 3": "-", "Total": 0,
        }  # fmt: skip
        page = (await counted(served)).stdout
        assert "T7" not in page  # no population, no rate
        lines = [line.split() for line in page.splitlines()]
        assert ["Level", "2", "0", "1", "0", "1"] in lines
        published = (await counted(served, "--publish")).stdout
        assert "<5" in published
        assert ["Level", "2", "0", "1", "0", "1"] not in [x.split() for x in published.splitlines()]


async def test_a_retraction_and_a_merge_change_the_count(tmp_path: Path) -> None:
    async with gateway(tmp_path / "i") as served:
        level = {"category": 2, "level": 2}
        for id_, noms in (("evt-1", canaries.NOMS), ("evt-2", OTHER_NOMS)):
            event = stated(id_, "2021-06-01", noms=noms, mappa=level)
            assert (await served.post(event))[0] == 202
        assert cell(await counted(served, "--format", "csv"), "T2", "Total", "Total") == "2"
        merged = stated("evt-3", "2021-09-01", type=None)
        merged["type"] = type_of("person.merged")
        merged["data"] = {"identifiers": {"noms": canaries.NOMS, "superseded_noms": OTHER_NOMS}}
        assert (await served.post(merged))[0] == 202
        assert cell(await counted(served, "--format", "csv"), "T2", "Total", "Total") == "1"
        for id_, earlier in (("evt-4", "evt-1"), ("evt-5", "evt-2")):
            retracted = {
                "specversion": "1.0", "id": id_, "source": URN, "corrects": earlier,
                "type": type_of("event.retracted"), "time": "2021-10-01T10:00:00Z", "data": {},
            }  # fmt: skip
            assert (await served.post(retracted))[0] == 202
        assert cell(await counted(served, "--format", "csv"), "T2", "Total", "Total") == "0"


async def test_events_that_contradict_themselves_are_refused_with_the_reason(
    tmp_path: Path,
) -> None:
    async with gateway(tmp_path / "i") as served:
        first = stated("evt-1", "2021-06-01", mappa={"category": 2, "level": 1})
        second = stated("evt-2", "2021-07-01", mappa={"category": 3})
        for event in (first, second):
            assert (await served.post(event))[0] == 202
        done = await counted(served)
        assert done.returncode == 1
        assert "category 3 requires management at level 2 or 3" in done.stderr


async def test_records_that_do_not_open_are_passed_over_aloud(tmp_path: Path) -> None:
    async with gateway(tmp_path / "i") as served:
        for id_, noms in (("evt-1", canaries.NOMS), ("evt-2", OTHER_NOMS)):
            event = stated(id_, "2021-06-01", noms=noms, mappa={"category": 2, "level": 2})
            assert (await served.post(event))[0] == 202
        assert (await counted(served)).returncode == 0
    database = served.config.path(served.config.instance.database)
    connection = apsw.Connection(str(database))
    connection.execute(
        "UPDATE person SET wrapped_key = zeroblob(60) WHERE ref = (SELECT min(ref) FROM person)"
    )
    connection.close()
    done = stats(
        "--year", "2021-22", "--area", AREA, "--format", "csv",
        "--config", served.folder / CONFIG_NAME,
    )  # fmt: skip
    assert "1 records do not open and are not counted" in done.stderr
    assert cell(done, "T2", "Total", "Total") == "1"


def test_the_published_misprint_is_refused_and_the_mended_table_passes(tmp_path: Path) -> None:
    file = tmp_path / "printed.csv"
    file.write_text(T1_AS_PUBLISHED, "utf-8")
    done = stats("--year", "2021-22", "--check", file)
    assert done.returncode == 1
    assert "category 3 requires management at level 2 or 3" in done.stdout
    assert "T1: Level 1 adds up to 5433, printed 5432" in done.stdout
    file.write_text(T1_AS_PUBLISHED.replace("Category 3,1", "Category 3,-"), "utf-8")
    done = stats("--year", "2021-22", "--check", file)
    assert (done.returncode, done.stdout) == (0, "ok: T1 of 2021-22 add up\n")


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("--from", "log"), 1, "s.62(4)"),
        (("--from", "elsewhere"), 2, "events"),
        (("--year", "2021"), 2, "written like 2021-22"),
        (("--year", "2011-12"), 2, "no tables are defined"),
        (("--format", "html"), 2, "table or csv"),
        (("--area", ""), 2, "--area"),
    ],
)
def test_what_cannot_be_counted_is_refused(words: tuple[str, ...], code: int, told: str) -> None:
    done = stats("--year", "2021-22", "--area", AREA, *words)
    assert done.returncode == code
    assert told in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize("content", [b"\xff\xfe", b"nothing", b"table,row,column,value\n"])
def test_a_file_that_holds_no_table_is_no_verdict(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "printed.csv"
    file.write_bytes(content)
    assert stats("--year", "2021-22", "--check", file).returncode == 2


async def test_an_empty_store_has_empty_tables(tmp_path: Path) -> None:
    config = await create(tmp_path / "i", name="throughgate.example/stats", sections="")
    file = config.home / CONFIG_NAME
    assert load_config(file).instance.name == "throughgate.example/stats"
    done = await asyncio.to_thread(
        stats, "--year", "2004-05", "--area", AREA, "--format", "csv", "--config", file
    )
    assert done.returncode == 0
    assert cell(done, "T11d", "Total", "Level 3") == "0"


async def test_the_annual_return_is_written_once_and_only_in_a_form_there_is(
    tmp_path: Path,
) -> None:
    async with gateway(tmp_path / "i") as served:
        one = stated("evt-1", "2021-06-01", mappa={"category": 2, "level": 2})
        assert (await served.post(one))[0] == 202
        file = tmp_path / "return.csv"
        done = await counted(served, "--return", file)
        assert done.returncode == 0, done.stderr
        rows = list(csv.reader(io.StringIO(file.read_text("utf-8"))))
        assert any("Level 2" in row and "1" in row for row in rows)
        assert (await counted(served, "--return", file)).returncode == 2  # never overwritten
        assert (await counted(served, "--return", tmp_path / "return.pdf")).returncode == 2
        book = tmp_path / "return.xlsx"
        assert (await counted(served, "--return", book)).returncode == 0
        assert openpyxl.load_workbook(book).sheetnames
