"""Streams: one for each shard, one group of readers, and in each entry the id of one event.

An entry is a hint that an event waits, never the event. It stays until whoever owned its shard has
acknowledged it, after the commit that settled the event; nothing is trimmed by length or age.
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from gateway.model.ids import EventRef
from gateway.spread.connections import Command, Connections, RedisAway, Refusal, Reply
from gateway.spread.names import Names
from gateway.waking import Handed

GROUP: Final = "deliver"
MOST_IN_STREAM: Final = 10_000  # announced and unacknowledged; the rest is found by looking

_FIELD: Final = "e"
_PAGE: Final = 500
_REF: Final = re.compile(rb"evt_[0-9a-f]{32}")
_END: Final = b"0-0"


class Entry(NamedTuple):
    """One entry of a shard's stream; `ref` is None where it says nothing of ours."""

    shard: int
    id: str
    ref: EventRef | None

    @property
    def handed(self) -> Handed | None:
        """What it hands over."""
        return None if self.ref is None else Handed(self.shard, self.ref)


class Lost(Exception):
    """A stream, or its group, is not there, or is something else: make it, and sweep."""


class Streams:
    """The commands on the streams of one instance, as one reader. Holds nothing itself.

    Every method raises `RedisAway`.
    """

    def __init__(self, connections: Connections, names: Names, *, reader: str) -> None:
        self._connections = connections
        self._names = names
        self._reader = reader

    async def announce(self, handed: Sequence[Handed]) -> frozenset[int]:
        """Add an entry for each; return the shards whose stream holds enough now, or is none.

        A stream that is something else is deleted, to be made anew.
        """
        shards = sorted({one.shard for one in handed})
        name = self._names.stream
        added: list[Command] = [("XADD", name(one.shard), "*", _FIELD, one.ref) for one in handed]
        replies = await self._connections.batch([*added, *(("XLEN", name(one)) for one in shards)])
        lengths = dict(zip(shards, replies[len(handed) :], strict=True))
        await self._delete_wrong(lengths)
        unwilling = {
            one.shard
            for one, reply in zip(handed, replies, strict=False)
            if isinstance(reply, Refusal)
        }
        full = {shard for shard, length in lengths.items() if _number(length) >= MOST_IN_STREAM}
        return frozenset(unwilling | full)

    async def ready(self, shards: Collection[int]) -> None:
        """Make the streams and the group where they are missing; delete what is something else."""
        name = self._names.stream
        made = [("XGROUP", "CREATE", name(one), GROUP, 0, "MKSTREAM") for one in sorted(shards)]
        for _ in range(2):
            replies = await self._connections.batch(made)
            wrong = await self._delete_wrong(dict(zip(sorted(shards), replies, strict=True)))
            if not wrong:
                return

    async def read(self, shards: Collection[int], *, count: int, block_ms: int) -> list[Entry]:
        """Return entries nobody was given yet, waiting for the first; empty: the time is up.

        Raises:
            Lost: a stream or its group is missing.
        """
        ordered = sorted(shards)
        names = {self._names.stream(one): one for one in ordered}
        command: Command = ("XREADGROUP", "GROUP", GROUP, self._reader, "COUNT", count)
        command += ("BLOCK", block_ms, "STREAMS", *names, *(">" for _ in ordered))
        (reply,) = await self._connections.batch([command], waits_s=block_ms / 1000)
        if isinstance(reply, Refusal):
            raise Lost
        return [
            entry
            for name, entries in reply or ()
            for entry in _entries(names[name.decode()], entries)
        ]

    async def claim(self, shard: int) -> list[Entry]:
        """Take over what any reader was given of a shard and has not acknowledged, this one
        included.

        Whoever calls owns the shard by its lease in SQL: how long an entry lay there says nothing
        of whether its reader lives. Every page is followed: an empty one is not the last.

        Raises:
            Lost: as `read`.
        """
        found: list[Entry] = []
        cursor: str = "0-0"
        while True:
            reply = await self._connections.one(
                "XAUTOCLAIM", self._names.stream(shard), GROUP, self._reader, 0, cursor,
                "COUNT", _PAGE,
            )  # fmt: skip
            if isinstance(reply, Refusal):
                raise Lost
            at, entries = reply[0], reply[1]
            found += _entries(shard, entries)
            if at == _END:
                return found
            cursor = at.decode()

    async def acknowledge(self, entries: Iterable[Entry]) -> None:
        """Acknowledge and delete entries. Only after the commit that settled their events."""
        by_shard: dict[int, list[str]] = {}
        for one in entries:
            by_shard.setdefault(one.shard, []).append(one.id)
        commands: list[Command] = []
        for shard, ids in by_shard.items():
            name = self._names.stream(shard)
            commands += [("XACK", name, GROUP, *ids), ("XDEL", name, *ids)]
        if not commands:
            return
        try:
            await self._connections.batch(commands, atomic=True)
        except RedisAway as error:
            # Out of memory the server takes no transaction, but what frees memory it does take.
            if error.code != "not-atomic":
                raise
            await self._connections.batch(commands)

    async def announced(self, shard: int) -> set[EventRef]:
        """Return which events a shard's stream holds; empty where there is no stream."""
        found: set[EventRef] = set()
        start = "-"
        while True:
            reply = await self._connections.one(
                "XRANGE", self._names.stream(shard), start, "+", "COUNT", _PAGE
            )
            entries = [] if isinstance(reply, Refusal) else _entries(shard, reply)
            found |= {one.ref for one in entries if one.ref is not None}
            if len(entries) < _PAGE:
                return found
            start = f"({entries[-1].id}"

    async def waiting(self, shards: Collection[int]) -> dict[int, int]:
        """Return how many entries each shard's stream holds."""
        ordered = sorted(shards)
        replies = await self._connections.batch(
            [("XLEN", self._names.stream(one)) for one in ordered]
        )
        return {one: _number(reply) for one, reply in zip(ordered, replies, strict=True)}

    async def _delete_wrong(self, replies: Mapping[int, Reply]) -> list[int]:
        wrong = [shard for shard, reply in replies.items() if reply == Refusal("WRONGTYPE")]
        if wrong:
            await self._connections.one("DEL", *(self._names.stream(one) for one in wrong))
        return wrong


def _entries(shard: int, replies: Sequence[Reply]) -> list[Entry]:
    """Return entries as read. One deleted since is none: before Redis 7.0 it came without fields,
    since then it does not come."""
    return [Entry(shard, one[0].decode(), _ref(one[1])) for one in replies if one]


def _ref(fields: Reply) -> EventRef | None:
    if isinstance(fields, list) and len(fields) == 2 and _REF.fullmatch(fields[1]):
        return EventRef(fields[1].decode())
    return None


def _number(reply: Reply) -> int:
    return reply if isinstance(reply, int) else 0
