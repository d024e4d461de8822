"""A drop folder on disk: what lies in it, what may be read, and where files go afterwards.

Whoever can write into the folder is taken for the agency, so it must not be open to everyone, and
a file must be the folder's owner's or our own. Nothing is followed out of it: no symbolic link, no
second name of a file elsewhere, nothing that is not a plain file.
"""

import contextlib
import io
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from adapters.contract import Split
from gateway.model.problem import MalformedEvent

DONE: Final = "done"
REFUSED: Final = "refused"
REASONS: Final = ".reasons.txt"
PIECE_BYTES: Final = 64 * 1024
MOST_AT_ONCE: Final = 1000  # files in one look; the others wait for the next
_BATCH_BYTES: Final = 1024 * 1024
_LONGEST_NAME: Final = 200  # bytes: a number and REASONS still fit behind it
_UNFINISHED: Final = (".part", ".tmp")


class NotAFolder(Exception):
    """The folder cannot be a drop folder. `code` says why."""

    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__(code)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A file as it was seen; another mark is another file, or the same one changed."""

    name: str
    inode: int
    size: int
    modified_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Passed:
    """An entry that is not read: the code says why."""

    inode: int
    code: str


class DroppedFile:
    """An open file and the messages cut from it. Read in a thread, closed by whoever opened it."""

    def __init__(self, mark: Mark, opened: io.FileIO, split: Split) -> None:
        self.mark = mark
        self.fault: tuple[str, ...] | None = None  # why what follows could not be cut
        self._opened = opened
        self._messages = split(self._pieces())

    def next_messages(self, most: int) -> list[bytes]:
        """Return the next few messages, about a mebibyte at the most and one over; none at the
        end, or where the file cannot be cut any further, which `fault` then says.
        """
        found: list[bytes] = []
        held = 0
        try:
            while len(found) < most and held < _BATCH_BYTES:
                found.append(next(self._messages))
                held += len(found[-1])
        except StopIteration:
            pass
        except MalformedEvent as error:
            self.fault = ("malformed-event", *(str(problem) for problem in error.problems))
        except OSError:
            raise
        except Exception:  # noqa: BLE001 - a fault of the adapter's refuses this file alone
            self.fault = ("fault",)
        return found

    @property
    def unchanged(self) -> bool:
        """Whether the file is still as it was seen."""
        return _mark(self.mark.name, os.fstat(self._opened.fileno())) == self.mark

    def _pieces(self) -> Iterator[bytes]:
        while piece := self._opened.read(PIECE_BYTES):
            yield piece


class DropFolder:
    """One folder, its `done/` and its `refused/`."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def check(self) -> os.stat_result:
        """Return what the folder is, once it is sure that it may be read from.

        Raises:
            NotAFolder: missing, no folder, a symbolic link, or writable by everyone.
        """
        try:
            seen = self._path.lstat()
        except OSError:
            raise NotAFolder("not-a-folder") from None
        if not stat.S_ISDIR(seen.st_mode):
            raise NotAFolder("not-a-folder")
        if seen.st_mode & stat.S_IWOTH:
            raise NotAFolder("open-to-all")
        return seen

    def look(self) -> tuple[list[Mark], list[Passed]]:
        """Return the files that may be read, longest unchanged first, and what is passed over.

        Raises:
            NotAFolder, OSError.
        """
        owners = {self.check().st_uid, os.geteuid()}
        marks: list[Mark] = []
        passed: list[Passed] = []
        with os.scandir(self._path) as entries:
            for entry in entries:
                if entry.name in (DONE, REFUSED) or _unfinished(entry.name):
                    continue
                with contextlib.suppress(FileNotFoundError):
                    seen = entry.stat(follow_symlinks=False)
                    code = _unreadable(entry.name, seen, owners)
                    if code is None:
                        marks.append(_mark(entry.name, seen))
                    else:
                        passed.append(Passed(inode=seen.st_ino, code=code))
        marks.sort(key=lambda mark: (mark.modified_ns, mark.name))
        return marks[:MOST_AT_ONCE], passed

    @contextlib.contextmanager
    def open(self, mark: Mark, split: Split) -> Iterator[DroppedFile | None]:
        """Open a file as it was seen; yield None if it is no longer that.

        Raises:
            OSError: it cannot be read.
        """
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            descriptor = os.open(self._path / mark.name, flags)
        except FileNotFoundError:
            yield None
            return
        # A file object, not the bare number: a thread that reads on after this block has ended
        # must not find another file under that number.
        with io.FileIO(descriptor) as opened:
            file = DroppedFile(mark, opened, split)
            yield file if file.unchanged else None

    def accept(self, file: DroppedFile, *, keep: bool) -> bool:
        """Move a file to `done/`, or delete it; return False, and leave it, if it has changed.

        Raises:
            NotAFolder, OSError.
        """
        with self._below(DONE) as done:
            name = _free(file.mark.name, done)
            moved = self._move(file, name, done)
            if moved and not keep:
                os.unlink(name, dir_fd=done)
        return moved

    def refuse(self, file: DroppedFile, reasons: str) -> bool:
        """Move a file to `refused/`, the reasons beside it; return False, and leave it, if it has
        changed.

        Raises:
            NotAFolder, OSError.
        """
        with self._below(REFUSED) as refused:
            name = _free(file.mark.name, refused)
            _write(name + REASONS, reasons, refused)
            moved = self._move(file, name, refused)
            if not moved:
                os.unlink(name + REASONS, dir_fd=refused)
        return moved

    def _move(self, file: DroppedFile, name: str, to: int) -> bool:
        """Move a file into an open folder, and see that it was the one that was read."""
        source = self._path / file.mark.name
        if not file.unchanged:
            return False
        try:
            os.rename(source, name, dst_dir_fd=to)
        except FileNotFoundError:
            return False
        if os.stat(name, dir_fd=to, follow_symlinks=False).st_ino != file.mark.inode:
            # Another file took its name meanwhile: it was not read.
            os.rename(name, source, src_dir_fd=to)
            return False
        return True

    @contextlib.contextmanager
    def _below(self, name: str) -> Iterator[int]:
        """Open a folder below, made as open to others as the drop folder is; yield its descriptor.

        By descriptor, whoever can write to the drop folder cannot put a link in its place.
        """
        folder = self._path / name
        made = not os.path.lexists(folder)
        if made:
            folder.mkdir(mode=0o700)
        try:
            below = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except NotADirectoryError:
            raise NotAFolder("not-a-folder") from None
        try:
            if made:
                os.fchmod(below, stat.S_IMODE(self._path.lstat().st_mode) & 0o770)
            yield below
        finally:
            os.close(below)


def _write(name: str, text: str, folder: int) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(name, flags, 0o640, dir_fd=folder), "w", encoding="utf-8") as file:
        file.write(text)


def _free(name: str, folder: int) -> str:
    """Return the name itself, or with the first number that makes it and its reasons new there."""
    number, found = 0, name
    while _taken(found, folder) or _taken(found + REASONS, folder):
        number += 1
        found = f"{name}.{number}"
    return found


def _taken(name: str, folder: int) -> bool:
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _unfinished(name: str) -> bool:
    return name.startswith(".") or name.lower().endswith(_UNFINISHED)


def _unreadable(name: str, seen: os.stat_result, owners: set[int]) -> str | None:
    if len(os.fsencode(name)) > _LONGEST_NAME:
        return "long-name"
    if stat.S_ISLNK(seen.st_mode):
        return "symlink"
    if not stat.S_ISREG(seen.st_mode):
        return "not-a-file"
    if seen.st_uid not in owners:
        return "foreign-owner"
    return "second-name" if seen.st_nlink > 1 else None


def _mark(name: str, seen: os.stat_result) -> Mark:
    return Mark(name=name, inode=seen.st_ino, size=seen.st_size, modified_ns=seen.st_mtime_ns)
