"""Rulebooks that were ever in force, kept whole: an old disclosure is read by its own rules.

Which one is in force, by digest, is the setting ``rulebook``; since when is in the log.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import orjson

from gateway.disclosure_log import entry
from gateway.store import log_index
from gateway.store.engine import Connection
from gateway.store.times import milliseconds
from policies.rulebook import BESIDE

_MOST: Final = 1000  # changes of rulebook that are told, the newest


@dataclass(frozen=True, slots=True, kw_only=True)
class RulebookKept:
    """One rulebook, and since when it was in force each time."""

    digest: str  # hex SHA-256
    since: tuple[str, ...]  # as the log writes times, oldest first
    in_force: bool
    kept: bool  # False: in force before texts were kept


def keep(connection: Connection, digest: str, texts: Mapping[str, str], now: datetime) -> None:
    """Keep a rulebook's files, once: those its digest is over, not what tries it. Belongs in the
    transaction that puts it in force. Writes."""
    own = {name: text for name, text in texts.items() if name.rpartition("/")[2] not in BESIDE}
    connection.execute(
        "INSERT INTO rulebook (digest, texts, noted_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
        (digest, orjson.dumps(own, option=orjson.OPT_SORT_KEYS).decode(),
         milliseconds(now)),
    )  # fmt: skip


def texts_of(connection: Connection, digest: str) -> Mapping[str, str] | None:
    """Return the files of a rulebook, name to text; None if it was never kept. Reads only."""
    found = connection.execute("SELECT texts FROM rulebook WHERE digest = ?", (digest,)).get
    return None if found is None else orjson.loads(found)


def in_force(connection: Connection) -> str | None:
    """Return the digest of the rulebook in force; None before the first. Reads only."""
    found: str | None = connection.execute("SELECT value FROM setting WHERE name = 'rulebook'").get
    return found


def put_in_force(
    connection: Connection,
    digest: str,
    texts: Mapping[str, str] | None,
    *,
    by: str,
    now: datetime,
) -> list[bytes]:
    """Put a rulebook in force and keep it; return the entry that says so, or none where it is in
    force already. `texts` is None where they are kept before. Writes: the one place that does."""
    if texts is not None:
        keep(connection, digest, texts, now)
    connection.execute(
        "INSERT INTO setting (name, value) VALUES ('rulebook', ?)"
        " ON CONFLICT (name) DO UPDATE SET value = excluded.value"
        " WHERE setting.value <> excluded.value",
        (digest,),
    )
    if connection.changes() == 0:
        return []
    return [entry.rulebook(at=now, digest=digest, actor=by).encode()]


def listing(connection: Connection) -> list[RulebookKept]:
    """Return every rulebook the log says was in force, the first first. Reads only."""
    logged = [
        *_entries(connection, "rulebook"),
        *_entries(connection, "genesis"),
    ]
    since: dict[str, list[str]] = {}
    for _index, one in sorted(logged, key=lambda found: found[0]):
        digest = one["digest"] if one["op"] == "rulebook" else one["rulebook"]
        since.setdefault(digest, []).append(one["at"])
    kept = {digest for (digest,) in connection.execute("SELECT digest FROM rulebook")}
    current = in_force(connection)
    return [
        RulebookKept(
            digest=digest, since=tuple(times), in_force=digest == current, kept=digest in kept
        )
        for digest, times in since.items()
    ]


def _entries(connection: Connection, op: str) -> list[tuple[int, dict[str, Any]]]:
    query = log_index.Query(terms=(("op", op),))
    return log_index.search(connection, query, limit=_MOST).entries
