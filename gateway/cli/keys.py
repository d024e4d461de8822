"""`keys new`: key pairs for recipients and agencies."""

from pathlib import Path

import typer

from gateway.cli.exits import OK, Trouble
from keys import hpke, jwe
from keys.providers.secret_file import write_secret
from keys.signing import SigningKey


def make(form: str, file: Path) -> int:
    """Write a private key and print its public half."""
    if file.exists():
        raise Trouble(f"{file} already exists; choose another file")
    if form == "hpke":
        private, public = hpke.generate()
    elif form == "jwe":
        private, public = jwe.generate()
    elif form == "signing":
        pair = SigningKey.generate()
        private, public = pair.secret_text, pair.public_text
    else:
        raise Trouble("form: one of hpke, jwe, signing")
    write_secret(file, private)
    typer.echo(public)
    return OK
