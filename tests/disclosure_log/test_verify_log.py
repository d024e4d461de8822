"""`verify` on the command line: one line, one exit code, nothing of the file in it."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from gateway.cli import verify_log
from gateway.disclosure_log.checkpoint import sign_checkpoint
from tests.disclosure_log.logs import KEY, OTHER_KEY, MemoryReader, WrittenLog, bodies
from tests.disclosure_log.serving import served
from tests.third_party import vector_files, vectors

INCLUSION = vector_files("merkle/inclusion", "*.json")
CONSISTENCY = vector_files("merkle/consistency", "*.json")
CANARY = "999 000 0018"

PREFIX = {0: "ok: ", 1: "not verified: ", 2: "usage: ", 3: "could not tell: "}


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Any:
    """Check the one line that goes with an exit code, and that it keeps the file to itself."""

    def check(code: int) -> int:
        out = capsys.readouterr().out
        assert out.startswith(PREFIX[code])
        assert out.count("\n") == 1
        assert out.endswith("\n")
        assert CANARY not in out
        return code

    return check


def written(folder: Path, content: object) -> Path:
    path = folder / "file"
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return path


@pytest.mark.parametrize("path", INCLUSION, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_inclusion_probe_exits_as_published(path: Path, said: Any) -> None:
    wrong = json.loads(path.read_bytes())["wantErr"]
    assert said(verify_log.inclusion(path)) == (1 if wrong else 0)


@pytest.mark.parametrize("path", CONSISTENCY, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_consistency_probe_exits_as_published(path: Path, said: Any) -> None:
    wrong = json.loads(path.read_bytes())["wantErr"]
    assert said(verify_log.consistency(path)) == (1 if wrong else 0)


def test_the_published_probes_are_there() -> None:
    assert vectors("merkle").is_dir()
    assert len(INCLUSION) + len(CONSISTENCY) > 80


HASH = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
GOOD = {"leafIdx": 0, "treeSize": 1, "leafHash": HASH, "root": HASH, "proof": []}


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (GOOD, 0),
        (GOOD | {"proof": None}, 0),
        (GOOD | {"desc": CANARY}, 0),
        (GOOD | {"root": CANARY}, 1),
        (GOOD | {"leafHash": HASH + " "}, 1),
        (GOOD | {"proof": [CANARY]}, 1),
        (GOOD | {"leafIdx": -1}, 1),
        (GOOD | {"treeSize": 10**30}, 1),
        (GOOD | {"proof": CANARY}, 2),
        (GOOD | {"proof": [1]}, 2),
        (GOOD | {"leafIdx": "0"}, 2),
        (GOOD | {"leafIdx": 0.0}, 2),
        (GOOD | {"leafIdx": True}, 2),
        (GOOD | {"leafHash": None}, 2),
        ({}, 2),
        ({"proof": None}, 2),
        ([], 2),
        (CANARY, 2),
        (b"", 2),
        (CANARY.encode(), 2),
        (b"\xff", 2),
        (b"[" * 100_000, 2),
        (b'{"leafIdx":' + b"9" * 100_000 + b"}", 2),
        (b'{"root":"a","root":"b"}', 2),
        (b" " * 1024 * 1024 + b"{}", 2),
    ],
    ids=range(25),
)
def test_an_inclusion_file_is_judged(tmp_path: Path, content: object, code: int, said: Any) -> None:
    assert said(verify_log.inclusion(written(tmp_path, content))) == code


def test_a_consistency_file_of_another_shape_is_not_one(tmp_path: Path, said: Any) -> None:
    assert said(verify_log.consistency(written(tmp_path, GOOD))) == 2


def test_a_missing_file_is_a_matter_of_usage(tmp_path: Path, said: Any) -> None:
    nowhere = tmp_path / "nowhere"
    assert said(verify_log.inclusion(nowhere)) == 2
    assert said(verify_log.consistency(tmp_path)) == 2
    assert said(verify_log.checkpoint(nowhere, KEY.verifier)) == 2
    assert said(verify_log.log(str(nowhere), None)) == 2


def test_a_checkpoint_is_verified_with_a_key_or_a_file_of_one(tmp_path: Path, said: Any) -> None:
    note = written(tmp_path, sign_checkpoint(KEY, size=7, root=bytes(32)).encode())
    key = tmp_path / "log.vkey"
    key.write_text(KEY.verifier + "\n")
    assert said(verify_log.checkpoint(note, KEY.verifier)) == 0
    assert said(verify_log.checkpoint(note, str(key))) == 0
    assert said(verify_log.checkpoint(note, OTHER_KEY.verifier)) == 1
    for wrong in ("rubbish", str(tmp_path), str(note), "", "\0", "x" * 10_000):
        assert said(verify_log.checkpoint(note, wrong)) == 2


@pytest.mark.parametrize("content", [b"", b"\xff\xff", CANARY.encode(), b"x" * 100_000])
def test_what_is_no_checkpoint_is_not_verified(tmp_path: Path, content: bytes, said: Any) -> None:
    assert said(verify_log.checkpoint(written(tmp_path, content), KEY.verifier)) == 1


def test_a_folder_is_verified(tmp_path: Path, said: Any, capsys: Any) -> None:
    log = WrittenLog(tmp_path, bodies(300), [10, 300])
    assert said(verify_log.log(str(tmp_path), KEY.verifier)) == 0
    assert said(verify_log.log(str(tmp_path), str(tmp_path / "log.vkey"))) == 0
    assert said(verify_log.log(str(tmp_path), OTHER_KEY.verifier)) == 1
    held = written(tmp_path, log.notes[10].encode())
    assert said(verify_log.log(str(tmp_path), KEY.verifier, held=held)) == 0
    held = written(tmp_path, sign_checkpoint(KEY, size=301, root=bytes(32)).encode())
    assert said(verify_log.log(str(tmp_path), KEY.verifier, held=held)) == 1
    assert said(verify_log.log(str(tmp_path), "rubbish")) == 2
    verify_log.log(str(tmp_path), None)
    assert "the log itself states" in capsys.readouterr().out
    log.edit("UPDATE log_entry SET body = ? WHERE idx = 20", CANARY.encode())
    log.close()
    verify_log.log(str(tmp_path), KEY.verifier)
    assert capsys.readouterr().out.startswith("not verified: leaf-mismatch at entry 20 (and ")
    assert said(verify_log.log(str(tmp_path), KEY.verifier)) == 1


def test_a_folder_without_a_log_cannot_be_told(tmp_path: Path, said: Any) -> None:
    assert said(verify_log.log(str(tmp_path), KEY.verifier)) == 3
    (tmp_path / "throughgate.db").write_bytes(b"not a database" * 100)
    assert said(verify_log.log(str(tmp_path), KEY.verifier)) == 3


async def test_a_url_is_verified(said: Any, unused_tcp_port: int) -> None:
    reader = MemoryReader(bodies(300), [10, 300])
    async with served(reader) as url:
        assert said(await asyncio.to_thread(verify_log.log, url, KEY.verifier)) == 0
        assert said(await asyncio.to_thread(verify_log.log, url, OTHER_KEY.verifier)) == 1
    nobody = f"http://127.0.0.1:{unused_tcp_port}"
    assert said(await asyncio.to_thread(verify_log.log, nobody, KEY.verifier)) == 3
    assert said(await asyncio.to_thread(verify_log.log, "file:///tmp", KEY.verifier)) == 3
