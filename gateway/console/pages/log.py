"""The log and its witnesses: how far it goes, who signed for it, and whether a part holds now."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from aiohttp import web

from gateway.console.own import ConsoleOwn
from gateway.console.page import ConsoleRoute, Given, Shown, Visitor
from gateway.console.pages import figures, words
from gateway.console.pages.forms import Reading
from gateway.disclosure_log import entry, merkle
from gateway.disclosure_log.checkpoint import BadCheckpoint, VerifierKey, verify_checkpoint
from gateway.disclosure_log.note import parse_note
from gateway.model.staff import StaffRole
from gateway.store import epoch
from gateway.store.engine import Connection
from gateway.store.group_commit import Staged
from gateway.store.log_paths import paths_of
from gateway.store.times import moment
from gateway.trusted_witnesses import trust_policy

_ROLES: Final[frozenset[StaffRole]] = frozenset(("dpo", "operator"))
_MOST: Final = 2000  # entries verified at once
_NOTES: Final = 20  # checkpoints shown, and looked at for each witness


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What verifying a stretch of the log found."""

    start: int
    end: int
    size: int
    wrong: tuple[int, ...]  # entries whose bytes do not give their hash
    paths: bool  # the first and the last lead to the signed root
    signed: bool

    @property
    def holds(self) -> bool:
        """Whether nothing was wrong."""
        return not self.wrong and self.paths and self.signed


def routes(own: ConsoleOwn) -> list[ConsoleRoute]:
    """Return the page of the log."""

    async def show(_request: web.Request, _visitor: Visitor) -> Shown:
        return _page(own, Reading(said={}), None)

    async def verify(_request: web.Request, _visitor: Visitor, said: Mapping[str, str]) -> Given:
        return await _verified(own, Reading(said=said))

    return [
        ConsoleRoute(
            path="/console/log", roles=_ROLES, get=show, post=verify, nav="Log and witnesses"
        )
    ]


async def _verified(own: ConsoleOwn, reading: Reading) -> Shown:
    size = int(own.store.reader.execute("SELECT max(size) FROM log_checkpoint").get or 0)
    first = _index(reading, "first", "The first entry")
    last = _index(reading, "last", "The last entry")
    if first is not None and last is not None:
        if not first <= last < size:
            reading.wrong("last", "The last entry must be in the log, and not before the first")
        elif last - first >= _MOST:
            reading.wrong("last", f"Verify at most {words.number(_MOST)} entries at once")
    if reading.problems or first is None or last is None:
        return _page(own, reading, None)
    logged = entry.consultation(at=own.now(), what="log", start=first, end=last + 1).encode()
    await own.store.commit(lambda _connection: Staged(None, [logged]))
    found = await asyncio.to_thread(verify_now, own, first, last + 1)
    return _page(own, reading, found)


def _index(reading: Reading, name: str, title: str) -> int | None:
    text = reading.needed(name, f"{title} must be a number", most=15).replace(",", "")
    if text and not (text.isascii() and text.isdigit()):
        reading.wrong(name, f"{title} must be a number")
        return None
    return int(text) if text else None


def verify_now(own: ConsoleOwn, start: int, end: int) -> Verified:
    """Check entries [start, end) against their hashes, and those against the signed root.

    Reads with a connection of its own: it runs beside the event loop.
    """
    reader = own.store.place.open_reader()
    try:
        with reader:  # one snapshot
            note = reader.execute("SELECT note FROM log_checkpoint ORDER BY size DESC LIMIT 1").get
            return _checked(reader, str(note), start, end, own.verifiers)
    finally:
        reader.close()


def _checked(
    reader: Connection,
    note: str,
    start: int,
    end: int,
    verifiers: tuple[VerifierKey, ...],
) -> Verified:
    try:
        signed = verify_checkpoint(note, verifiers)
    except BadCheckpoint:
        return Verified(start=start, end=end, size=0, wrong=(), paths=False, signed=False)
    rows: Any = reader.execute(
        "SELECT idx, leaf, body FROM log_entry WHERE idx >= ? AND idx < ? ORDER BY idx",
        (start, end),
    ).fetchall()
    leaves = {index: merkle.leaf_hash(body) for index, _, body in rows}
    wrong = tuple(index for index, leaf, _ in rows if leaves[index] != leaf)
    missing = tuple(one for one in range(start, end) if one not in leaves)
    paths = paths_of(reader)
    # Every path leads to the root by way of its neighbours' hashes: one in each tile tells all.
    probes = {start, end - 1, *(one for one in leaves if one % 256 == 0)}
    held = all(
        _leads(paths.inclusion(one, signed.size), one, signed.size, leaves.get(one), signed.root)
        for one in sorted(probes)
    )
    return Verified(
        start=start, end=end, size=signed.size, wrong=(*wrong, *missing), paths=held, signed=True
    )


def _leads(path: list[bytes], index: int, size: int, leaf: bytes | None, root: bytes) -> bool:
    if leaf is None:
        return False
    try:
        merkle.verify_inclusion(index=index, size=size, leaf=leaf, path=path, root=root)
    except merkle.BadProof:
        return False
    return True


def _page(own: ConsoleOwn, reading: Reading, found: Verified | None) -> Shown:
    connection = own.store.reader
    with connection:
        log = figures.log(connection)
        newest: Any = connection.execute(
            "SELECT size, note FROM log_checkpoint ORDER BY size DESC LIMIT ?", (_NOTES,)
        ).fetchall()
        witnessed: Any = connection.execute(
            "SELECT size, note, witnessed_at FROM log_witnessed ORDER BY size DESC LIMIT ?",
            (_NOTES,),
        ).fetchall()
        behind = epoch.behind_of(connection)
        origin = epoch.origin_of(connection, own.config.instance.name)
    values = {
        "log": log,
        "rows": [
            ["Name (origin)", origin],
            ["Entries", words.number(log.size)],
            ["Newest checkpoint", f"{words.number(log.checkpoint or 0)} entries"],
            ["Last witnessed", _witnessed(log.witnessed, log.witnessed_at)],
            ["Index is behind by", f"{words.number(log.lag)} entries"],
        ],
        "behind": behind,
        "forked": behind is not None and behind.size <= log.size,
        "next_origin": epoch.next_origin(connection, own.config.instance.name),
        "keys": [str(one) for one in own.verifiers],
        "checkpoints": [words.number(size) for size, _ in newest],
        "newest_note": newest[0][1] if newest else "",
        "witnesses": _witnesses(own, witnessed),
        "said": reading.said,
        "errors": reading.problems,
        "problems": reading.by_field,
        "found": found,
        "most": _MOST,
        "last_entry": max((log.checkpoint or 0) - 1, 0),
    }
    return Shown(
        template="pages/log.html",
        title="Log and witnesses",
        values=values,
        status=422 if reading.problems else 200,
    )


def _witnessed(size: int | None, at: datetime | None) -> str:
    return f"{words.number(size)} entries, {words.when(at)}" if size is not None else "Never"


def _witnesses(own: ConsoleOwn, notes: list[Any]) -> list[dict[str, str]]:
    """Return how far each witness of the policy has signed, of the newest checkpoints."""
    policy = trust_policy(own.config)
    found = []
    for one in policy.witnesses if policy else ():
        signed = next(
            (
                (size, at)
                for size, note, at in notes
                if any(
                    (name, blob[:4]) == (one.key.name, one.key.id)
                    for name, blob in parse_note(note).signatures
                )
            ),
            None,
        )
        found.append(
            {
                "name": one.name,
                "key": one.key.name,
                "far": f"{words.number(signed[0])} entries" if signed else "None of the newest",
                "at": words.when(moment(signed[1])) if signed else "",
            }
        )
    return found
