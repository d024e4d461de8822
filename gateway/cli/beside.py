"""Working on an instance from the command line, beside a gateway that may be serving it."""

import asyncio
import os
import re
from collections.abc import Callable
from contextlib import closing
from typing import Final, TypeVar

from gateway import clock
from gateway.cli.exits import Trouble
from gateway.config import Config
from gateway.instance import commit_one
from gateway.model.ids import PersonRef
from gateway.store.consultation import Asked, Seen, logged
from gateway.store.engine import Connection
from gateway.store.group_commit import Staged, Unit
from gateway.store.place import place_of
from gateway.store.sealed import SealedStore

T = TypeVar("T")

_BY: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/\-]{0,63}")
_MAX_REASON: Final = 1000


def checked(by: str, reason: str) -> tuple[str, str]:
    """Return who acts and why.

    Raises:
        Trouble: `by` is no role or staff id, or there is no reason.
    """
    by = staff(by)
    if not 0 < len(reason.strip()) <= _MAX_REASON:
        raise Trouble(f"--reason: say why, in at most {_MAX_REASON} characters")
    return by, reason.strip()


def staff(by: str) -> str:
    """Return who acts or reads.

    Raises:
        Trouble: no role or staff id.
    """
    if not _BY.fullmatch(by):
        raise Trouble("--by: a role or staff id: letters, digits and . _ : / - (at most 64)")
    return by


def reader(by: str | None) -> str:
    """Return who reads: as they say, else the account they use, which is no name.

    Raises:
        Trouble: no role or staff id.
    """
    return f"uid-{os.getuid()}" if by is None else staff(by)


def opened(config: Config) -> closing[Connection]:
    """Open the instance's database to read from, until the `with` block ends."""
    return closing(place_of(config).open_reader())


def commit(config: Config, unit: Unit[T]) -> T:
    """Run a unit of work beside a serving gateway and return its result."""
    answers: list[T] = []

    def answering(connection: Connection) -> Staged[None]:
        staged = unit(connection)
        answers[:] = [staged.result]
        return Staged(None, staged.entries, staged.finish)

    asyncio.run(commit_one(config, answering))
    return answers[0]


def consulted(config: Config, asked: Asked, look: Callable[[Connection], Seen[T]]) -> T:
    """Look at the instance's database, and return what was seen once the log has it. Commits."""
    with opened(config) as connection:
        seen = look(connection)
    return commit(config, logged(asked, seen, clock.now()))


def log_reading(
    config: Config,
    person: PersonRef,
    *,
    what: str,
    reader: str,
    why: tuple[SealedStore, str] | None = None,
) -> None:
    """Log that something of a person's is about to be read, and keep why, if that is said.

    Commits before it returns.
    """
    asked = Asked(what=what, reader=reader, why=why)
    seen = Seen(result=None, shown=1, person=person)
    commit(config, logged(asked, seen, clock.now()))
