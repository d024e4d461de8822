"""The configuration file: whether it can be used, and where it cannot, which key on which line."""

import re
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path

from pydantic import ValidationError

from gateway.config import Config
from gateway.doctor.finding import Finding, error, ok

_TABLE = re.compile(r"\s*(\[\[?)\s*([A-Za-z0-9_.\-]+)\s*\]\]?")
_KEY = re.compile(r"\s*([A-Za-z0-9_\-]+)\s*=")
_KINDS = frozenset({"sqs", "mllp", "folder", "mesh"})
_LINE = re.compile(r"line (\d+)")


def read(file: Path) -> tuple[Config | None, list[Finding]]:
    """Return the configuration, or None, and what there is to say of it."""
    try:
        text = file.read_text("utf-8")
        values = tomllib.loads(text)
    except OSError as trouble:
        return None, [_bad(f"it cannot be read: {trouble.strerror}", "Check --config.")]
    except UnicodeDecodeError:
        return None, [_bad("it is not UTF-8 text", "Write it again as UTF-8.")]
    except tomllib.TOMLDecodeError as trouble:
        at = _LINE.search(str(trouble))
        where = f", line {at[1]}" if at else ""
        return None, [_bad(f"it is not TOML{where}", "Mend that line.")]
    try:
        home = {"home": file.resolve().parent, "file": file.resolve()}
        config = Config.model_validate({**values, **home})
    except ValidationError as faults:
        return None, list(_faults(text, faults))
    return config, [ok("configuration.file", "Every key of the configuration is known and right.")]


def _faults(text: str, faults: ValidationError) -> Iterator[Finding]:
    for fault in faults.errors(include_input=False, include_url=False):
        steps = _as_written(fault["loc"])
        line = line_of(text, steps)
        where = f", line {line}" if line else ""
        name = ".".join(str(step) for step in steps) or "the file"
        if fault["type"] == "extra_forbidden":
            yield _bad(f"{name}{where}: there is no such key", "Take it out, or correct its name.")
        else:
            yield _bad(f"{name}{where}: {fault['msg']}", "Correct it: docs/operator.md.")


def _as_written(loc: Sequence[int | str]) -> list[int | str]:
    """Return a place without the kind of a feed, which pydantic puts after its number."""
    return [
        step
        for at, step in enumerate(loc)
        if not (at == 2 and loc[0] == "feed" and isinstance(loc[1], int) and step in _KINDS)
    ]


def _bad(text: str, do: str) -> Finding:
    return error("configuration.file", f"The configuration cannot be used: {text}.", do)


def line_of(text: str, steps: Sequence[object]) -> int | None:
    """Return the line a key is on, from 1; that of its table where the key is not there. Pure.

    Args:
        text: TOML that parses.
        steps: As pydantic names a place: keys, and numbers within arrays of tables.
    """
    wanted = tuple(steps)
    table: tuple[object, ...] = ()
    counts: dict[str, int] = {}
    nearest: int | None = None
    for number, line in enumerate(text.splitlines(), 1):
        if header := _TABLE.match(line):
            brackets, name = header.groups()
            table = tuple(name.split("."))
            if brackets == "[[":
                counts[name] = counts.get(name, -1) + 1
                table = (*table, counts[name])
            if table and table == wanted[: len(table)]:
                nearest = number
            if table == wanted:
                return number
        elif (key := _KEY.match(line)) and (*table, key[1]) == wanted[: len(table) + 1]:
            return number
    return nearest
