"""The disclosure log: that its end adds up, that it is not behind, and that witnesses have seen it.

What entries say is not shown, so this is no consultation; they are hashed and compared.
"""

from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from typing import Final

from gateway.disclosure_log.canonical import canonical_json
from gateway.disclosure_log.checkpoint import VerifierKey, parse_checkpoint, verify_checkpoint
from gateway.disclosure_log.fsck import check_log
from gateway.disclosure_log.merkle import leaf_hash
from gateway.disclosure_log.problem import BadCheckpoint, BadKey, CannotRead
from gateway.disclosure_log.sources import StoreSource
from gateway.disclosure_log.tree import TILE_WIDTH
from gateway.doctor.asked import Asked
from gateway.doctor.finding import Finding, error, ok, unknown, warning
from gateway.instance import VKEY_NAME, high_water_of
from gateway.model.problem import MalformedEvent
from gateway.model.strict_json import read_object
from gateway.store import epoch
from gateway.store.engine import Connection
from gateway.store.log_tree import restore_tree
from gateway.store.place import SqlitePlace, place_of
from gateway.store.sqlite import StoreUnavailable
from gateway.store.times import moment
from gateway.store.trouble import TROUBLES

LAST: Final = 1000  # entries looked at without --full
_STOP: Final = "Stop the gateway and copy its folder: docs/runbook.md, The log does not verify."
_BEHIND: Final = "docs/runbook.md, The log is behind."


def examine(asked: Asked) -> Iterator[Finding]:
    """Yield whether the log adds up, as far as was asked, and where it stands."""
    try:
        with asked.reader() as connection, connection:  # one moment of it
            yield from _end(connection, asked)
            yield _behind(connection)
            yield from _high_water(connection, asked)
            yield from _witnessed(connection, asked)
    except TROUBLES:
        yield unknown("log", "The log cannot be read.", "docs/runbook.md, The store failed.")
        return
    if asked.full:
        yield _whole(asked)


def _end(connection: Connection, asked: Asked) -> Iterator[Finding]:
    """Yield whether the head is signed, is what the hashes give, and covers the last entries."""
    row = connection.execute(
        "SELECT note, (SELECT size FROM log_head), (SELECT root FROM log_head)"
        " FROM log_checkpoint ORDER BY size DESC LIMIT 1"
    ).fetchone()
    if row is None:
        yield unknown("log.head", "The log has no checkpoint yet.", "Start the gateway once.")
        return
    note, size, root = row
    yield _signed(note, size, root, asked)
    try:
        tree = restore_tree(connection)
    except StoreUnavailable:
        yield error("log.tree", "The stored hashes do not give the log's root.", _STOP)
        return
    first = max(0, tree.size - LAST)
    bad = first_bad(connection, first, tree.size)
    if bad is not None:
        yield error("log.entries", f"Entry {bad} is not what was logged.", _STOP)
    else:
        yield ok("log.entries", f"The head and the last {tree.size - first} entries add up.")


def _signed(note: str, size: int, root: bytes, asked: Asked) -> Finding:
    check = "log.head"
    try:
        text = (asked.config.home / VKEY_NAME).read_text("utf-8")
        verifiers = [VerifierKey.parse(line) for line in text.splitlines() if line.strip()]
        newest = verify_checkpoint(note, verifiers)
    except (OSError, UnicodeDecodeError, BadKey):
        return unknown(check, f"{VKEY_NAME} cannot be read.", "`throughgate keys show` prints it.")
    except BadCheckpoint as trouble:
        return error(check, f"The newest checkpoint is not this log's: {trouble.code}.", _STOP)
    if (newest.size, newest.root) != (size, root):
        return error(check, "The newest checkpoint does not state the log's head.", _STOP)
    return ok(check, f"The newest checkpoint, of {size} entries, is signed by the log's key.")


def first_bad(connection: Connection, first: int, size: int) -> int | None:
    """Return the first entry from `first` that is missing or was changed, or None. Reads only."""
    rows = connection.execute(
        "SELECT idx, leaf, body FROM log_entry WHERE idx >= ? ORDER BY idx", (first,)
    )
    expected = first
    for index, leaf, body in rows:
        if index != expected:
            return expected
        if (
            leaf_hash(body) != leaf
            or not _is_canonical(body)
            or not _in_tile(connection, index, leaf)
        ):
            return int(index)
        expected += 1
    return None if expected == size else expected


def _is_canonical(body: bytes) -> bool:
    try:
        return canonical_json(read_object(body)) == body
    except (MalformedEvent, ValueError):
        return False


def _in_tile(connection: Connection, index: int, leaf: bytes) -> bool:
    """Return whether a full tile, where there is one, has this leaf in its place."""
    number, within = divmod(index, TILE_WIDTH)
    row = connection.execute(
        "SELECT substr(hashes, ?, 32) FROM log_tile WHERE level = 0 AND idx = ?",
        (within * 32 + 1, number),
    ).fetchone()
    return row is None or row[0] == leaf


def _behind(connection: Connection) -> Finding:
    missing = epoch.behind_of(connection)
    if missing is None:
        return ok("log.whole", "The log is not marked as behind what was published of it.")
    return error(
        "log.whole",
        f"A checkpoint of {missing.size} entries was published that this log cannot show.",
        _BEHIND,
    )


def _high_water(connection: Connection, asked: Asked) -> Iterator[Finding]:
    check = "log.high-water"
    try:
        known = high_water_of(asked.config).known()
        behind = known is not None and epoch.is_behind(
            connection, known, name=asked.config.instance.name
        )
    except StoreUnavailable:
        yield unknown(check, "What was published last cannot be read.",
                      "Is the disk of log.high_water mounted?")  # fmt: skip
        return
    if known is None:
        yield unknown(check, "Nothing is remembered as published.",
                      "Serve once; keep log.high_water on another disk.")  # fmt: skip
    elif behind:
        yield error(check, "The log is behind what is remembered as published.", _BEHIND)
    elif isinstance(asked.place, SqlitePlace) and (
        asked.config.path(asked.config.log.high_water).parent == asked.place.path.parent
    ):
        yield warning(check, "What was published is remembered on the database's own disk.",
                      "Set log.high_water to a path on another disk.")  # fmt: skip
    else:
        yield ok(check, "The log shows what is remembered as published.")


def _witnessed(connection: Connection, asked: Asked) -> Iterator[Finding]:
    section = asked.config.witness
    if section is None:
        return
    check = "log.witnesses"
    row = connection.execute(
        "SELECT note, witnessed_at, (SELECT size FROM log_head) FROM log_witnessed"
        " ORDER BY size DESC LIMIT 1"
    ).fetchone()
    do = "docs/runbook.md, No quorum of witnesses."
    if row is None:
        yield error(check, "No checkpoint has had enough witnesses yet.", do)
        return
    covered, age = parse_checkpoint(row[0]).size, asked.now - moment(row[1])
    if covered < row[2] and age > timedelta(seconds=section.stale_after_s):
        yield error(check, f"Witnesses have not signed for {int(age.total_seconds())} s.", do)
    else:
        yield ok(check, f"Enough witnesses have signed {covered} of {row[2]} entries.")


def _whole(asked: Asked) -> Finding:
    check = "log.full"
    try:
        lines = (asked.config.home / VKEY_NAME).read_text("utf-8").splitlines()
        source = StoreSource(place_of(asked.config).open_reader(), asked.config.home / VKEY_NAME)
        with closing(source):
            report = check_log(source, verifier=VerifierKey.parse(lines[0]))
    except (OSError, IndexError, BadKey, CannotRead, StoreUnavailable):
        return unknown(check, "The log cannot be read whole.", "docs/runbook.md, The store failed.")
    if report.verdict == "bad":
        first = report.problems[0]
        where = f" at entry {first.index}" if first.index is not None else ""
        return error(check, f"The log does not verify: {first.code}{where}.", _STOP)
    return ok(check, f"All {report.size} entries and {report.checkpoints} checkpoints add up.")
