"""`keys new` and `keys show`."""

from pathlib import Path

import typer

from gateway.cli.exits import OK, Trouble
from gateway.config import load_config
from gateway.instance import load_keys
from keys import hpke, jwe
from keys.providers.secret_file import write_secret
from keys.signing import SigningKey, generate_shared_secret


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
    elif form == "secret":
        private = public = generate_shared_secret()
    else:
        raise Trouble("form: one of hpke, jwe, signing, secret")
    write_secret(file, private)
    typer.echo(public)
    return OK


def show(config_file: Path) -> int:
    """Print the public halves of the gateway's own keys."""
    config = load_config(config_file)
    own = load_keys(config)
    typer.echo(f"webhook signatures  {own.signing_key.public_text}")
    typer.echo(f"disclosure log      {own.log_key.verifier}")
    typer.echo(f"mail signatures     {config.path(config.instance.mail_certificate)}")
    return OK
