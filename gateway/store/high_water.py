"""What was published last, remembered outside the database: a restored backup cannot roll it back.

One signed checkpoint in one small file, best kept on another disk than the database.
"""

import fcntl
import os
from dataclasses import dataclass
from pathlib import Path

from gateway.disclosure_log.checkpoint import Checkpoint, epoch_of, parse_checkpoint
from gateway.disclosure_log.note import MAX_NOTE_BYTES
from gateway.disclosure_log.problem import BadCheckpoint
from gateway.store.sqlite import StoreUnavailable


@dataclass(frozen=True, slots=True, kw_only=True)
class HighWater:
    """The file of one instance."""

    path: Path
    name: str  # the instance's

    def known(self) -> Checkpoint | None:
        """Return what was published last, or None if nothing was yet.

        Raises:
            StoreUnavailable: high-water: the file, or the folder it is in, cannot be read: what
                was published is then not known, and going on might contradict it.
        """
        if not self.path.parent.is_dir():
            raise StoreUnavailable(
                "high-water", f"{self.path.parent} is not there; is its disk mounted?"
            )
        try:
            note = self.note()
            known = None if note is None else parse_checkpoint(note)
        except (OSError, UnicodeDecodeError, BadCheckpoint):
            raise StoreUnavailable(
                "high-water", f"{self.path} cannot be read: see docs/log.md, Restoring"
            ) from None
        if known is not None and epoch_of(self.name, known.origin) is None:
            raise StoreUnavailable("high-water", f"{self.path} is of another log")
        return known

    def note(self) -> str | None:
        """Return the signed note, or None if there is none. Reads the file.

        Raises:
            OSError, UnicodeDecodeError: it cannot be read.
        """
        try:
            with self.path.open("rb") as file:
                return file.read(MAX_NOTE_BYTES + 1).decode()
        except FileNotFoundError:
            return None

    def keep(self, note: str) -> bool:
        """Remember a checkpoint if it is newer than the one that is; return whether it was.

        Durable on return, whole or not at all, and safe beside other processes.

        Raises:
            OSError: it cannot be written.
            StoreUnavailable: as `known`.
        """
        folder = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            if self._height(parse_checkpoint(note)) <= self._height(self.known()):
                return False
            draft = self.path.with_name(f".{self.path.name}.draft")
            with draft.open("wb") as file:
                file.write(note.encode())
                file.flush()
                os.fsync(file.fileno())
            draft.replace(self.path)
            os.fsync(folder)
            return True
        finally:
            os.close(folder)

    def _height(self, one: Checkpoint | None) -> tuple[int, int]:
        """Return the order of checkpoints: a later epoch is above every earlier one."""
        return (epoch_of(self.name, one.origin) or 0, one.size) if one else (0, 0)
