"""A journal: what one process saw, a JSON object a line, each written before anything follows it.

The first line says whose it is, the last that it is whole. Times are the machine's monotonic
clock, which all processes of one run share. A request is two lines of one number `n`: `begin`, and
`ok`, `fail` or `unknown` (it was sent, and no answer came).
"""

import itertools
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

HEAD, END = "head", "end"


class Journal:
    """Appends lines to a new file. One process's, and one writer's."""

    def __init__(self, path: Path, **head: object) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        self._numbers = itertools.count(1)
        self._lines = 0
        self.write(HEAD, who=path.stem, **head)

    def write(self, what: str, **members: object) -> None:
        """Append a line. It is with the kernel on return, and outlives a SIGKILL."""
        line = json.dumps({"t": time.monotonic(), "what": what, **members})
        os.write(self._file, line.encode() + b"\n")
        self._lines += 1

    def begin(self, what: str, **members: object) -> int:
        """Append that something begins; return its number."""
        number = next(self._numbers)
        self.write(what, n=number, state="begin", **members)
        return number

    def end(self) -> None:
        """Append that the journal is whole, and close it."""
        self.write(END, lines=self._lines + 1)
        os.close(self._file)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:  # else the journal stays cut, which is what happened
            self.end()


class Torn(Exception):
    """A journal that is not whole; the text says how."""


def lines_of(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the lines of a journal with their numbers from 1, those before the cut if it is cut.

    Raises:
        Torn: after the last line that can be read, where its end is missing.
    """
    last: dict[str, Any] = {}
    number = 0
    for number, text in enumerate(path.read_bytes().splitlines(keepends=True), 1):
        found = _whole(text)
        if found is None:
            raise Torn(f"{path.name}:{number}: not a whole line")
        last = found
        yield number, last
    if last.get("what") != END:
        raise Torn(f"{path.name}:{number}: ends without saying so")
    if last.get("lines") != number:
        raise Torn(f"{path.name}:{number}: {last.get('lines')} lines were written")


def _whole(text: bytes) -> dict[str, Any] | None:
    try:
        line = json.loads(text)
    except ValueError:
        return None
    known = isinstance(line, dict) and {"what", "t"} <= line.keys()
    return line if known and text.endswith(b"\n") else None
