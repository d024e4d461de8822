"""Small secret text files: written whole or not at all, read only if closed to everyone else."""

import contextlib
import os
import stat
from pathlib import Path
from typing import Final

from keys.problem import BadKey

MAX_FILE: Final = 16 * 1024


def write_secret(path: Path, text: str) -> None:
    """Write a secret, mode 0600, with a final newline, durable on return.

    Args:
        path: Must not exist; its directory must.

    Raises:
        BadKey: ``exists``. A secret is never overwritten: that may lose what it opens.
        OSError: the directory cannot be written.
    """
    draft = path.with_name(f".{path.name}.{os.urandom(8).hex()}")
    try:
        _write(draft, text.strip().encode() + b"\n")
        # A link, unlike a rename, fails when the name is taken.
        os.link(draft, path)
    except FileExistsError:
        raise BadKey("exists", "there is a key file already") from None
    finally:
        with contextlib.suppress(FileNotFoundError):
            draft.unlink()
    _sync_directory(path.parent)


def read_secret(path: Path) -> str:
    """Read a secret without its surrounding white space.

    Raises:
        BadKey: ``missing``, ``symlink``, ``not-a-file``, ``owner`` (neither us nor root),
            ``open-to-others`` (any permission for group or others) or ``length``.
    """
    return _read(path).decode("utf-8", "replace").strip()


def _write(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(descriptor)


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _read(path: Path) -> bytes:
    if path.is_symlink():
        raise BadKey("symlink", "the key file must not be a symbolic link")
    try:
        # NOFOLLOW closes the gap since the check above; NONBLOCK keeps a pipe from hanging us.
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        descriptor = os.open(path, flags)
    except OSError:
        raise BadKey("missing", "the key file cannot be opened") from None
    try:
        _check_file(os.fstat(descriptor))
        return os.read(descriptor, MAX_FILE)
    finally:
        os.close(descriptor)


def _check_file(found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise BadKey("not-a-file", "the key file must be a regular file")
    if found.st_uid not in (os.geteuid(), 0):
        raise BadKey("owner", "the key file must belong to the gateway or to root")
    if stat.S_IMODE(found.st_mode) & 0o077:
        raise BadKey("open-to-others", "the key file must be closed to group and others")
    if found.st_size > MAX_FILE:
        raise BadKey("length", "the key file is too long")
