"""The command group `duties`."""

from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.exits import reported
from gateway.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption, ReaderOption

duties = typer.Typer(help="What is owed by when, what is met and what is late.")


@duties.callback(invoke_without_command=True)
def list_duties(
    context: typer.Context,
    person: Annotated[
        str | None, typer.Option(metavar="REF", help="Only this person's, by reference.")
    ] = None,
    late: Annotated[bool, typer.Option("--late", help="Only what is late.")] = False,
    at: Annotated[
        str | None,
        typer.Option(metavar="DATE", help="Reckoned anew for this day, YYYY-MM-DD; opens records."),
    ] = None,
    by: ReaderOption = None,
    as_json: JsonOption = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Print duties as the gateway last reckoned them. Logged: they name persons."""
    if context.invoked_subcommand is not None:
        return
    from gateway.cli.duties import show

    reported(show)(config, person=person, late=late, at=at, by=by, as_json=as_json)


@duties.command("simulate")
@reported
def simulate(
    scenario: Annotated[Path, typer.Argument(metavar="SCENARIO.toml")],
    as_json: JsonOption = False,
) -> int:
    """Play a scenario of dated events: what falls due, is met, is late, is chased, day by day."""
    from gateway.cli.duties import play

    return play(scenario, as_json=as_json)
