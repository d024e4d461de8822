"""`open`: an alert, with the recipient's own key. Needs no instance."""

import sys
from pathlib import Path

import typer

from gateway.cli.exits import NO, OK, read_file
from keys.problem import KeyProblem
from keys.seal import open_sealed


def open_file(file: Path, key: Path) -> int:
    """Write the plaintext to standard output, or say why not."""
    blob = read_file(file)
    private = read_file(key, 64 * 1024)
    try:
        plaintext = open_sealed(blob, private)
    except KeyProblem as error:
        typer.echo(f"refused: {error}", err=True)
        return NO
    sys.stdout.buffer.write(plaintext)
    sys.stdout.buffer.write(b"\n" if sys.stdout.isatty() else b"")
    return OK
