"""The `migrate` group: the database's schema, and the move to PostgreSQL."""

from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.exits import reported
from gateway.cli.options import DEFAULT_CONFIG, ConfigOption

migrate = typer.Typer(
    help="Bring the database to this version, or move it to PostgreSQL.", no_args_is_help=True
)


@migrate.command()
@reported
def status(config: ConfigOption = DEFAULT_CONFIG) -> int:
    """Say where the database is and of which version. Exit 1: not of this program's."""
    from gateway.cli.migrate import say_status

    return say_status(config)


@migrate.command()
@reported
def schema(config: ConfigOption = DEFAULT_CONFIG) -> int:
    """Bring the database to this program's version; one that is of it already is left as it is."""
    from gateway.cli.migrate import bring_schema

    return bring_schema(config)


@migrate.command("sqlite-to-postgres")
@reported
def sqlite_to_postgres(
    to: Annotated[str, typer.Option("--to", help="postgresql://USER@HOST:PORT/DATABASE")],
    password_file: Annotated[
        Path | None, typer.Option(help="File with the password for it, closed to others.")
    ] = None,
    switch: Annotated[
        bool, typer.Option("--switch", help="Put [postgres] into the configuration file too.")
    ] = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> int:
    """Copy an embedded instance into PostgreSQL, check the copy, and let only it go on.

    No gateway may serve meanwhile. The old file stays, and takes no entry any more."""
    from gateway.cli.migrate import move

    return move(config, to, password_file, switch=switch)
