"""The command group `approvals`."""

from typing import Annotated

import typer

from gateway.cli.exits import reported
from gateway.cli.options import DEFAULT_CONFIG, ByOption, ConfigOption, JsonOption

approvals = typer.Typer(
    help="What waits for a second person: erasures, gaps in the log, rulebooks."
    " The command line takes --by on trust; the console asks for a passkey.",
    no_args_is_help=True,
)

_Id = Annotated[str, typer.Argument(metavar="ID", help="As in `approvals list`: apr_...")]


@approvals.command("list")
@reported
def list_approvals(
    every: Annotated[
        bool, typer.Option("--all", help="Also those decided, declined or lapsed.")
    ] = False,
    as_json: JsonOption = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> int:
    """List what was proposed and waits, oldest first."""
    from gateway.cli import approvals as command

    return command.listed(config, every=every, as_json=as_json)


@approvals.command("approve")
@reported
def approve(
    id_: _Id, by: ByOption, as_json: JsonOption = False, config: ConfigOption = DEFAULT_CONFIG
) -> int:
    """Approve what somebody else proposed; it is carried out at once, and there is no way back.

    Exit 3 if a person was erased, but the write-ahead log could not be cut yet."""
    from gateway.cli import approvals as command

    return command.decide(config, id_, "approved", by=by, as_json=as_json)


@approvals.command("decline")
@reported
def decline(
    id_: _Id, by: ByOption, as_json: JsonOption = False, config: ConfigOption = DEFAULT_CONFIG
) -> int:
    """Decline a proposal, or withdraw your own."""
    from gateway.cli import approvals as command

    return command.decide(config, id_, "declined", by=by, as_json=as_json)
