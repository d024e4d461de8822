"""The embedded default: key-encryption keys in text files that only their owner can read.

A rotation puts the next key beside the one before: ``NAME``, ``NAME.2``, ``NAME.3``; the highest
number is in force, the others may still unwrap. Back them up apart from the store: without them
nothing in it opens again.
"""

import os
import re
from pathlib import Path
from typing import Final

from keys import base64url
from keys.at_rest import KEY_LENGTH, RootKey
from keys.problem import BadKey
from keys.providers.secret_file import read_secret, write_secret

PREFIX: Final = "thkek_"

_NUMBER = re.compile(r"\.([2-9]|[1-9][0-9]{1,5})")


def create(path: Path) -> None:
    """Write a fresh key, mode 0600, whole or not at all, durable on return.

    Args:
        path: Must not exist; its directory must.

    Raises:
        BadKey: ``exists``. A key is never overwritten: that would lose the store.
        OSError: the directory cannot be written.
    """
    write_secret(path, PREFIX + base64url.encode(os.urandom(KEY_LENGTH)))


def create_next(path: Path) -> Path:
    """Write a fresh key beside those of this name, and return its file. It is in force at once.

    Raises:
        As `create`.
    """
    newest = next_of(path)
    create(newest)
    return newest


def next_of(path: Path) -> Path:
    """Return the file of the next key of this name. Reads the folder alone."""
    return path.with_name(f"{path.name}.{max(_numbers(path), default=1) + 1}")


def files(path: Path) -> list[Path]:
    """Return the key files of this name, the one in force first; only `path` if there is none."""
    numbers = _numbers(path)
    found = [path.with_name(f"{path.name}.{number}") for number in sorted(numbers, reverse=True)]
    return [*found, path] if path.exists() or not found else found


def load(path: Path) -> RootKey:
    """Read the key of one file.

    Raises:
        BadKey: as `read_secret`, or ``malformed``.
    """
    text = read_secret(path)
    body = text.removeprefix(PREFIX)
    try:
        root = base64url.decode(body)
    except ValueError:
        root = None
    if root is None or body == text:
        raise BadKey("malformed", f"a key file holds {PREFIX} and base64url")
    return RootKey(root)


def _numbers(path: Path) -> list[int]:
    matches = (
        _NUMBER.fullmatch(one.name.removeprefix(path.name))
        for one in path.parent.glob(f"{path.name}.*")
    )
    return [int(match[1]) for match in matches if match]
