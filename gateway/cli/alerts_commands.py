"""The command group `alerts`."""

from typing import Annotated

import typer

from gateway.cli.exits import reported
from gateway.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption, ReaderOption

alerts = typer.Typer(
    help="Where alerts stand: sent, read, answered, escalated. Prints nothing they say.",
    no_args_is_help=True,
)

_Which = Annotated[
    str, typer.Argument(metavar="ALERT|REFERENCE", help="An alert's id, alt_..., or its reference.")
]


@alerts.command("list")
@reported
def list_alerts(
    state: Annotated[
        str | None, typer.Option(help="Only those that stand so: sent, escalated, failed, ...")
    ] = None,
    recipient: Annotated[str | None, typer.Option(metavar="ID", help="Only theirs.")] = None,
    since: Annotated[
        str | None, typer.Option(metavar="TIME", help="Decided since then; or 90m, 12h, 7d.")
    ] = None,
    unanswered: Annotated[
        bool, typer.Option("--unanswered", help="Only those somebody has, or had, to answer.")
    ] = False,
    by: ReaderOption = None,
    as_json: JsonOption = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> int:
    """List alerts, newest first. Logged."""
    from gateway.cli import alerts as command

    return command.listed(
        config,
        state=state,
        recipient=recipient,
        since=since,
        unanswered=unanswered,
        by=by,
        as_json=as_json,
    )


@alerts.command("show")
@reported
def show(
    which: _Which,
    by: ReaderOption = None,
    as_json: JsonOption = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> int:
    """Print an alert's state, ways and story: attempts, rungs, answers, as the log has them.
    Logged."""
    from gateway.cli import alerts as command

    return command.show(config, which, by=by, as_json=as_json)


@alerts.command("acknowledge")
@reported
def acknowledge(
    which: _Which,
    by: Annotated[str, typer.Option(help="Role or staff id of whose word it is; logged.")],
    answer: Annotated[
        str, typer.Option(help="acknowledged, accepted, rejected or actioned.")
    ] = "acknowledged",
    reason: Annotated[
        str | None,
        typer.Option(help="Of a rejection: not-ours, wrong-person, duplicate, cannot-act, other."),
    ] = None,
    as_json: JsonOption = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> int:
    """Answer an alert on somebody's word, given by telephone or in person."""
    from gateway.cli import alerts as command

    return command.acknowledge(config, which, by=by, said=answer, reason=reason, as_json=as_json)


@alerts.command("new-link")
@reported
def new_link(
    alert: Annotated[str, typer.Argument(metavar="ALERT", help="Its id, alt_...")],
    endpoint: Annotated[str, typer.Argument(help="RECIPIENT/CHANNEL it went to.")],
    by: Annotated[str, typer.Option(help="Role or staff id of who asks for it; logged.")],
    config: ConfigOption = DEFAULT_CONFIG,
) -> int:
    """Send a new pick-up link, where the one before was used, has expired or was closed."""
    from gateway.cli.enrol import new_link as command

    return command(config, alert, endpoint, by=by)
