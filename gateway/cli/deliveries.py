"""`deliveries`: where each way of an alert stands, and setting failed ones going again."""

import re
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, cast

import orjson
import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from gateway import clock
from gateway.cli.beside import commit, consulted, opened, reader, staff
from gateway.cli.exits import NO, OK, Trouble
from gateway.cli.times import so_long_ago
from gateway.config import Config, load_config
from gateway.instance import sealed_store
from gateway.links import Links
from gateway.model.ids import AlertId, EndpointId, RecipientId
from gateway.model.party import Form
from gateway.over_endpoint import unsealed_text
from gateway.store import deliveries
from gateway.store.consultation import Asked, Seen
from gateway.store.deliveries import SHOWN, Delivery, Shown, TextOf, Wanted
from gateway.store.engine import Connection
from gateway.store.outbox import Key

_Story = tuple[list[Delivery], list[dict[str, Any]]]
_ID: Final = re.compile(r"alt_[0-9A-Za-z_]{1,60}")
_AT_ONCE: Final = 200  # rows set going in one commit
_COLOURS: Final = {"rejected": "red", "dead": "red", "failed": "red", "waiting": "dim"}


def listed(
    config_file: Path,
    *,
    state: str | None,
    endpoint: str | None,
    recipient: str | None,
    since: str | None,
    limit: int,
    by: str | None,
    as_json: bool,
) -> int:
    """Print deliveries, the newest first; log it first."""
    if state is not None and state not in SHOWN:
        raise Trouble(f"--state: one of {', '.join(SHOWN)}")
    wanted = Wanted(
        state=cast("Shown | None", state),
        endpoint=EndpointId(endpoint) if endpoint else None,
        recipient=RecipientId(recipient) if recipient else None,
        since=_time(since) if since else None,
        limit=limit,
    )

    def look(connection: Connection) -> Seen[list[Delivery]]:
        found = deliveries.listing(connection, wanted)
        return Seen(result=found, shown=len(found), recipient=wanted.recipient)

    found = consulted(load_config(config_file), Asked(what="deliveries", reader=reader(by)), look)
    if as_json:
        typer.echo(orjson.dumps([_json(one) for one in found]).decode())
    else:
        _console().print(_table(found) if found else "No deliveries.")
    return OK


def show(config_file: Path, alert: str, *, by: str | None, as_json: bool) -> int:
    """Print every way of one alert, and the entries of its attempts; log it first.

    Raises:
        Trouble: no alert has that id.
    """

    def look(connection: Connection) -> Seen[_Story]:
        ways = deliveries.ways_of(connection, AlertId(alert))
        story = deliveries.story_of(connection, AlertId(alert)) if ways else []
        return Seen(result=(ways, story), shown=len(ways))

    about = {"alert": alert} if _ID.fullmatch(alert) else None
    asked = Asked(what="delivery", reader=reader(by), about=about)
    ways, story = consulted(load_config(config_file), asked, look)
    if not ways:
        raise Trouble("no alert has that id", NO)
    if as_json:
        told = {"alert": alert, "ways": [_json(one) for one in ways], "log": story}
        typer.echo(orjson.dumps(told).decode())
        return OK
    console = _console()
    console.print(_table(ways))
    for one in story:
        console.print(_line(one), highlight=False, markup=False)
    return OK


def retry(config_file: Path, alert: str, *, endpoint: str | None, by: str, as_json: bool) -> int:
    """Set an alert's failed ways going again, now.

    Raises:
        Trouble: none of them has failed, or the alert no longer stands.
    """
    config, by = load_config(config_file), staff(by)
    over = EndpointId(endpoint) if endpoint else None
    with opened(config) as connection:
        known = deliveries.ways_of(connection, AlertId(alert))
        keys = deliveries.dead_letters(connection, alert=AlertId(alert), endpoint=over)
    if not known:
        raise Trouble("no alert has that id", NO)
    if not keys or not _set_going(config, keys, by):
        raise Trouble("nothing of it has failed that may still leave", NO)
    _report(len(keys), as_json=as_json)
    return OK


def recover(config_file: Path, *, since: str, endpoint: str | None, by: str, as_json: bool) -> int:
    """Set everything going again that finally failed since a time."""
    config, by, after = load_config(config_file), staff(by), _time(since)
    over = EndpointId(endpoint) if endpoint else None
    with opened(config) as connection:
        keys = deliveries.dead_letters(connection, endpoint=over, since=after)
    batches = [keys[first : first + _AT_ONCE] for first in range(0, len(keys), _AT_ONCE)]
    shown = track(batches, "Setting deliveries going", console=Console(stderr=True), transient=True)
    _report(sum(_set_going(config, batch, by) for batch in shown), as_json=as_json)
    return OK


def _set_going(config: Config, keys: Sequence[Key], by: str) -> int:
    return commit(config, deliveries.retry(keys, by=by, text_of=_text_of(config), now=clock.now()))


def _text_of(config: Config) -> TextOf:
    links = Links(
        key=sealed_store(config).derive("links"),
        public_url=config.instance.public_url.rstrip("/"),
    )

    def text_of(alert: AlertId, endpoint: EndpointId, form: Form, issue: int) -> bytes:
        return unsealed_text(alert, endpoint, form, links, issue=issue)

    return text_of


def _report(count: int, *, as_json: bool) -> None:
    said = "1 delivery goes" if count == 1 else f"{count} deliveries go"
    typer.echo(orjson.dumps({"retried": count}).decode() if as_json else f"{said} again.")


def _time(text: str) -> datetime:
    """Read a time: ISO 8601 with its zone, or how long ago.

    Raises:
        Trouble: neither.
    """
    ago = so_long_ago(text, clock.now())
    if ago is not None:
        return ago
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise Trouble(_BAD_TIME) from None
    if found.tzinfo is None:
        raise Trouble(_BAD_TIME)
    return found.astimezone(UTC)


_BAD_TIME: Final = "--since: a time with its zone, 2026-03-02T09:30Z, or 30m, 6h, 3d ago"


def _json(one: Delivery) -> dict[str, Any]:
    return asdict(one) | {"state": one.shown}


def _table(found: Sequence[Delivery]) -> Table:
    table = Table()
    for heading in ("alert", "endpoint", "step", "form", "state", "tries", "reason", "next or end"):
        table.add_column(heading, no_wrap=heading in {"alert", "state"})
    for one in found:
        at = one.next_at if one.state == "pending" else one.receipt_at or one.settled_at
        table.add_row(
            one.alert,
            one.endpoint,
            str(one.step),
            one.form,
            one.shown,
            str(one.attempts),
            one.reason or one.receipt,
            f"{at:%Y-%m-%d %H:%M:%SZ}" if at else "",
            style=_COLOURS.get(one.shown),
        )
    return table


def _line(logged: dict[str, Any]) -> str:
    """Return one entry of the log as a line: its fields are codes and ids, nothing else."""
    skipped = {"v", "op", "at", "alert"}
    rest = "  ".join(f"{name}={value}" for name, value in logged.items() if name not in skipped)
    return f"{logged['at']}  {logged['op']}  {rest}"


def _console() -> Console:
    """A terminal's own width; enough for a whole row where there is no terminal."""
    console = Console()
    return console if console.is_terminal else Console(width=180)
