"""Witnesses as processes of their own: light, killed at the worst moment, two on one state."""

import asyncio
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import aiohttp
import pytest
from typer.testing import CliRunner, Result

from gateway.cli.witness_commands import witness as witness_group
from gateway.disclosure_log.checkpoint import verify_checkpoint
from gateway.disclosure_log.note import merge, open_note, parse_signatures
from gateway.witness.request import origin_hash
from gateway.witness.witness import Witness
from tests.witness.stage import ROOT, Log, keys_of, made, now, serving, witness_process

LOG = Log(200)

# The real witness, which dies between its commit and its answer the moment a file says so.
DYING = (
    "-c",
    """
import os, pathlib, signal
from gateway.witness.state import State
from gateway.cli.witness_commands import witness

replace = State.replace

def dying(state, origin, decide):
    found = replace(state, origin, decide)
    if pathlib.Path(os.environ["WITNESS_DIES"]).exists():
        os.kill(os.getpid(), signal.SIGKILL)
    return found

State.replace = dying
witness()
""",
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made(tmp_path / "witness", LOG).close()
    return tmp_path / "witness"


async def posted(session: aiohttp.ClientSession, url: str, body: bytes) -> tuple[int, str]:
    async with session.post(f"{url}/add-checkpoint", data=body) as answer:
        return answer.status, await answer.text()


async def test_killed_between_commit_and_answer_it_keeps_its_promise(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WITNESS_DIES", str(tmp_path / "now"))
    async with aiohttp.ClientSession() as session:
        async with witness_process(folder, command=DYING) as process:
            assert (await posted(session, process.url, LOG.request(0, 50)))[0] == 200
            (tmp_path / "now").touch()
            with pytest.raises(aiohttp.ClientError):
                await posted(session, process.url, LOG.request(50, 80))
            assert process.process.wait() == -9
        async with witness_process(folder) as process:
            # Nobody was told of 80, and still nothing but what follows from it is cosigned.
            for old in (0, 50):
                assert await posted(session, process.url, LOG.request(old, 90)) == (409, "80\n")
            fork = LOG.forked(60)
            assert (await posted(session, process.url, fork.request(80, 90)))[0] == 422
            assert (await posted(session, process.url, LOG.request(80, 80)))[0] == 200
            assert (await posted(session, process.url, LOG.request(80, 90)))[0] == 200


async def test_killed_at_any_moment_what_it_told_is_what_it_knows(folder: Path) -> None:
    told = 0
    async with aiohttp.ClientSession() as session:
        for turn in range(3):
            async with witness_process(folder) as process:
                where = f"{process.url}/{origin_hash(LOG.key.origin)}/checkpoint"
                async with session.get(where) as answer:
                    note = await answer.text() if answer.status == 200 else None
                known = verify_checkpoint(note, [LOG.key.verifier_key]).size if note else 0
                assert known >= told
                killer = asyncio.get_running_loop().call_later(0.03 * turn + 0.02, process.kill)
                try:
                    for size in range(known + 1, 200):
                        assert (await posted(session, process.url, LOG.request(size - 1, size)))[
                            0
                        ] == 200
                        told = size
                except aiohttp.ClientError:
                    pass
                killer.cancel()
    with closing(Witness.open(folder, now)) as witness:
        latest = witness.state.latest(LOG.key.origin)
    assert (latest.size if latest else 0) >= told


async def test_two_processes_on_one_state_are_one_witness(folder: Path) -> None:
    async with (
        serving(folder) as first,
        witness_process(folder) as second,
        aiohttp.ClientSession() as session,
    ):
        known = 0
        for _ in range(6):
            answers = await asyncio.gather(
                posted(session, first, LOG.request(known, known + 1)),
                posted(session, second.url, LOG.request(known, known + 2)),
            )
            assert sorted(status for status, _ in answers) == [200, 409]
            known += 1 if answers[0][0] == 200 else 2
            refused = next(text for status, text in answers if status == 409)
            assert refused == f"{known}\n"


def test_it_loads_nothing_of_the_gateway_but_the_log() -> None:
    program = (
        "import sys, gateway.cli.witness_commands, gateway.witness.server;"
        "print(*[name for name in sys.modules if name.split('.')[0] in"
        " ('gateway', 'adapters', 'policies', 'keys', 'cedarpy', 'pydantic', 'jinja2')])"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    allowed = ("gateway.witness", "gateway.disclosure_log", "gateway.clock", "gateway.cli", "keys")
    assert [name for name in loaded if name != "gateway" and not name.startswith(allowed)] == []


def command(*arguments: str) -> Result:
    return CliRunner().invoke(witness_group, arguments)


def test_a_checkpoint_is_cosigned_from_a_stick(tmp_path: Path) -> None:
    folder, stick = tmp_path / "witness", tmp_path / "stick"
    stick.mkdir()
    (stick / "log.vkey").write_text(LOG.key.verifier + "\n")
    assert command("init", str(folder), "--name", "witness.example/1").exit_code == 0
    assert command("init", str(folder), "--name", "witness.example/1").exit_code == 2
    (stick / "first").write_text(LOG.note(5))
    unknown = command("cosign", str(folder), str(stick / "first"))
    assert (unknown.exit_code, "not known" in unknown.stderr) == (1, True)
    assert command("add-log", str(folder), str(stick / "log.vkey")).exit_code == 0
    first = command("cosign", str(folder), str(stick / "first"))
    assert first.exit_code == 0
    assert len(open_note(first.stdout, keys_of(folder))[1]) == 2
    assert verify_checkpoint(first.stdout, [LOG.key.verifier_key]).size == 5
    (stick / "second").write_text(LOG.note(9))
    bare = command("cosign", str(folder), str(stick / "second"))
    assert (bare.exit_code, "--old 5" in bare.stderr) == (1, True)
    head = LOG.request(5, 9).partition(b"\n\n")[0] + b"\n"
    (stick / "proof").write_bytes(head)
    arguments = ("cosign", str(folder), str(stick / "second"), "--proof", str(stick / "proof"))
    assert command(*arguments).exit_code == 0
    (stick / "third").write_bytes(LOG.forked(7).request(9, 12))
    fork = command("cosign", str(folder), str(stick / "third"))
    assert (fork.exit_code, fork.stdout) == (1, "")
    assert fork.stderr.startswith("REFUSED")
    listed = command("logs", str(folder)).stdout.split()
    assert listed[:2] == [LOG.key.origin, "9"]


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "witness.example"])
def test_it_does_not_listen_in_the_clear_beyond_this_machine(folder: Path, host: str) -> None:
    ran = command("serve", "--dir", str(folder), "--host", host)
    assert ran.exit_code == 2
    assert "--tls-certificate" in ran.output


def test_signatures_are_the_bytes_that_were_answered(folder: Path) -> None:
    with closing(Witness.open(folder, now)) as witness:
        answer = witness.add_checkpoint(LOG.request(0, 3))
        latest = witness.state.latest(LOG.key.origin)
    assert latest is not None
    assert merge(LOG.note(3), parse_signatures(answer.body)) == latest.note
