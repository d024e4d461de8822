"""Serving: sockets, workers, signals. One process, or a supervisor and N that share one socket."""

import asyncio
import contextlib
import fcntl
import gc
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import aiohttp.http_parser
import structlog
import uvloop
from aiohttp import web

from gateway.app import running
from gateway.config import BadConfig, Config
from gateway.store.sqlite import StoreUnavailable

DRAIN_S = 20.0
_RESTART_WAIT_S = 1.0

_LOG = structlog.get_logger()


def serve(config_file: Path, config: Config, *, workers: int) -> int:
    """Serve until SIGTERM or SIGINT; returns the exit code.

    Raises:
        BadConfig: this host, port or build of Python must not serve.
        StoreUnavailable: another gateway already serves this database.
    """
    check_floor()
    with _only_one(config) as lock, _listening(config) as listener:
        if workers == 1:
            return run_worker(config, listener, slot=0, slots=1)
        return _supervise(config_file, listener, lock, workers)


def run_worker(config: Config, listener: socket.socket, *, slot: int, slots: int) -> int:
    """Serve on an inherited socket in this process; returns the exit code."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_worker(config, listener, slot, slots))
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


async def _worker(config: Config, listener: socket.socket, slot: int, slots: int) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    if slots > 1:
        # A pipe from the supervisor, which never writes: it ends when the supervisor has died, and
        # a worker without one would serve on unseen beside the next gateway.
        loop.add_reader(sys.stdin.fileno(), _orphaned, stopping)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    async with running(config, slot=slot, slots=slots) as application:
        runner = web.AppRunner(
            application, access_log=None, auto_decompress=False, shutdown_timeout=DRAIN_S
        )
        await runner.setup()
        await web.SockSite(runner, listener, ssl_context=_server_tls(config), backlog=1024).start()
        # What is loaded by now stays: the collector need not walk it again and again.
        gc.freeze()
        gc.set_threshold(20_000, 20, 100)
        _LOG.info("listening", port=listener.getsockname()[1], slot=slot)
        await stopping.wait()
        await runner.cleanup()
    _LOG.info("stopped", slot=slot)


def _orphaned(stopping: asyncio.Event) -> None:
    asyncio.get_running_loop().remove_reader(sys.stdin.fileno())
    stopping.set()


def _supervise(config_file: Path, listener: socket.socket, lock: int, workers: int) -> int:
    """Keep N workers running on one socket until told to stop.

    They hold the lock too: while one of them lives, no other gateway may start.
    """
    stopping = False

    def stop(_number: int, _frame: object) -> None:
        nonlocal stopping
        stopping = True

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    children = {slot: _start(config_file, listener, lock, slot, workers) for slot in range(workers)}
    while not stopping:
        time.sleep(0.2)
        for slot, child in children.items():
            if child.poll() is not None and not stopping:
                _LOG.error("worker ended", slot=slot, code=str(child.returncode))
                time.sleep(_RESTART_WAIT_S)
                children[slot] = _start(config_file, listener, lock, slot, workers)
    for child in children.values():
        child.terminate()
    return max(abs(child.wait()) for child in children.values())


def _start(
    config_file: Path, listener: socket.socket, lock: int, slot: int, slots: int
) -> subprocess.Popen[bytes]:
    descriptor = listener.fileno()
    command = [sys.executable, "-m", "gateway", "serve", "--config", str(config_file)]
    command += ["--slot", str(slot), "--slots", str(slots), "--descriptor", str(descriptor)]
    return subprocess.Popen(  # noqa: S603 - our own command
        command, stdin=subprocess.PIPE, pass_fds=(descriptor, lock)
    )


@contextlib.contextmanager
def _only_one(config: Config) -> Iterator[int]:
    """Hold the instance's lock, and yield its descriptor: two gateways would both own its work."""
    path = config.path(config.instance.database).with_suffix(".lock")
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise StoreUnavailable(
                "in-use", "another gateway already serves this instance"
            ) from None
        yield lock.fileno()


@contextlib.contextmanager
def _listening(config: Config) -> Iterator[socket.socket]:
    host = config.http.host
    secure = config.http.tls_certificate is not None or config.http.behind_proxy
    if not secure and not host.is_loopback:
        raise BadConfig(
            "http: to listen beyond loopback, set tls_certificate and tls_key, or behind_proxy"
        )
    family = socket.AF_INET6 if host.version == 6 else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((str(host), config.http.port))
        except OSError as error:
            raise BadConfig(f"cannot listen on port {config.http.port}: {error.strerror}") from None
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
