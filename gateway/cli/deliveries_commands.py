"""The command group `deliveries`."""

from typing import Annotated

import typer

from gateway.cli.exits import reported
from gateway.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption, ReaderOption

deliveries = typer.Typer(help="Where each alert's deliveries stand, and setting them going again.")

EndpointOption = Annotated[str | None, typer.Option(metavar="ID", help="Only over this endpoint.")]
ByOption = Annotated[str, typer.Option(metavar="WHO", help="Role or staff id; it enters the log.")]


@deliveries.command("list")
@reported
def list_deliveries(
    state: Annotated[
        str | None,
        typer.Option(
            help="pending, waiting, accepted, rejected, dead, withheld or failed"
            " (accepted, and reported failed later)."
        ),
    ] = None,
    endpoint: EndpointOption = None,
    recipient: Annotated[
        str | None, typer.Option(metavar="ID", help="Only to this recipient.")
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Settled since then: 2026-03-02T09:30Z, or 6h, 3d."),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="At most so many.")] = 100,
    by: ReaderOption = None,
    as_json: JsonOption = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> int:
    """Print deliveries, the newest first. Logged."""
    from gateway.cli import deliveries as command

    return command.listed(
        config,
        state=state,
        endpoint=endpoint,
        recipient=recipient,
        since=since,
        limit=limit,
        by=by,
        as_json=as_json,
    )


@deliveries.command("show")
@reported
def show(
    alert: Annotated[str, typer.Argument(metavar="ALERT")],
    by: ReaderOption = None,
    as_json: JsonOption = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> int:
    """Print every way of one alert, and what the log says became of it. Logged."""
    from gateway.cli import deliveries as command

    return command.show(config, alert, by=by, as_json=as_json)


@deliveries.command("retry")
@reported
def retry(
    alert: Annotated[str, typer.Argument(metavar="ALERT")],
    by: ByOption,
    endpoint: EndpointOption = None,
    as_json: JsonOption = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> int:
    """Set an alert's failed deliveries going again, now."""
    from gateway.cli import deliveries as command

    return command.retry(config, alert, endpoint=endpoint, by=by, as_json=as_json)


@deliveries.command("recover")
@reported
def recover(
    since: Annotated[
        str, typer.Option(metavar="TIME", help="Failed since then: 2026-03-02T09:30Z, or 6h, 3d.")
    ],
    by: ByOption,
    endpoint: EndpointOption = None,
    as_json: JsonOption = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> int:
    """Set everything going again that finally failed since a time. Repeating it changes nothing."""
    from gateway.cli import deliveries as command

    return command.recover(config, since=since, endpoint=endpoint, by=by, as_json=as_json)
