"""`agencies add` and `recipients import`: changes to the directory, each one a log entry."""

import asyncio
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import typer

from adapters.registry import find_adapters
from gateway.channels.outbound import OutboundPolicy
from gateway.cli.exits import OK, Trouble, read_file
from gateway.config import Config, load_config
from gateway.instance import load_law
from gateway.model.ids import AgencyName
from gateway.model.party import Agency, Recipient
from gateway.recipients_file import BadRecipients, Known, read_recipients
from gateway.registration import register_agency, register_recipients
from gateway.store import sqlite
from gateway.store.directory import DirectoryConflict, recipients
from keys.providers.secret_file import write_secret
from keys.signing import SigningKey, parse_public, parse_shared


def add(
    config_file: Path,
    name: str,
    urn: str,
    public_key: Path | None,
    new_key: Path | None,
    *,
    organisation_class: str,
    kinds: str,
) -> int:
    """Register an agency."""
    if (public_key is None) == (new_key is None):
        raise Trouble("give --public-key FILE, or --new-key FILE to make a key pair")
    config = load_config(config_file)
    organisations = load_law(config).catalogues.organisations
    if organisation_class not in organisations:
        raise Trouble(f"--class: not one of {', '.join(sorted(organisations))}")
    pair = SigningKey.generate() if new_key else None
    public = (
        pair.public_text if pair else read_file(public_key, 4096).decode("ascii", "replace").strip()
    )
    _ = parse_shared(public) if public.startswith("whsec_") else parse_public(public)
    if pair and new_key:
        if new_key.exists():
            raise Trouble(f"{new_key} already exists; choose another file")
        write_secret(new_key, pair.secret_text)
    agency = Agency(
        name=AgencyName(name),
        urn=urn,
        organisation_class=organisation_class,
        public_keys=(public,),
        kinds=tuple(kinds.split()),
    )
    try:
        asyncio.run(register_agency(config, agency))
    except DirectoryConflict as error:
        if new_key:
            new_key.unlink()
        raise Trouble(str(error)) from None
    typer.echo(f"Registered agency {name} ({organisation_class}), public key {public}")
    if organisation_class == "other":
        typer.echo(
            "Its class is 'other': it may post, but no legal basis lets anyone be told on its word."
            " Classes: " + ", ".join(sorted(organisations)),
            err=True,
        )
    return OK


def _answering_to_nobody(config: Config, found: Sequence[Recipient]) -> list[str]:
    """Return a line for each recipient whose manager is neither here nor in the directory."""
    with closing(sqlite.open_reader(config.path(config.instance.database))) as reader:
        known = {*recipients(reader), *(one.id for one in found)}
    return [
        f"{one.id}: manager: no recipient has that id"
        for one in found
        if one.manager is not None and one.manager not in known
    ]


def import_file(config_file: Path, file: Path) -> int:
    """Import recipients, all or none."""
    config = load_config(config_file)
    policy = OutboundPolicy(
        allowed_networks=config.webhook.allowed_networks,
        allow_plain_http=config.webhook.allow_plain_http,
    )
    try:
        found = read_recipients(
            file,
            Known(catalogues=load_law(config).catalogues, policy=policy, adapters=find_adapters()),
        )
    except BadRecipients as error:
        raise Trouble("nothing was imported:\n  " + "\n  ".join(error.faults)) from None
    strangers = _answering_to_nobody(config, found)
    if strangers:
        raise Trouble("nothing was imported:\n  " + "\n  ".join(strangers))
    asyncio.run(register_recipients(config, found))
    for one in found:
        channels = ", ".join(endpoint.channel for endpoint in one.endpoints)
        typer.echo(f"{one.id}: {one.role} by {channels}")
    return OK
