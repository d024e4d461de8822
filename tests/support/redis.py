"""A real redis-server of the tests' own: on loopback, in its own folder, and made to suffer."""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests.support.servers import require

_READY_S: Final = 15.0
_POLL_S: Final = 0.01
_TRIES: Final = 5  # another program may take a port between its choice and its use


@dataclass(slots=True, kw_only=True)
class RedisServer:
    """One redis-server: nothing it holds outlives its end.

    Killed and started again it is empty, on the same port. Everything here blocks; of a paused one,
    ask nothing.
    """

    folder: Path
    options: Sequence[str] = ()  # of the command line
    program: str = ""
    port: int = 0
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @property
    def url(self) -> str:
        """Its address, as a configuration has it."""
        return f"redis://127.0.0.1:{self.port}"

    @property
    def unix_socket(self) -> Path:
        """Its socket, beside the port."""
        return self.folder / "redis.sock"

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start it, empty, and wait until it answers.

        Raises:
            AssertionError: it ended instead, or does not answer in time; quotes its log.
        """
        fixed = self.port
        for _ in range(_TRIES):
            self.port = fixed or _free_port()
            self._spawn()
            if self._ready():
                return
            self.kill()
        raise AssertionError(f"redis-server does not answer:\n{self.log()[-3000:]}")

    def kill(self) -> None:
        """SIGKILL it, and wait for the end. What it held is gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def restart_empty(self) -> None:
        """SIGKILL it and start it again on the same port, holding nothing."""
        self.kill()
        self.start()

    def pause(self) -> None:
        """SIGSTOP it: connections open and stay silent."""
        os.kill(self.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        """SIGCONT it."""
        os.kill(self.pid, signal.SIGCONT)

    def sleep(self, seconds: float) -> None:
        """Have it answer nobody for a while (DEBUG SLEEP); return at once."""
        with self._client() as client:
            connection = client.connection_pool.get_connection()
            connection.send_command("DEBUG", "SLEEP", seconds)
            connection.disconnect()

    def flush(self) -> None:
        """Have it forget everything (FLUSHALL)."""
        self.command("FLUSHALL")

    def cut_clients(self) -> None:
        """Close every other client's connection (CLIENT KILL)."""
        self.command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")

    def bound_memory(self, size: str, policy: str = "allkeys-lru") -> None:
        """Bound its memory, as `1mb`; what it does beyond is said by the policy."""
        self.command("CONFIG", "SET", "maxmemory-policy", policy)
        self.command("CONFIG", "SET", "maxmemory", size)

    def command(self, *words: str | bytes | float) -> Any:
        """Run one command over a connection of its own; return the reply.

        Raises:
            redis.RedisError: it refused, or is away.
        """
        with self._client() as client:
            return client.execute_command(*words)

    def log(self) -> str:
        """Return what it wrote, over all runs."""
        return (self.folder / "redis.log").read_text("utf-8", "replace")

    def _client(self) -> redis.Redis:
        return redis.Redis(
            unix_socket_path=str(self.unix_socket),
            socket_timeout=30,
            single_connection_client=True,
            retry=Retry(NoBackoff(), 0),
        )

    def _spawn(self) -> None:
        command = [self.program or require("redis-server", "redis-server")]
        command += ["--bind", "127.0.0.1", "--port", str(self.port)]
        command += ["--unixsocket", str(self.unix_socket), "--dir", str(self.folder)]
        command += ["--save", "", "--appendonly", "no", "--enable-debug-command", "yes"]
        command += ["--logfile", str(self.folder / "redis.log"), *self.options]
        self._process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def _ready(self) -> bool:
        until = time.monotonic() + _READY_S
        while self._process is not None and time.monotonic() < until:
            if self._process.poll() is not None:
                return False
            try:
                return bool(self.command("PING"))
            except redis.AuthenticationError:
                return True  # it answers, if not us
            except (redis.RedisError, OSError):
                pass
            time.sleep(_POLL_S)
        return False


@contextlib.asynccontextmanager
async def redis_running(*options: str) -> AsyncIterator[RedisServer]:
    """Run a redis-server until the block ends; nothing of it outlives the block.

    Args:
        options: Of its command line, as `--requirepass`, `...`.
    """
    program = require("redis-server", "redis-server")
    # A socket's path is short by law of the kernel: not under a test's own folder.
    with tempfile.TemporaryDirectory(prefix="tg-redis-") as folder:
        server = RedisServer(folder=Path(folder), options=options, program=program)
        try:
            await asyncio.to_thread(server.start)
            yield server
        finally:
            with contextlib.suppress(ProcessLookupError, AssertionError):
                server.go_on()
            server.kill()


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
