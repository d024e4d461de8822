"""The `throughgate adapters` commands: what they take; what they do is imported on use."""

from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.exits import reported

adapters = typer.Typer(
    help="Agency formats: what there is, and what becomes of a file.", no_args_is_help=True
)

JsonOption = Annotated[bool, typer.Option("--json", help="Report as JSON.")]
ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", envvar="THROUGHGATE_CONFIG", help="Configuration that names tables."),
]


@adapters.command("list")
@reported
def adapters_list(config: ConfigOption = None, as_json: JsonOption = False) -> int:
    """List the adapters: what each reads, and the forms it writes."""
    from gateway.cli.adapters import list_adapters

    return list_adapters(config, as_json=as_json)


@adapters.command("convert")
@reported
def adapters_convert(
    name: Annotated[str, typer.Argument(help="An adapter; or table, with --mapping.")],
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What to convert; - for input.")],
    to: Annotated[str, typer.Option(help="canonical or agency.")] = "canonical",
    form: Annotated[str | None, typer.Option(help="Which of the agency's forms.")] = None,
    mapping: Annotated[
        Path | None, typer.Option(metavar="MAPPING.toml", help="What a table's columns mean.")
    ] = None,
    source: Annotated[
        str, typer.Option(metavar="URN", help="Agency URN to put on the events.")
    ] = "urn:throughgate:agency:unknown",
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> int:
    """Convert a file to canonical events, one a line; or an opened alert to the agency's form."""
    from gateway.cli import adapters as command

    wanted = command.Wanted(name=name, mapping=mapping, config=config)
    if to == "canonical":
        return command.to_canonical(wanted, file, source=source, as_json=as_json)
    if to == "agency":
        return command.to_agency(wanted, file, form=form, as_json=as_json)
    raise typer.BadParameter("canonical or agency", param_hint="--to")


@adapters.command("check")
@reported
def adapters_check(
    mapping: Annotated[Path, typer.Argument(metavar="MAPPING.toml")],
    sample: Annotated[Path, typer.Argument(metavar="SAMPLE", help="A file of that table.")],
    as_json: JsonOption = False,
) -> int:
    """Is a mapping whole, and does it read a sample to the last column? Shows no content."""
    from gateway.cli.adapters_check import check

    return check(mapping, sample, as_json=as_json)


@adapters.command("new")
@reported
def adapters_new(
    name: Annotated[str, typer.Argument(help="Lower-case letters, digits and underscores.")],
    folder: Annotated[
        Path, typer.Option(metavar="DIR", help="Where to make the package's folder.")
    ] = Path(),
    as_json: JsonOption = False,
) -> int:
    """Begin an adapter: a package with an example and the tests that hold it to the contract."""
    from gateway.cli.adapters_new import new

    return new(name, folder, as_json=as_json)
