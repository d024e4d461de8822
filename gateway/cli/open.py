"""`open`: an alert, with the recipient's own key. Needs no instance."""

import base64
import sys
from pathlib import Path
from typing import Any, Final

import orjson
import typer

from gateway.cli.exits import NO, OK, read_file
from keys.problem import KeyProblem
from keys.seal import open_sealed

_THE_ONLY_ONE: Final = "-"


def open_file(file: Path, key: Path, *, form: str | None = None) -> int:
    """Write the plaintext, or one form the alert comes in, to standard output; or say why not."""
    blob = read_file(file)
    private = read_file(key, 64 * 1024)
    try:
        plaintext = open_sealed(blob, private)
    except KeyProblem as error:
        typer.echo(f"refused: {error}", err=True)
        return NO
    if form is None:
        sys.stdout.buffer.write(plaintext)
        sys.stdout.buffer.write(b"\n" if sys.stdout.isatty() else b"")
        return OK
    made: list[dict[str, Any]] = orjson.loads(plaintext)["alert"].get("renditions", [])
    chosen = [one for one in made if form in (one["form"], _THE_ONLY_ONE)]
    if len(chosen) != 1:
        forms = ", ".join(one["form"] for one in made) or "no form but its own"
        typer.echo(f"refused: this alert comes in {forms}", err=True)
        return NO
    sys.stdout.buffer.write(base64.b64decode(chosen[0]["body"]))
    return OK
