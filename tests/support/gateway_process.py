"""A small instance on disk, and the real gateway as a process that may be killed and restarted."""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import aiohttp
import orjson

from gateway.cli.post import send
from gateway.config import Config
from gateway.demo.cast import WEBHOOK_RECIPIENTS, Poster, Reader, make_posters, make_readers
from gateway.demo.servers.certificates import make_certificates
from gateway.demo.servers.webhook import Answer, WebhookReceiver
from gateway.instance import CONFIG_NAME, VKEY_NAME, create
from gateway.registration import register_agency, register_recipients
from gateway.store import outbox
from gateway.store.engine import Connection
from gateway.store.place import place_of

NAME = "throughgate.example/faults"
PRISON = "hmp-exampleton"
POLICE = "police-ppu"

_ROOT = Path(__file__).resolve().parents[2]
_POLL_S = 0.02
_READY_S = 30.0

GATEWAY = ("-m", "gateway")


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """An instance with one prison that posts and one police recipient with a sealed webhook."""

    folder: Path
    config: Config
    url: str
    poster: Poster
    police: Reader
    hook: WebhookReceiver

    @property
    def database(self) -> Path:
        """The database file."""
        return self.config.path(self.config.instance.database)

    @property
    def vkey(self) -> str:
        """The public key of its log."""
        return (self.folder / VKEY_NAME).read_text("utf-8").strip()


@contextlib.asynccontextmanager
async def instance(
    folder: Path,
    *,
    answers: Iterable[int | Answer] = (),
    ladder_s: Sequence[float] = (0.2, 0.5),
    more: str = "",
) -> AsyncIterator[Instance]:
    """Make an instance in a folder and listen as its recipient until the block ends.

    Args:
        folder: Made if missing; must not hold an instance.
        answers: What the receiver replies first; after them every post gets 204.
        ladder_s: Seconds to wait before each repeat of a deferred attempt.
        more: Further lines of configuration: of the table `[delivery]`, then other tables.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    async with WebhookReceiver(make_certificates(folder), answers=answers) as hook:
        port = _free_port()
        config = await create(folder, name=NAME, sections=_sections(port, ladder_s) + more)
        poster, police = make_posters()[PRISON], _webhook_only(hook.url)
        await register_agency(config, poster.agency)
        await register_recipients(config, [police.recipient])
        yield Instance(
            folder=folder,
            config=config,
            url=f"http://127.0.0.1:{port}",
            poster=poster,
            police=police,
            hook=hook,
        )


@dataclass(slots=True, kw_only=True)
class GatewayProcess:
    """The gateway serving one instance, in a process group of its own.

    Its standard output and error go to `gateway.log` in the instance's folder, over all runs.
    """

    instance: Instance
    workers: int = 1
    command: Sequence[str] = GATEWAY  # Python's arguments before `serve`
    options: Sequence[str] = ()  # of `serve`
    starts: int = field(default=0, init=False)
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    async def start(self) -> None:
        """Start it and wait until it is ready.

        Raises:
            AssertionError: it ended instead, is not ready in time, or something else already
                answers on its port; quotes its log.
        """
        async with aiohttp.ClientSession() as session:
            assert not await _is_ready(session, self.instance.url), "another gateway still answers"
            self.spawn()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_READY_S):
                    while self.code is None:
                        if await _is_ready(session, self.instance.url):
                            return
                        await asyncio.sleep(_POLL_S)
        raise AssertionError(f"not ready, exit code {self.code}:\n{self.log()[-3000:]}")

    def spawn(self) -> None:
        """Start it and return at once. Runs on the same port and folder every time."""
        command = [sys.executable, *self.command, "serve"]
        command += ["--config", str(self.instance.folder / CONFIG_NAME)]
        command += ["--workers", str(self.workers), *self.options]
        with (self.instance.folder / "gateway.log").open("ab") as log:
            self._process = subprocess.Popen(
                command, cwd=_ROOT, stdout=log, stderr=log, start_new_session=True
            )
        self.starts += 1

    @property
    def pid(self) -> int:
        """The process id: with several workers, the supervisor's."""
        assert self._process is not None
        return self._process.pid

    @property
    def code(self) -> int | None:
        """The exit code, or None while it runs."""
        assert self._process is not None
        return self._process.poll()

    def children(self) -> list[int]:
        """Return the process ids of its workers, when it is a supervisor."""
        listed = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text()
        return [int(pid) for pid in listed.split()]

    def log(self) -> str:
        """Return what it wrote, over all runs."""
        return (self.instance.folder / "gateway.log").read_text("utf-8", "replace")

    async def kill(self) -> None:
        """SIGKILL the whole process group, as a power cut would end it, and wait for the end."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        await self.wait()

    async def terminate(self) -> int:
        """SIGTERM, as an orderly stop; return the exit code."""
        if self.code is None:
            os.kill(self.pid, signal.SIGTERM)
        return await self.wait()

    async def wait(self) -> int:
        """Wait for it to end; return the exit code."""
        assert self._process is not None
        return await asyncio.to_thread(self._process.wait)


@contextlib.asynccontextmanager
async def gateway_running(
    instance: Instance, *, workers: int = 1, command: Sequence[str] = GATEWAY
) -> AsyncIterator[GatewayProcess]:
    """Run the gateway until the block ends; nothing it started outlives the block."""
    process = GatewayProcess(instance=instance, workers=workers, command=command)
    try:
        await process.start()
        yield process
    finally:
        await process.kill()


async def post(
    session: aiohttp.ClientSession, instance: Instance, body: bytes
) -> tuple[int, dict[str, Any]]:
    """Sign a body as the prison and post it; return status and answer.

    Raises:
        aiohttp.ClientError, TimeoutError: no answer came: it may or may not have been accepted.
    """
    status, answer = await send(session, instance.url, PRISON, instance.poster.key, body)
    return status, orjson.loads(answer)


async def drained(instance: Instance, *, within_s: float = 40.0) -> None:
    """Wait until every accepted event is decided and nothing is left to deliver.

    Raises:
        AssertionError: something still waits; says what.
    """
    reader = place_of(instance.config).open_reader()
    try:
        async with asyncio.timeout(within_s):
            while any(waiting(reader)):  # noqa: ASYNC110 - another process decides when
                await asyncio.sleep(_POLL_S)
    except TimeoutError:
        raise AssertionError(f"undecided, undelivered: {waiting(reader)}") from None
    finally:
        reader.close()


def waiting(reader: Connection) -> tuple[int, int]:
    """Return how many events await a decision and how many alerts are still to leave."""
    undecided = reader.execute("SELECT count(*) FROM event WHERE state = 'accepted'").get
    return int(undecided), outbox.counts(reader).get("pending", 0)


async def _is_ready(session: aiohttp.ClientSession, url: str) -> bool:
    try:
        async with session.get(f"{url}/health/ready") as response:
            return response.status == 200
    except aiohttp.ClientError:
        return False


def _webhook_only(url: str) -> Reader:
    """Return the cast's police recipient without its telephone: there is no provider here."""
    reader = make_readers(dict.fromkeys(WEBHOOK_RECIPIENTS, url))[POLICE]
    hooks = tuple(one for one in reader.recipient.endpoints if one.channel == "webhook")
    return replace(reader, recipient=replace(reader.recipient, endpoints=hooks))


def _sections(port: int, ladder_s: Sequence[float]) -> str:
    return f"""
[http]
port = {port}

[webhook]
ca_file = "ca.pem"
allowed_networks = ["127.0.0.1/32"]

[delivery]
ladder_s = {list(ladder_s)}
"""


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
