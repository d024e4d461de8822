"""Serving: sockets, workers, signals. One process, or a supervisor and N that share one socket."""

import asyncio
import contextlib
import fcntl
import gc
import os
import signal
import socket
import ssl
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp.http_parser
import structlog
import uvloop
from aiohttp import web

from gateway.app import LEAVING, running
from gateway.config import BadConfig, Config
from gateway.roles import Role
from gateway.shards import SHARDS
from gateway.store.sqlite import StoreUnavailable
from gateway.supervising import BEGIN, READY, Supervisor, Worker, begin

DRAIN_S = 20.0
QUIET_WITHIN_S = 1.0
_QUIET_LOOK_S = 0.02

_LOG = structlog.get_logger()


def serve(config_file: Path, config: Config, *, workers: int, role: Role = Role.ALL) -> int:
    """Serve until SIGTERM or SIGINT; returns the exit code. SIGHUP replaces the workers one by one.

    Raises:
        BadConfig: this host, port or build of Python must not serve, or not in this role.
        StoreUnavailable: another gateway already serves this database.
    """
    check_floor()
    scaled = config.postgres is not None
    if role is not Role.ALL and not scaled:
        raise BadConfig(
            f"--role {role} needs [postgres]: one machine shares one file: use --workers"
        )
    if workers > SHARDS:
        raise BadConfig(f"--workers: at most {SHARDS}: there is work for no more")
    with contextlib.ExitStack() as closing:
        keep = [] if scaled else [closing.enter_context(only_one(config))]
        listener = closing.enter_context(_listening(config, role))
        if workers == 1:
            return run_worker(config, listener, Place(slot=0, slots=1, role=role))
        # They hold the lock too: while one of them lives, no other gateway may start.
        keep.append(listener.fileno())

        def start(slot: int, resting: bool) -> Worker:
            place = Place(slot=slot, slots=workers, role=role, rests=resting and not scaled)
            return begin(_command(config_file, listener, place), keep)

        return Supervisor(start, workers).run()


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Which worker one is."""

    slot: int
    slots: int
    role: Role = Role.ALL
    rests: bool = False  # until its supervisor says that the one before it has ended


def run_worker(config: Config, listener: socket.socket, place: Place) -> int:
    """Serve on an inherited socket in this process; returns the exit code."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_worker(config, listener, place))
    return 0


def check_floor() -> None:
    """Refuse builds that are known to be unsafe to serve from.

    Raises:
        BadConfig: assertions are off, or aiohttp runs its pure-Python HTTP parser.
    """
    if sys.flags.optimize:
        raise BadConfig("do not run under python -O: checks are compiled out")
    if aiohttp.http_parser.HttpRequestParser is aiohttp.http_parser.HttpRequestParserPy:
        raise BadConfig("aiohttp has no C parser here; install its wheel")


async def _worker(config: Config, listener: socket.socket, place: Place) -> None:
    stopping, may_begin = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    supervised = place.slots > 1
    if supervised:
        loop.add_reader(sys.stdin.fileno(), _hear, stopping, may_begin)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    loop.add_signal_handler(signal.SIGHUP, _cannot_be_replaced, supervised)
    slot, slots, waits = place.slot, place.slots, may_begin if place.rests else None
    async with running(
        config, slot=slot, slots=slots, role=place.role, may_begin=waits
    ) as application:
        runner = web.AppRunner(
            application, access_log=None, auto_decompress=False, shutdown_timeout=DRAIN_S
        )
        await runner.setup()
        site = web.SockSite(runner, listener, ssl_context=_server_tls(config), backlog=1024)
        await site.start()
        # What is loaded by now stays: the collector need not walk it again and again.
        gc.freeze()
        gc.set_threshold(20_000, 20, 100)
        _LOG.info("listening", port=listener.getsockname()[1], slot=slot)
        if supervised:
            os.write(sys.stdin.fileno(), READY)
        await stopping.wait()
        application[LEAVING].set()
        await site.stop()
        await _quiet(runner)
        await runner.cleanup()
    _LOG.info("stopped", slot=slot)


async def _quiet(runner: web.AppRunner) -> None:
    """Let connections that are in use end with their answers: cut between two requests, one would
    lose what its client is just sending."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(QUIET_WITHIN_S):
            while runner.server is not None and runner.server.connections:  # noqa: ASYNC110
                await asyncio.sleep(_QUIET_LOOK_S)


def _hear(stopping: asyncio.Event, may_begin: asyncio.Event) -> None:
    """Take in what the supervisor says; that the line has ended says that it has died."""
    said = b""
    with contextlib.suppress(ConnectionError):
        said = os.read(sys.stdin.fileno(), 16)
    if said == BEGIN:
        may_begin.set()
    elif not said:
        asyncio.get_running_loop().remove_reader(sys.stdin.fileno())
        stopping.set()


def _cannot_be_replaced(supervised: bool) -> None:
    if not supervised:
        _LOG.warning("not replaced")


def _command(config_file: Path, listener: socket.socket, place: Place) -> list[str]:
    command = [sys.executable, "-m", "gateway", "serve", "--config", str(config_file)]
    command += ["--slot", str(place.slot), "--slots", str(place.slots)]
    command += ["--role", place.role, "--descriptor", str(listener.fileno())]
    return [*command, "--rests"] if place.rests else command


@contextlib.contextmanager
def only_one(config: Config) -> Iterator[int]:
    """Hold the instance's lock, and yield its descriptor: two gateways would both own its work."""
    path = config.local_state(".lock")
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise StoreUnavailable(
                "in-use", "another gateway already serves this instance"
            ) from None
        yield lock.fileno()


@contextlib.contextmanager
def _listening(config: Config, role: Role) -> Iterator[socket.socket]:
    host = config.http.host
    port = config.http.port if role.accepts else config.http.operator_port
    secure = config.http.tls_certificate is not None or config.http.behind_proxy
    if not secure and not host.is_loopback:
        raise BadConfig(
            "http: to listen beyond loopback, set tls_certificate and tls_key, or behind_proxy"
        )
    family = socket.AF_INET6 if host.version == 6 else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((str(host), port))
        except OSError as error:
            raise BadConfig(f"cannot listen on port {port}: {error.strerror}") from None
        listener.listen(1024)
        listener.setblocking(False)
        os.set_inheritable(listener.fileno(), True)
        yield listener


def _server_tls(config: Config) -> ssl.SSLContext | None:
    if config.http.tls_certificate is None or config.http.tls_key is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(
        config.path(config.http.tls_certificate), config.path(config.http.tls_key)
    )
    return context
