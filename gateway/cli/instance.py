"""`init` and `serve`."""

import asyncio
import os
import re
import socket
from pathlib import Path

import typer

from gateway import operator_log
from gateway.cli.exits import OK, USAGE, Trouble
from gateway.config import NAME_PATTERN, load_config
from gateway.instance import CONFIG_NAME, create
from gateway.serving import run_worker, serve

DEFAULT_SECTIONS = """\
# Where a notice tells people to sign in.
public_url = "https://localhost"

[http]
host = "127.0.0.1"
port = 8080
# To listen beyond loopback: tls_certificate and tls_key, or behind_proxy = true.

[log]
entries_for = "loopback"  # who may read log entries over HTTP; "anyone" opens them

[webhook]
# allowed_networks = ["10.1.2.0/24"]  # networks that are not on the internet, by name

# [email]
# host = "relay.example.gov.uk"
# port = 587
# security = "starttls"
# sender = "alerts@example.gov.uk"
# hostname = "example.gov.uk"

# [sms]
# api_key_file = "keys/notify-api-key"
# template_id = "00000000-0000-0000-0000-000000000000"
"""


def make(folder: Path, name: str | None) -> int:
    """Make an instance and say what to do next."""
    if (folder / CONFIG_NAME).exists():
        typer.echo(
            f"throughgate: {folder} already holds an instance; it is left as it is", err=True
        )
        return USAGE
    origin = name or f"{socket.gethostname().lower()}/throughgate"
    if not re.fullmatch(NAME_PATTERN, origin):
        raise Trouble("--name: lower-case letters, digits, dots, hyphens and slashes, at most 100")
    asyncio.run(create(folder, name=origin, sections=DEFAULT_SECTIONS))
    config = folder / CONFIG_NAME
    typer.echo(
        f"""\
Made an instance named {origin} in {folder}.

Next:
  1. Register an agency:    throughgate agencies add hmp-example --urn urn:example:hmp \\
                              --class prison --new-key hmp-example.key --config {config}
  2. Import recipients:     throughgate recipients import recipients.toml --config {config}
  3. Serve:                 throughgate serve --config {config}
  4. Post an event:         throughgate post event.json --as hmp-example --key hmp-example.key \\
                              --url http://127.0.0.1:8080

Keep {folder / "keys"} secret and backed up: without it nothing sealed can be opened.
Give {folder / "log.vkey"} to everyone who is to check the disclosure log."""
    )
    return OK


def serve_from(config_file: Path, *, workers: int, slot: int, slots: int, descriptor: int) -> int:
    """Serve; or, when a supervisor gives a descriptor, be one of its workers."""
    operator_log.configure()
    config = load_config(config_file)
    if descriptor >= 0:
        with socket.socket(fileno=os.dup(descriptor)) as listener:
            listener.setblocking(False)
            return run_worker(config, listener, slot=slot, slots=slots)
    return serve(config_file, config, workers=workers)
