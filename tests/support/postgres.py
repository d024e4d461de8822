"""PostgreSQL servers for tests: real ones, on loopback, that end with the process that began them.

    with fresh_database() as url: ...   # of this process's shared server, the schema in it
    with fresh_database(empty=True) as url: ...  # nothing in it
    url = shared().lend(); shared().take_back(url)  # as the first, where no schema is changed
    server = shared()                   # that server, begun at the first call; not to be stopped
    with own_server() as server:        # one to stop, kill, pause and start again
        url = server.make("name")       # a database, the schema in it
        server.stop("immediate"); server.start(); server.kill(); server.pause(); server.go_on()
    own_server(durable=True)            # with fsync: a crash of the machine loses nothing

The shared server does not sync, and says so to the gateway by `throughgate.disposable`: nothing
else would take it. URLs go over TCP on loopback (`server.port`); `server.socket_url(name)` over
the socket. Without PostgreSQL on the machine the test is skipped, loudly (see `servers.require`).
"""

import atexit
import contextlib
import itertools
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, Literal

import psycopg

from tests.support.servers import require

USER: Final = "throughgate"
_PACKAGE: Final = "postgresql"
_STARTS_WITHIN_S: Final = 60.0
_SETTINGS: Final = {
    "max_connections": "60",
    "shared_buffers": "32MB",
    "max_wal_senders": "0",
    "wal_level": "minimal",
    "log_min_messages": "fatal",
    "logging_collector": "off",
    "timezone": "UTC",
    "autovacuum_naptime": "10s",
}
_QUICK: Final = {
    "fsync": "off",
    "full_page_writes": "off",
    "throughgate.disposable": "on",
}
# Ends the server, and removes its folder, when whoever began it closes the pipe or dies.
_KEEPER: Final = (
    'folder="$1"; shift; "$@" </dev/null & echo $!; read -r word;'
    ' kill -QUIT $! 2>/dev/null; wait; [ "$word" = keep ] || rm -rf "$folder"'
)
_EMPTY: Final = """
DO $$
DECLARE one text; held boolean;
BEGIN
  PERFORM pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid();
  PERFORM set_config('session_replication_role', 'replica', true);  -- rows in any order
  FOR one IN SELECT tablename FROM pg_tables
    WHERE schemaname = 'public' AND tablename <> 'alembic_version' LOOP
    EXECUTE format('SELECT EXISTS (SELECT 1 FROM %I)', one) INTO held;
    IF held THEN EXECUTE format('DELETE FROM %I', one); END IF;
  END LOOP;
END $$
"""
_SIGNALS: Final = {
    "smart": signal.SIGTERM,
    "fast": signal.SIGINT,
    "immediate": signal.SIGQUIT,
}
Mode = Literal["smart", "fast", "immediate"]
_numbers = itertools.count(1)


class Server:
    """One PostgreSQL server of the test's own; its port stays the same when it starts again."""

    def __init__(self, *, durable: bool = False, settings: dict[str, str] | None = None) -> None:
        self._programs = _programs()
        self.folder = Path(tempfile.mkdtemp(prefix="tg-pg-", dir="/tmp"))
        self.port = _free_port()
        self._settings = _SETTINGS | ({} if durable else _QUICK) | (settings or {})
        self._keeper: subprocess.Popen[bytes] | None = None
        self.pid = 0
        self._paused: list[int] = []
        self._templates: set[str] = set()
        self._spare: list[str] = []
        if os.geteuid() == 0:
            user = pwd.getpwnam(_unprivileged())
            os.chown(self.folder, user.pw_uid, user.pw_gid)
        subprocess.run(
            [*_as_user(), str(self._programs / "initdb"), "-D", str(self._cluster), "-U", USER,
             "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"],
            check=True, cwd="/", stdout=subprocess.DEVNULL,
        )  # fmt: skip
        self.start()

    @property
    def _cluster(self) -> Path:
        return self.folder / "cluster"

    def url(self, name: str = "postgres") -> str:
        """Return the address of a database, over TCP on loopback."""
        return f"postgresql://{USER}@127.0.0.1:{self.port}/{name}"

    def socket_url(self, name: str = "postgres") -> str:
        """Return the address of a database, over the server's socket."""
        return f"postgresql://{USER}@/{name}?host={self.folder}&port={self.port}"

    def run(self, statement: str, *, database: str = "postgres") -> list[Any]:
        """Run a statement over a connection of its own; return its rows, if it has any."""
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def make(self, name: str | None = None, *, empty: bool = False) -> str:
        """Make a database, the schema in it unless `empty`; return its address."""
        name = name or f"db_{os.getpid()}_{next(_numbers)}"
        template = "template0" if empty else self._template()
        self.run(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        return self.url(name)

    def drop(self, url: str) -> None:
        """Remove a database, whoever is still connected to it."""
        name = url.rpartition("/")[2]
        self.run(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def lend(self) -> str:
        """Return the address of a database with the schema in it and no rows, to be given back."""
        return self._spare.pop() if self._spare else self.make()

    def take_back(self, url: str) -> None:
        """Empty a database that was lent, whoever is still connected to it.

        Far cheaper than to drop it and make another; not for tests that change a schema.
        """
        self.run(_EMPTY, database=url.rpartition("/")[2])
        self._spare.append(url)

    def _template(self) -> str:
        from gateway.store import postgres

        name = "tg_template"
        if name not in self._templates:
            self.run(f'CREATE DATABASE "{name}" TEMPLATE template0')
            postgres.create(self.url(name))
            self._templates.add(name)
        return name

    def start(self) -> None:
        """Start it, at first or again, and wait until it takes connections."""
        options = [part for pair in self._settings.items() for part in ("-c", "=".join(pair))]
        self._keeper = subprocess.Popen(
            [*_as_user(), "/bin/sh", "-c", _KEEPER, "sh", str(self.folder),
             str(self._programs / "postgres"), "-D", str(self._cluster), "-p", str(self.port),
             "-k", str(self.folder), "-h", "127.0.0.1", *options],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd="/",
        )  # fmt: skip
        assert self._keeper.stdout is not None
        self.pid = int(self._keeper.stdout.readline())
        self._wait(lambda: self._status() == "ready", "PostgreSQL did not start")

    def _status(self) -> str:
        with contextlib.suppress(FileNotFoundError):
            lines = (self._cluster / "postmaster.pid").read_text().splitlines()
            if len(lines) >= 8 and lines[0].strip() == str(self.pid):
                return lines[7].strip()
        assert _alive(self.pid), "PostgreSQL ended as it started"
        return ""

    def _wait(self, done: Any, text: str) -> None:
        deadline = time.monotonic() + _STARTS_WITHIN_S
        while not done():
            assert time.monotonic() < deadline, text
            time.sleep(0.005)

    def stop(self, mode: Mode = "immediate") -> None:
        """Stop it as `pg_ctl stop -m` would; what is committed is there when it starts again."""
        self.signal(_SIGNALS[mode])
        self._ended()

    def kill(self) -> None:
        """Kill it and all its backends with SIGKILL."""
        for pid in [self.pid, *self.backends()]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._ended()

    def pause(self) -> None:
        """Stop every process of it from running (SIGSTOP): connections hang, none is refused."""
        self._paused = [self.pid, *self.backends()]
        for pid in self._paused:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)

    def go_on(self) -> None:
        """Let a paused server run again."""
        for pid in self._paused:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
        self._paused = []

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the server's first process."""
        os.kill(self.pid, number)

    def backends(self) -> list[int]:
        """Return the process ids of its children."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children")
        return [int(pid) for pid in children.read_text().split()] if children.exists() else []

    def _ended(self) -> None:
        keeper = self._keeper
        self._wait(lambda: not _alive(self.pid), "PostgreSQL did not stop")
        if keeper is not None and keeper.stdin is not None and keeper.stdout is not None:
            keeper.stdin.write(b"keep\n")
            keeper.stdin.close()
            keeper.wait(_STARTS_WITHIN_S)
            keeper.stdout.close()
        self._keeper = None

    def end(self) -> None:
        """Stop it for good and remove what it kept."""
        self.go_on()
        if self._keeper is not None:
            with contextlib.suppress(ProcessLookupError):
                self.signal(signal.SIGQUIT)
            self._ended()
        shutil.rmtree(self.folder, ignore_errors=True)


_shared: list[tuple[int, Server]] = []


def shared() -> Server:
    """Return this process's server, which every test may make databases on."""
    if not _shared or _shared[0][0] != os.getpid():
        _shared[:] = [(os.getpid(), Server())]
        atexit.register(_end_shared)
    return _shared[0][1]


def _end_shared() -> None:
    while _shared:
        began_by, server = _shared.pop()
        if began_by == os.getpid():
            server.end()


@contextlib.contextmanager
def own_server(
    *, durable: bool = False, settings: dict[str, str] | None = None
) -> Iterator[Server]:
    """Give a server that the test may stop, kill and pause; it is ended after."""
    server = Server(durable=durable, settings=settings)
    try:
        yield server
    finally:
        server.end()


@contextlib.contextmanager
def fresh_database(*, empty: bool = False) -> Iterator[str]:
    """Give the address of a new database of the shared server; it is dropped after."""
    server = shared()
    url = server.make(empty=empty)
    try:
        yield url
    finally:
        server.drop(url)


def _programs() -> Path:
    found = shutil.which("initdb")
    if found:
        return Path(found).resolve().parent
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=_version)
    return versions[-1].parent if versions else Path(require("initdb", _PACKAGE)).parent


def _version(program: Path) -> int:
    number = program.parents[1].name
    return int(number) if number.isdecimal() else 0


def _as_user() -> Sequence[str]:
    """Return what a command begins with so that it does not run as root, which the server is not
    to be run as."""
    if os.geteuid() != 0:
        return []
    user = _unprivileged()
    group = pwd.getpwnam(user).pw_gid
    return [require("setpriv", "util-linux"), "--reuid", user, "--regid", str(group),
            "--clear-groups", "--"]  # fmt: skip


def _unprivileged() -> str:
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _alive(pid: int) -> bool:
    """Return whether a process runs: one that ended and nobody has asked about does not."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return status.rpartition(")")[2].split()[0] not in {"Z", "X"}
