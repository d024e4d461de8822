"""The `retention` group: what is done with goes after its time."""

from typing import Annotated

import typer

from gateway.cli.exits import reported
from gateway.cli.options import DEFAULT_CONFIG, ByOption, ConfigOption

retention = typer.Typer(
    help="Take away what is kept for longer than [retention] says.", no_args_is_help=True
)


@retention.callback()
def group() -> None:
    """Take away what is kept for longer than [retention] says."""


@retention.command()
@reported
def run(
    by: ByOption,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Count only; nothing goes, nothing is logged.")
    ] = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> int:
    """Take away what may go now, beside a gateway that may be serving.

    Never what is owed, unanswered or on legal hold; never an entry of the log."""
    from gateway.cli.retention import carry_out

    return carry_out(config, by=by, dry_run=dry_run)
