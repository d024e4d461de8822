"""`init` and `serve`."""

import asyncio
import json
import os
import re
import socket
from pathlib import Path

import typer

from gateway import operator_log
from gateway.cli.exits import OK, USAGE, Trouble
from gateway.config import NAME_PATTERN, load_config
from gateway.config.postgres import checked_url
from gateway.instance import CONFIG_NAME, create
from gateway.roles import Role
from gateway.serving import Place, run_worker, serve

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


def make(
    folder: Path, name: str | None, *, postgres: str | None = None, password: Path | None = None
) -> int:
    """Make an instance and say what to do next.

    Args:
        folder: Its folder.
        name: The origin line of its log; None: from the machine's name.
        postgres: Where its database is on a server; None: a file in the folder.
        password: The file with the password for that.
    """
    if (folder / CONFIG_NAME).exists():
        typer.echo(
            f"throughgate: {folder} already holds an instance; it is left as it is", err=True
        )
        return USAGE
    origin = name or f"{socket.gethostname().lower()}/throughgate"
    if not re.fullmatch(NAME_PATTERN, origin):
        raise Trouble("--name: lower-case letters, digits, dots, hyphens and slashes, at most 100")
    if password is not None and postgres is None:
        raise Trouble("--password-file: of the server that --postgres names")
    stored = "" if postgres is None else postgres_section(postgres, password)
    asyncio.run(create(folder, name=origin, sections=DEFAULT_SECTIONS + stored))
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


def postgres_section(url: str, password: Path | None) -> str:
    """Return the section of the configuration that says the database is on a server.

    Raises:
        Trouble: the address is none, or holds a secret.
    """
    try:
        lines = ["", "[postgres]", f"url = {json.dumps(checked_url(url))}"]
    except ValueError as error:
        raise Trouble(f"the address of the database: {error}") from None
    if password is not None:
        lines.append(f"password_file = {json.dumps(str(password.resolve()))}")
    return "\n".join([*lines, ""])


def serve_from(config_file: Path, *, workers: int, role: Role) -> int:
    """Serve; or be the supervisor of several that do."""
    operator_log.configure()
    return serve(config_file, load_config(config_file), workers=workers, role=role)


def be_worker(config_file: Path, place: Place, descriptor: int) -> int:
    """Be one of a supervisor's workers, on the socket it gives."""
    operator_log.configure()
    config = load_config(config_file)
    with socket.socket(fileno=os.dup(descriptor)) as listener:
        listener.setblocking(False)
        return run_worker(config, listener, place)
