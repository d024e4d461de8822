"""`policy replay`: whose alerts would change under another rulebook. Nothing is sent."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from pathlib import Path

import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from gateway import clock
from gateway.adoption import law_in_force
from gateway.cli.beside import commit, opened, reader
from gateway.cli.exits import OK, UNKNOWN, Trouble
from gateway.cli.policy import say_json
from gateway.cli.policy_explain import NOTHING_SENT
from gateway.config import load_config
from gateway.directory import Directory
from gateway.instance import rulebook_texts, sealed_store
from gateway.model.event import Event
from gateway.model.ids import PersonRef
from gateway.model.strict_json import Json, JsonObject
from gateway.rehearsal.replay import Change, Replaying, replay
from gateway.store.all_events import Unread, everyone
from gateway.store.consultation import Asked, Seen, logged
from policies.rulebook import load_rulebook


def replay_events(
    new: Path, *, since: str | None, config_file: Path, by: str | None, as_json: bool
) -> int:
    """Say whose alerts would change under another rulebook. 3 if some person's events are shut."""
    config = load_config(config_file)
    start = _day(since) if since else None
    other = load_rulebook(rulebook_texts(new))
    sealed = sealed_store(config)
    unread = Unread()
    with opened(config) as connection:
        count, persons = connection.execute(
            "SELECT count(*), count(DISTINCT person) FROM event WHERE state = 'decided'"
        ).get
        asked = Asked(what="events", reader=reader(by), about={"rulebook": other.digest})
        commit(config, logged(asked, Seen(result=None, shown=count), clock.now()))
        current = law_in_force(config, connection).law.rulebook
        directory = Directory(connection, current.catalogues)
        context = Replaying(
            recipients=directory.recipients,
            candidates=directory.candidates,
            classes=directory.classes,
            current=current,
            other=other,
            day_of=clock.day,
            since=start,
        )
        histories = _shown(everyone(connection, sealed, unread), persons)
        changes = list(replay(histories, context))
    if as_json:
        say_json(_replayed(changes, context, unread))
    else:
        _say_replayed(changes, context, unread)
    return UNKNOWN if unread.persons else OK


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise Trouble("--since: a date, YYYY-MM-DD") from None


def _shown(
    histories: Iterator[tuple[PersonRef, list[Event]]], total: int
) -> Iterable[tuple[PersonRef, list[Event]]]:
    console = Console(stderr=True)
    hidden = not console.is_terminal
    return track(histories, "Replaying", total=total, console=console, disable=hidden)


def _say_replayed(changes: Sequence[Change], context: Replaying, unread: Unread) -> None:
    tally = context.tally
    typer.echo(f"from {context.current.digest}\nto   {context.other.digest}")
    typer.echo(
        f"{tally.events} events of {tally.persons} persons decided again. {NOTHING_SENT}"
        " Reading them is logged as a consultation."
    )
    counts = Counter((one.kind, one.role, one.effect) for one in changes)
    table = Table(title=f"{len(changes)} alerts would change")
    for head in ("Event", "Role", "Effect", "Alerts"):
        table.add_column(head, overflow="fold")
    for (kind, role, effect), number in sorted(counts.items()):
        table.add_row(kind, role, effect, str(number))
    if changes:
        Console(width=None if Console().is_terminal else 120, highlight=False).print(table)
    for one in changes:
        names = [f"+{path}" for path in _named(one.gained, one)]
        names += [f"-{path}" for path in _named(one.lost, one)]
        why = f" [{' '.join(one.because)}]" if one.because else ""
        typer.echo(f"{one.event} {one.kind} {one.recipient} {one.effect}{why}: {' '.join(names)}")
    if not changes:
        typer.echo("no alert would change")
    if unread.persons:
        typer.echo(f"passed over, their events do not open: {unread.persons} persons", err=True)


def _named(paths: Sequence[str], change: Change) -> Sequence[str]:
    """Return members where some of an alert changes, and groups where the whole of it does."""
    if change.effect == "told-otherwise":
        return paths
    return list(dict.fromkeys(path.partition(".")[0] for path in paths))


def _replayed(changes: Sequence[Change], context: Replaying, unread: Unread) -> JsonObject:
    return {
        "current": context.current.digest,
        "other": context.other.digest,
        "persons": context.tally.persons,
        "events": context.tally.events,
        "decisions": context.tally.decisions,
        "unread_persons": unread.persons,
        "changes": [
            {
                "event": one.event,
                "kind": one.kind,
                "recipient": one.recipient,
                "role": one.role,
                "effect": one.effect,
                "gained": list[Json](one.gained),
                "lost": list[Json](one.lost),
                "because": list[Json](one.because),
            }
            for one in changes
        ],
    }
