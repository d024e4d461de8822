"""A PostgreSQL server of the contest's own: on loopback, durable, and gone when the block ends."""

import contextlib
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from bench.peers.running import program, started, wait_listening
from bench.problem import NotMeasured
from bench.wire import HOST, free_port

USER: Final = "throughgate"
_PACKAGE: Final = "postgresql"
# As a small machine would be set up; what is committed is on disk (fsync is on by default).
_SETTINGS: Final = {"shared_buffers": "256MB", "max_connections": "100", "wal_level": "minimal"}


@contextlib.contextmanager
def postgres_running() -> Iterator[tuple[str, int]]:
    """Run a server until the block ends; yield the address of its empty database, and its pid.

    Raises:
        NotMeasured: it is not here, or did not start.
    """
    programs, port = _programs(), free_port()
    with tempfile.TemporaryDirectory(prefix="throughgate-pg-", dir="/tmp") as folder:
        cluster = _cluster(programs, Path(folder))
        options = [part for pair in _SETTINGS.items() for part in ("-c", "=".join(pair))]
        command = [*_as_user(), str(programs / "postgres"), "-D", str(cluster), "-p", str(port)]
        command += ["-k", folder, "-h", HOST, "-c", "max_wal_senders=0", *options]
        with started(command, Path(folder) / "postgres.log", stop="SIGINT") as process:
            wait_listening(port, process, "PostgreSQL")
            yield f"postgresql://{USER}@{HOST}:{port}/postgres", process.pid


def _cluster(programs: Path, folder: Path) -> Path:
    if os.geteuid() == 0:
        user = pwd.getpwnam(_unprivileged())
        os.chown(folder, user.pw_uid, user.pw_gid)
    cluster = folder / "cluster"
    command = [*_as_user(), str(programs / "initdb"), "-D", str(cluster), "-U", USER]
    command += ["-A", "trust", "-E", "UTF8", "--locale=C"]
    made = subprocess.run(command, check=False, cwd="/", capture_output=True)
    if made.returncode:
        raise NotMeasured("initdb failed")
    return cluster


def _programs() -> Path:
    found = shutil.which("initdb")
    if found:
        return Path(found).resolve().parent
    versions = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda one: int(one.parts[-3])
    )
    return versions[-1].parent if versions else Path(program("initdb", _PACKAGE)).parent


def _as_user() -> Sequence[str]:
    """Return what a command begins with so that it does not run as root: the server refuses to."""
    if os.geteuid() != 0:
        return []
    user = _unprivileged()
    group = str(pwd.getpwnam(user).pw_gid)
    setpriv = program("setpriv", "util-linux")
    return [setpriv, "--reuid", user, "--regid", group, "--clear-groups", "--"]


def _unprivileged() -> str:
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"
