"""`agencies add`: a change to the directory, and a log entry."""

import asyncio
from pathlib import Path

import typer

from gateway.cli.exits import OK, Trouble, read_file
from gateway.config import load_config
from gateway.instance import load_law
from gateway.model.ids import AgencyName
from gateway.model.party import Agency
from gateway.registration import register_agency
from gateway.store.directory import DirectoryConflict
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
