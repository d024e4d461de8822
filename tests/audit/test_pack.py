"""CSV and ZIP: what leaves as evidence, and that anybody can check it."""

import asyncio
import csv
import io
import json
import shutil
import subprocess
import sys
import zipfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import apsw
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.audit.answer import Answer, Column
from gateway.audit.check_pack import BadPack, check_pack, keys_in
from gateway.audit.lapsed import lapsed
from gateway.audit.pack import MAX_PROVEN, Pack, as_csv, as_zip, pack_of
from gateway.audit.subject_access import disclosures_of
from gateway.cli import verify_pack
from gateway.cli.light import BadUse
from gateway.disclosure_log import proof
from gateway.disclosure_log.checkpoint import VerifierKey, verify_checkpoint
from gateway.store.engine import Connection
from gateway.store.group_commit import Staged
from tests import canaries
from tests.audit.evidence import NOW, VERIFIER, desk
from tests.disclosure_log import independent
from tests.disclosure_log.logs import OTHER_KEY
from tests.docs.pages import ROOT, blocks
from tests.store.stores import body, checkpoints, entries, logging, opened
from tests.support.events import MARK
from tests.support.examples import examples
from tests.third_party import missing

PLAIN = Answer(
    question="told",
    title="What was told?",
    asked={"recipient": "police"},
    reading=("Two alerts.",),
    columns=(Column(name="at", title="When"), Column(name="n", title="Number", kind="count")),
    rows=(("2026-03-01", 1), ("2026-03-02", 2)),
    entries=(),
    size=0,
    checkpoint="",
)


def of(entries: tuple[int, ...], note: str, size: int) -> Answer:
    return replace(PLAIN, entries=entries, checkpoint=note, size=size)


def read(content: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(content.decode(), newline="")))


# Cells.


cells = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
    st.text("=+-@\t\r\n'\",; a", max_size=6),
)


@given(st.lists(st.tuples(cells, cells), max_size=8))
@settings(max_examples=examples(150))
def test_any_text_comes_back_and_none_begins_a_formula(rows: list[tuple[str, str]]) -> None:
    written = as_csv(replace(PLAIN, rows=tuple(rows)))
    head, *found = read(written)
    assert head == ["at", "n"]
    assert [[_unguarded(one) for one in row] for row in found] == [list(row) for row in rows]
    for row in found:
        assert not any(one.startswith(tuple("=+-@\t\r\n＝＋－＠")) for one in row)


def _unguarded(cell: str) -> str:
    return cell.removeprefix("'")


@pytest.mark.parametrize(
    "hostile",
    ["=1+1", "+44", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1+1", "'=1"],
    ids=["equals", "plus", "minus", "at", "tab", "return", "newline", "full-width", "apostrophe"],
)
def test_what_a_spreadsheet_would_run_is_text(hostile: str) -> None:
    ((cell, _),) = read(as_csv(replace(PLAIN, rows=((hostile, 1),))))[1:]
    assert cell == f"'{hostile}"


def test_numbers_yes_and_no_and_nothing() -> None:
    rows = (("a", -5), (None, True), ("", False))
    assert read(as_csv(replace(PLAIN, rows=rows)))[1:] == [["a", "-5"], ["", "true"], ["", "false"]]


def test_lines_end_as_rfc_4180_says_and_no_mark_comes_first() -> None:
    assert as_csv(PLAIN) == b"at,n\r\n2026-03-01,1\r\n2026-03-02,2\r\n"


# Proofs.


@pytest.fixture(name="log")
def written_log(tmp_path: Path) -> Path:
    return tmp_path / "throughgate.db"


async def packed(log: Path, wanted: tuple[int, ...], *, count: int = 300, seen: int = 0) -> Pack:
    """Return the pack of an answer that rests on these entries of a log of so many."""
    async with opened(log) as store:
        first = await store.commit(logging(*(body() for _ in range(count - 20))))
        await store.commit(logging(*(body() for _ in range(20))))
        assert first == count - 20
        if seen:
            chosen = next(one for one in checkpoints(log) if one.split("\n")[1] == str(seen))

            def witnessed(connection: Connection) -> Staged[None]:
                connection.execute("INSERT INTO log_witnessed VALUES (?, ?, 0)", (seen, chosen))
                return Staged(None)

            await store.commit(witnessed)
        newest = store.latest_checkpoint()
        assert newest is not None
        return pack_of(of(wanted, newest, count), store.reader, [VERIFIER], now=NOW)


async def test_every_proof_holds_by_the_gateways_code_and_by_another(log: Path) -> None:
    pack = await packed(log, (0, 1, 255, 256, 299))
    held = entries(log)
    assert [one.index for one in pack.proven] == [0, 1, 255, 256, 299]
    assert pack.broken == ()
    for one in pack.proven:
        assert one.entry == held[one.index]
        assert proof.verify(one.proof, entry=one.entry, verifiers=[VERIFIER]).index == one.index
        index, path, size, root = independent.read_proof(one.proof)
        leaf = independent.digest(b"\x00", one.entry)
        assert one.leaf == leaf.hex()
        assert independent.includes(index, size, leaf, path, root)


async def test_a_witnessed_checkpoint_is_preferred_and_the_newest_covers_the_rest(
    log: Path,
) -> None:
    pack = await packed(log, (5, 290), seen=280)
    sizes = [independent.read_proof(one.proof)[2] for one in pack.proven]
    assert sizes == [280, 300]
    assert [(one.size, one.witnessed) for one in pack.checkpoints] == [(280, True), (300, False)]
    assert pack.broken == ()


async def test_an_entry_that_was_altered_is_named(log: Path) -> None:
    pack = await packed(log, (3, 4))
    connection = apsw.Connection(str(log))
    connection.execute("UPDATE log_entry SET body = ? WHERE idx = 4", (b'{"op":"forged"}',))
    again = pack_of(pack.answer, connection, [VERIFIER], now=NOW)
    connection.close()
    assert again.broken == (4,)
    with zipfile.ZipFile(io.BytesIO(as_zip(again))) as archive:
        assert b"does NOT hold for: 4" in archive.read("README.txt")
    checked = check_pack(as_zip(again), [VERIFIER])
    assert checked.holding == (3,)
    assert [index for index, _ in checked.failing] == [4]


async def test_a_pack_proves_so_many_and_says_how_many_more(log: Path) -> None:
    pack = await packed(log, tuple(range(MAX_PROVEN + 50)), count=MAX_PROVEN + 60)
    assert len(pack.proven) == MAX_PROVEN
    assert pack.left_out == 50
    with zipfile.ZipFile(io.BytesIO(as_zip(pack))) as archive:
        assert b"More entries that the answer rests on: 50." in archive.read("README.txt")


# The ZIP.


async def test_the_same_pack_gives_the_same_bytes_with_everything_in_it(log: Path) -> None:
    pack = await packed(log, (7,))
    content = as_zip(pack, pdf=b"%PDF")
    assert content == as_zip(pack, pdf=b"%PDF")
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.namelist() == [
            "README.txt",
            "answer.csv",
            "answer.pdf",
            "log.vkey",
            "checkpoints/300.txt",
            "entries/0000000007.json",
            "proofs/0000000007.tlog-proof",
        ]
        assert archive.read("entries/0000000007.json") == entries(log)[7]
        assert archive.getinfo("answer.csv").date_time == (2026, 3, 10, 12, 0, 0)
        note = archive.read("checkpoints/300.txt").decode()
        assert verify_checkpoint(note, [VERIFIER]).size == 300
        assert VerifierKey.parse(archive.read("log.vkey").decode()) == VERIFIER
    old = as_zip(replace(pack, made_at=datetime(1970, 1, 1, tzinfo=UTC)))
    assert zipfile.ZipFile(io.BytesIO(old)).testzip() is None


async def test_anybody_checks_a_pack_with_a_key_they_trust(log: Path) -> None:
    content = as_zip(await packed(log, (1, 2, 299)))
    checked = check_pack(content, [VERIFIER])
    assert checked.holding == (1, 2, 299)
    assert checked.failing == ()
    assert keys_in(content) == (VERIFIER,)
    other = check_pack(content, [VerifierKey.parse(OTHER_KEY.verifier)])
    assert other.holding == ()
    assert len(other.failing) == 3


@pytest.mark.parametrize(
    ("name", "code"),
    [("entries/0000000001.json", "root-mismatch"), ("proofs/0000000001.tlog-proof", "malformed")],
)
async def test_a_pack_somebody_changed_does_not_hold(log: Path, name: str, code: str) -> None:
    content = as_zip(await packed(log, (1,)))
    checked = check_pack(_with(content, name, b"{}"), [VERIFIER])
    assert checked.holding == ()
    assert checked.failing == ((1, code),)


@pytest.mark.parametrize(
    ("content", "code"),
    [(b"", "not-a-pack"), (b"PK\x03\x04 and then nothing", "not-a-pack")],
    ids=["empty", "broken"],
)
def test_what_is_no_pack_is_refused(content: bytes, code: str) -> None:
    with pytest.raises(BadPack) as refused:
        check_pack(content, [VERIFIER])
    assert refused.value.code == code
    with pytest.raises(BadPack):
        keys_in(content)


async def test_a_pack_without_a_proof_or_with_a_bomb_is_refused(log: Path) -> None:
    content = as_zip(await packed(log, (1,)))
    with pytest.raises(BadPack) as refused:
        check_pack(_with(content, "proofs/0000000001.tlog-proof", None), [VERIFIER])
    assert refused.value.code == "not-a-pack"
    with pytest.raises(BadPack) as refused:
        check_pack(_with(content, "entries/0000000001.json", b" " * 10_000_000), [VERIFIER])
    assert refused.value.code == "too-large"


def _with(content: bytes, name: str, changed: bytes | None) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(out, "w") as new:
        for one in old.namelist():
            if one != name:
                new.writestr(one, old.read(one))
            elif changed is not None:
                new.writestr(one, changed, zipfile.ZIP_DEFLATED)
    return out.getvalue()


def _script() -> str:
    """Return the script that the page for whoever checks a pack shows."""
    (found,) = (one for one in blocks(ROOT / "docs" / "evidence.md") if one.language == "python")
    return found.text


def _check_by_script(folder: Path, vkey: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-I", "-S", "-c", _script(), "pack.zip", vkey],
        cwd=folder,
        capture_output=True,
        check=False,
        text=True,
    )


def _openssl_accepts(folder: Path) -> bool:
    page = blocks(ROOT / "docs" / "evidence.md")
    (command,) = (one.text for one in page if one.text.startswith("openssl"))
    return (
        subprocess.run(command.split(), cwd=folder, capture_output=True, check=False).returncode
        == 0
    )


async def test_the_page_is_enough_with_nothing_of_ours(log: Path, tmp_path: Path) -> None:
    content = as_zip(await packed(log, (0, 130, 299)))
    (tmp_path / "pack.zip").write_bytes(content)
    ran = await asyncio.to_thread(_check_by_script, tmp_path, str(VERIFIER))
    assert (ran.returncode, len(ran.stdout.split())) == (0, 3)
    if shutil.which("openssl") is None:
        missing("openssl")
    assert _openssl_accepts(tmp_path)
    (tmp_path / "note").write_bytes((tmp_path / "note").read_bytes().replace(b"300", b"301"))
    assert not _openssl_accepts(tmp_path)
    (tmp_path / "pack.zip").write_bytes(_with(content, "entries/0000000130.json", b"{}"))
    ran = await asyncio.to_thread(_check_by_script, tmp_path, str(VERIFIER))
    assert ran.returncode == 1


# The command.


async def test_the_command_says_which_entry_is_not_in_the_log(
    log: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = as_zip(await packed(log, (1, 2)))
    file = tmp_path / "pack.zip"
    file.write_bytes(content)
    (tmp_path / "log.vkey").write_text(str(VERIFIER))
    assert verify_pack.pack(file, key=str(tmp_path / "log.vkey"), as_json=False) == 0
    assert capsys.readouterr().out == "ok: 2 of 2 entries are in the log\n"
    assert verify_pack.pack(file, key=None, as_json=False) == 0
    assert "the pack itself states" in capsys.readouterr().out
    file.write_bytes(_with(content, "entries/0000000002.json", b"{}"))
    assert verify_pack.pack(file, key=str(VERIFIER), as_json=True) == 1
    assert json.loads(capsys.readouterr().out) == {
        "ok": False,
        "holding": [1],
        "failing": [{"entry": 2, "code": "root-mismatch"}],
        "key_from_pack": False,
    }
    file.write_bytes(b"no pack")
    with pytest.raises(BadUse, match="not-a-pack"):
        verify_pack.pack(file, key=str(VERIFIER), as_json=False)
    with pytest.raises(BadUse, match="--vkey"):
        verify_pack.pack(file, key=str(file), as_json=False)


# What may not leave.


async def test_no_export_holds_a_fact_of_anybody(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        event = await at.event()
        await at.told(event, "police", agreement="ISA-GONE")
        answers = [
            await at.ask(lapsed),
            await at.ask(lambda asking: disclosures_of(asking, event.person, sar=False)),
            await at.ask(lambda asking: disclosures_of(asking, event.person, sar=True)),
        ]
        for found in answers:
            assert found.rows
            pack = pack_of(found, at.store.reader, [VERIFIER], now=NOW)
            with zipfile.ZipFile(io.BytesIO(as_zip(pack))) as archive:
                whole = b"".join(archive.read(name) for name in archive.namelist()).decode()
            assert MARK not in whole
            assert canaries.found_in(whole) == []


async def test_an_answer_that_rests_on_no_entry_has_nothing_to_check(log: Path) -> None:
    async with opened(log) as store:
        await store.commit(logging(body()))
        pack = pack_of(PLAIN, store.reader, [VERIFIER], now=NOW)
    assert pack.checkpoints == ()
    with zipfile.ZipFile(io.BytesIO(as_zip(pack))) as archive:
        assert archive.namelist() == ["README.txt", "answer.csv"]
        assert b"How to check" not in archive.read("README.txt")
