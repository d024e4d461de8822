"""What the stored log says of itself: its origin, the keys that sign it, whether it is behind.

A log restored from before a checkpoint that was published is *behind*. Until two persons have
acknowledged what is lost nothing is signed: what may be logged meanwhile is owed to it. Then it
goes on under the next origin, so that nothing is signed twice under one.
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

import orjson

from gateway.disclosure_log import entry
from gateway.disclosure_log.checkpoint import (
    Checkpoint,
    LogKey,
    epoch_of,
    origin_in,
    parse_checkpoint,
)
from gateway.disclosure_log.merkle import EMPTY_ROOT
from gateway.store.engine import Connection
from gateway.store.sqlite import StoreUnavailable
from keys.problem import KeyProblem

UNKNOWN_ROOT: Final = bytes(32)  # of a checkpoint of which only the size is known

_ORIGIN: Final = "log_origin"
_SIGNERS: Final = "log_signers"  # public keys in hex, the one in force first
_BEHIND: Final = "log_behind"
_OWED: Final = "log_owed/"

# What is logged of people who look at the log, and at what is lost of it, while it is behind.
_MAY_BE_OWED: Final = frozenset({"consultation", "sign-in"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Marks:
    """What a transaction has to know of the log before it writes."""

    size: int
    root: bytes
    directory: str | None  # changes with the directory
    origin: str | None  # None: the keys' own, in the first epoch
    signers: str | None  # None: the oldest key alone
    behind: str | None


_MARKS: Final = (  # one statement: one moment
    "SELECT (SELECT size FROM log_head), (SELECT root FROM log_head),"
    " (SELECT value FROM setting WHERE name = 'directory'),"
    " (SELECT value FROM setting WHERE name = 'log_origin'),"
    " (SELECT value FROM setting WHERE name = 'log_signers'),"
    " (SELECT value FROM setting WHERE name = 'log_behind')"
)


def marks_of(connection: Connection) -> Marks:
    """Return the marks as the connection sees them now."""
    size, root, directory, origin, signers, behind = connection.execute(_MARKS).get
    return Marks(
        size=size or 0,
        root=root if size is not None else EMPTY_ROOT,
        directory=directory,
        origin=origin,
        signers=signers,
        behind=behind,
    )


def origin_of(connection: Connection, name: str) -> str:
    """Return the origin line under which the log of the instance called `name` is signed now."""
    return marks_of(connection).origin or name


def signing(keys: Sequence[LogKey], marks: Marks) -> tuple[LogKey, ...]:
    """Return the keys that sign now, under the origin in force, the newest first.

    Args:
        keys: Those there are, under the instance's name, the newest first.
        marks: Which of them the log was told of.

    Raises:
        KeyProblem: log-key: one that has to sign is not there.
    """
    there = {key.verifier_key.public.hex(): key for key in keys}
    marked = marks.signers.split() if marks.signers is not None else list(there)[-1:]
    chosen = [there[one] for one in marked if one in there]
    if len(chosen) < len(marked):
        if marks.behind is None:
            raise KeyProblem("log-key", "a key that the log is signed with is not here")
        chosen = list(keys[:1])  # retired since the backup; nothing is signed before the gap is
    if not chosen:
        raise KeyProblem("log-key", "there is no key to sign the log with")
    return tuple(key if marks.origin is None else under(key, marks.origin) for key in chosen)


def under(key: LogKey, origin: str) -> LogKey:
    """Return the same key by another name."""
    return replace(key, origin=origin)


def signers_of(connection: Connection) -> tuple[bytes, ...] | None:
    """Return the public keys the log was told sign it; None: it was never told."""
    marked = marks_of(connection).signers
    return None if marked is None else tuple(bytes.fromhex(one) for one in marked.split())


def set_signers(connection: Connection, publics: Sequence[bytes]) -> None:
    """Let these keys sign from this transaction on, the first being the one in force."""
    _set(connection, _SIGNERS, " ".join(one.hex() for one in publics))


def behind_of(connection: Connection) -> Checkpoint | None:
    """Return the checkpoint that was published and that this log cannot show; None: it is whole.
    Its root is `UNKNOWN_ROOT` where only its size is known."""
    row = connection.execute("SELECT value FROM setting WHERE name = ?", (_BEHIND,)).fetchone()
    if row is None:
        return None
    value = orjson.loads(row[0])
    return Checkpoint(
        origin=value["origin"], size=value["size"], root=base64.b64decode(value["root"])
    )


def mark_behind(connection: Connection, known: Checkpoint) -> None:
    """Hold the log back: every worker, and every command, then refuses to commit."""
    before = behind_of(connection)
    if before is not None and (before.size > known.size or before == known):
        return
    root = base64.b64encode(known.root).decode()
    value = {"origin": known.origin, "size": known.size, "root": root}
    _set(connection, _BEHIND, orjson.dumps(value).decode())


def is_behind(connection: Connection, known: Checkpoint, *, name: str) -> bool:
    """Return whether a checkpoint that was published is not one of this log's.

    Args:
        connection: The database.
        known: What was published.
        name: The instance's.

    Every checkpoint ever signed is kept, so one that is not there is from after the backup, or
    from another branch. A log in a later epoch has acknowledged its gap.

    Raises:
        StoreUnavailable: high-water: what was published is of another log.
    """
    epoch = epoch_of(name, known.origin)
    if epoch is None:
        raise StoreUnavailable("high-water", "what was published last is of another log")
    if (epoch_of(name, origin_of(connection, name)) or 1) > epoch:
        return False
    row = connection.execute(
        "SELECT note FROM log_checkpoint WHERE size = ?", (known.size,)
    ).fetchone()
    if row is None:
        return known.size > 0
    kept = parse_checkpoint(row[0])
    return (kept.origin, kept.root) != (known.origin, known.root)


def next_origin(connection: Connection, name: str) -> str:
    """Return the origin the log of this name would go on under past a gap: one never signed."""
    known = behind_of(connection)
    stated = [origin_of(connection, name), *([known.origin] if known else [])]
    return origin_in(name, max(epoch_of(name, one) or 1 for one in stated) + 1)


def owe(connection: Connection, entries: Sequence[bytes]) -> None:
    """Keep entries for when the log goes on.

    Raises:
        StoreUnavailable: log-behind: they are not of the few that may wait.
    """
    if not all(_may_be_owed(one) for one in entries):
        raise StoreUnavailable("log-behind", BEHIND_TEXT)
    last = connection.execute(
        "SELECT max(name) FROM setting WHERE name > ? AND name < ?", (_OWED, _OWED + "~")
    ).get
    number = int(last.removeprefix(_OWED)) if last else 0
    connection.executemany(
        "INSERT INTO setting (name, value) VALUES (?, ?)",
        [(f"{_OWED}{number + n:012}", one.decode()) for n, one in enumerate(entries, 1)],
    )


BEHIND_TEXT: Final = (
    "the log was restored from before what was last published; nothing is done until two persons"
    " acknowledge the gap: throughgate log acknowledge-gap"
)


class NotBehind(Exception):
    """There is no gap to acknowledge."""


def carry_on(
    connection: Connection,
    *,
    name: str,
    proposed_by: str,
    approved_by: str,
    reason: str,
    now: datetime,
) -> tuple[str, list[bytes]]:
    """Let the log go on under the next origin; return it, and the entries that say so.

    To be called within a unit of work, whose entries they then are: those owed, and the gap.

    Raises:
        NotBehind: it is whole.
    """
    known = behind_of(connection)
    if known is None:
        raise NotBehind("the log is whole")
    origin = next_origin(connection, name)
    owed = connection.execute(
        "SELECT value FROM setting WHERE name > ? AND name < ? ORDER BY name", (_OWED, _OWED + "~")
    ).fetchall()
    connection.execute(
        "DELETE FROM setting WHERE name = ? OR (name > ? AND name < ?)",
        (_BEHIND, _OWED, _OWED + "~"),
    )
    _set(connection, _ORIGIN, origin)
    gap = entry.gap(
        at=now,
        size=marks_of(connection).size,
        known_size=known.size,
        known_root=known.root,
        origin=origin,
        proposed_by=proposed_by,
        approved_by=approved_by,
        reason=reason,
    )
    return origin, [*(str(text).encode() for (text,) in owed), gap.encode()]


def _may_be_owed(body: bytes) -> bool:
    value: Any = orjson.loads(body)
    op = value.get("op")
    if op == "approval":
        return bool(value["kind"] == "gap" or value["state"] == "lapsed")
    return op in _MAY_BE_OWED


def _set(connection: Connection, name: str, value: str) -> None:
    connection.execute(
        "INSERT INTO setting (name, value) VALUES (?, ?)"
        " ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        (name, value),
    )
