"""Logs to be witnessed, and witnesses to do it: in this process or as one of their own."""

import asyncio
import contextlib
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from gateway.channels.http_client import GuardedClient
from gateway.disclosure_log.checkpoint import LogKey, sign_checkpoint
from gateway.disclosure_log.cosignature import CosignerKey
from gateway.disclosure_log.merkle import leaf_hash
from gateway.disclosure_log.note import parse_note
from gateway.witness import witness as core
from gateway.witness.ask import WITNESS_POLICY
from gateway.witness.request import render
from gateway.witness.server import Listening, served
from gateway.witness.witness import Witness
from tests.disclosure_log import independent

ROOT = Path(__file__).resolve().parents[2]
AT = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
COMMANDS = ("-c", "from gateway.cli.witness_commands import witness; witness()")


class Log:
    """A log made to be shown to witnesses, honest or not; its proofs are a second opinion's."""

    def __init__(
        self, size: int, *, origin: str = "log.example.org/shown", key: LogKey | None = None
    ) -> None:
        self.key = key or LogKey.generate(origin)
        self.leaves = [leaf_hash(b"entry %d" % number) for number in range(size)]

    def forked(self, at: int) -> "Log":
        """Return another log under the same key, alike before one entry and not from there on."""
        twin = Log(0, key=self.key)
        rest = [leaf_hash(b"other %d" % number) for number in range(at, len(self.leaves))]
        twin.leaves = self.leaves[:at] + rest
        return twin

    def note(self, size: int) -> str:
        root = independent.tree_head(self.leaves[:size])
        return sign_checkpoint(self.key, size=size, root=root)

    def proof(self, old: int, size: int) -> list[bytes]:
        return independent.consistency_proof(old, self.leaves[:size]) if 0 < old < size else []

    def request(self, old: int, size: int) -> bytes:
        return render(old, self.proof(old, size), self.note(size)).encode()


def now() -> datetime:
    return AT


def made(folder: Path, *logs: Log, name: str = "witness.example/1") -> Witness:
    """Make a witness that knows these logs, and open it."""
    core.create(folder, name)
    witness = Witness.open(folder, now)
    for log in logs:
        witness.add_log(log.key.verifier)
    return witness


def keys_of(folder: Path) -> list[CosignerKey]:
    return [CosignerKey.parse(line) for line in (folder / core.VKEYS).read_text().splitlines()]


@contextlib.asynccontextmanager
async def serving(folder: Path) -> AsyncIterator[str]:
    """Serve a witness in this process, behind a real loopback socket; yield its URL."""
    with contextlib.closing(Witness.open(folder, now)) as witness:
        async with served(witness, Listening(port=0), _never) as port:
            yield f"http://127.0.0.1:{port}"


def _never() -> None:
    raise AssertionError("the state broke")


@contextlib.asynccontextmanager
async def client(timeout_s: float = 10) -> AsyncIterator[GuardedClient]:
    """Return the client the gateway asks witnesses with."""
    made = GuardedClient(
        policy=WITNESS_POLICY, ssl_context=None, timeout_s=timeout_s, user_agent="throughgate"
    )
    try:
        yield made
    finally:
        await made.close()


@dataclass(slots=True, kw_only=True)
class WitnessProcess:
    """A witness as a process of its own."""

    process: subprocess.Popen[bytes]
    url: str

    def kill(self) -> None:
        """SIGKILL it, as a power cut would end it, and wait for the end."""
        self.process.kill()
        self.process.wait()


@contextlib.asynccontextmanager
async def witness_process(
    folder: Path, *, command: Sequence[str] = COMMANDS
) -> AsyncIterator[WitnessProcess]:
    """Run ``witness serve`` on any port; it does not outlive the block."""
    process = subprocess.Popen(  # noqa: ASYNC220 - starting takes no time worth a thread
        [sys.executable, *command, "serve", "--dir", str(folder), "--port", "0"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )
    assert process.stdout is not None
    try:
        said = await asyncio.to_thread(process.stdout.readline)
        assert said.startswith(b"witness on 127.0.0.1 port "), said
        yield WitnessProcess(process=process, url=f"http://127.0.0.1:{int(said.split()[-1])}")
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def policy_text(
    witnesses: Sequence[tuple[str, Path]], *, threshold: int | str, url: Callable[[str], str] = str
) -> str:
    """Return a policy of witnesses (URL, folder), the two keys of each in one group."""
    lines, groups = [], []
    for number, (where, folder) in enumerate(witnesses):
        lines += [
            f"witness w{number}-{key.algorithm} {key} {url(where)}" for key in keys_of(folder)
        ]
        lines.append(f"group w{number} any w{number}-ed25519 w{number}-ml-dsa-44")
        groups.append(f"w{number}")
    lines += [f"group enough {threshold} {' '.join(groups)}", "quorum enough"]
    return "".join(f"{line}\n" for line in lines)


def text_of(note: str) -> bytes:
    return parse_note(note).text.encode()
