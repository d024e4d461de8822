"""Logs to check: written as the gateway's store writes them, in its own schema."""

from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path

import apsw

from gateway.disclosure_log import entry
from gateway.disclosure_log.checkpoint import LogKey, sign_checkpoint
from gateway.disclosure_log.merkle import leaf_hash
from gateway.disclosure_log.tree import Tree
from gateway.model.ids import AgencyName

ORIGIN = "log.example.org/test"
KEY = LogKey.generate(ORIGIN)
OTHER_KEY = LogKey.generate(ORIGIN)
AT = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)


def bodies(count: int) -> list[bytes]:
    first = entry.genesis(at=AT, origin=ORIGIN, rulebook="0" * 64).encode()
    rest = [
        entry.security(at=AT, code=f"code-{number}", agency=AgencyName("prison")).encode()
        for number in range(1, count)
    ]
    return [first, *rest][:count]


class WrittenLog:
    """A folder as the store leaves it, open for an attacker to write in."""

    def __init__(self, folder: Path, entries: Sequence[bytes], sizes: Sequence[int]) -> None:
        self.folder = folder
        self.entries = list(entries)
        self.notes: dict[int, str] = {}
        self.database = apsw.Connection(str(folder / "throughgate.db"))
        self.database.execute("PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF")
        self.database.execute(files("gateway.store").joinpath("schema.sql").read_text("utf-8"))
        self.tree = Tree(self.load_tile)
        (folder / "log.vkey").write_text(KEY.verifier + "\n")
        with self.database:
            for size in sizes:
                self.commit(size)

    def load_tile(self, level: int, index: int) -> bytes:
        row = self.database.execute(
            "SELECT hashes FROM log_tile WHERE level = ? AND idx = ?", (level, index)
        ).fetchone()
        assert row is not None
        return bytes(row[0])

    def commit(self, size: int) -> None:
        fresh = self.entries[self.tree.size : size]
        for body in fresh:
            leaf = leaf_hash(body)
            row = (self.tree.append(leaf), leaf, body)
            self.database.execute("INSERT INTO log_entry VALUES (?, ?, ?)", row)
        self.database.executemany(
            "INSERT INTO log_tile VALUES (?, ?, ?)", self.tree.take_full_tiles()
        )
        self.notes[size] = sign_checkpoint(KEY, size=size, root=self.tree.root())
        self.database.execute("INSERT INTO log_checkpoint VALUES (?, ?)", (size, self.notes[size]))

    def edit(self, statement: str, *bindings: object) -> None:
        self.database.execute(statement, bindings)  # type: ignore[arg-type]
        assert self.database.changes() > 0, "the attack changed nothing"

    def close(self) -> None:
        self.database.close()


class MemoryReader:
    """A `LogReader` over a list; remembers every reading it was asked to record."""

    def __init__(self, entries: Sequence[bytes], sizes: Sequence[int]) -> None:
        self.all = list(entries)
        self.tree = Tree(lambda level, index: self.tiles[level, index])
        self.tiles: dict[tuple[int, int], bytes] = {}
        self.notes: list[str] = []
        self.readings: list[tuple[int, int]] = []
        for size in sizes:
            for body in self.all[self.tree.size : size]:
                self.tree.append(leaf_hash(body))
            self.tiles |= {(level, index): t for level, index, t in self.tree.take_full_tiles()}
            self.notes.append(sign_checkpoint(KEY, size=size, root=self.tree.root()))

    async def latest_checkpoint(self) -> str | None:
        return self.notes[-1] if self.notes else None

    async def checkpoints(self) -> list[str]:
        return self.notes

    async def entries(self, start: int, end: int) -> list[bytes]:
        assert self.readings[-1] == (start, end), "read before the reading was recorded"
        return self.all[start:end]

    async def leaf_hashes(self, start: int, end: int) -> list[bytes]:
        return [leaf_hash(body) for body in self.all[start:end]]

    def verifier(self) -> str:
        return KEY.verifier

    async def record_reading(self, start: int, end: int) -> None:
        self.readings.append((start, end))
