"""A disk that fails on command, under SQLite: in this process, or under a whole gateway.

`python -m tests.support.failing_disk FOLDER serve --config ...` runs the gateway on such a disk.
FOLDER commands it: while a file named `full` is there, nothing can be written; a file named
`fail-sync` makes the next sync of the write-ahead log fail, once, and is taken away.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import apsw

BASE = "unix"


@dataclass(slots=True)
class Faults:
    """What is wrong with the disk now."""

    full: bool = False
    failing_syncs: int = 0

    def is_full(self) -> bool:
        return self.full

    def sync_fails(self) -> bool:
        if self.failing_syncs == 0:
            return False
        self.failing_syncs -= 1
        return True


@dataclass(frozen=True, slots=True)
class FaultsByFile:
    """What is wrong with the disk, as another process says by files in a folder."""

    folder: Path

    def is_full(self) -> bool:
        return (self.folder / "full").exists()

    def sync_fails(self) -> bool:
        command = self.folder / "fail-sync"
        found = command.exists()
        command.unlink(missing_ok=True)
        return found


class FailingDisk(apsw.VFS):
    """The system's files, but for what is wrong now. Keep a reference while it is in use."""

    def __init__(self, name: str, faults: Faults | FaultsByFile, *, default: bool = False) -> None:
        super().__init__(name, BASE, makedefault=default)
        self._faults = faults

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> "_File":  # noqa: N802
        return _File(name, flags, self._faults)


class _File(apsw.VFSFile):
    def __init__(
        self,
        name: str | apsw.URIFilename | None,
        flags: list[int],
        faults: Faults | FaultsByFile,
    ) -> None:
        super().__init__(BASE, name, flags)  # type: ignore[arg-type]
        path = name.filename() if isinstance(name, apsw.URIFilename) else str(name)
        self._is_wal = path.endswith("-wal")
        self._faults = faults

    def xWrite(self, content: bytes, offset: int) -> None:  # noqa: N802
        if self._faults.is_full():
            raise apsw.FullError("no space left")
        super().xWrite(content, offset)

    def xSync(self, flags: int) -> None:  # noqa: N802
        if self._is_wal and self._faults.sync_fails():
            error = apsw.IOError("sync failed")
            error.extendedresult = apsw.SQLITE_IOERR_FSYNC
            raise error
        super().xSync(flags)


def main(run: Callable[[], None]) -> None:
    """Make the failing disk this process's only one, and run."""
    folder = Path(sys.argv.pop(1))
    disk = FailingDisk("failing", FaultsByFile(folder), default=True)
    run()
    del disk


if __name__ == "__main__":
    from gateway.cli import main as gateway

    main(gateway)
