"""Bringing a database to this version, and moving it, with what is checked before it counts."""

import os
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Final

import typer

from gateway.audit.findings import Auditor
from gateway.cli.exits import NO, OK, Trouble
from gateway.cli.instance import postgres_section
from gateway.config import Config, load_config
from gateway.disclosure_log.fsck import check_log
from gateway.disclosure_log.sources import StoreSource
from gateway.instance import VKEY_NAME, verifiers_of
from gateway.serving import only_one
from gateway.store import schema
from gateway.store.place import PostgresPlace, embedded_of, place_of

if TYPE_CHECKING:
    from gateway.store.moving import Move

SAMPLE: Final = 200  # alerts whose proofs are checked after a move: the newest, and as many spread


def say_status(config_file: Path) -> int:
    """Print where the database is, of which version, and of which this program's is."""
    place = place_of(load_config(config_file))
    found, wanted = schema.version_of(place), schema.wanted_by(place)
    typer.echo(f"{place.describe()}: schema {found}; this program's: {wanted}")
    return OK if found == wanted else NO


def bring_schema(config_file: Path) -> int:
    """Bring the database to this program's schema."""
    config = load_config(config_file)
    place = place_of(config)
    found, wanted = schema.version_of(place), schema.wanted_by(place)
    if found == wanted:
        typer.echo(f"{place.describe()}: schema {found}, as it should be")
        return OK
    if isinstance(place, PostgresPlace):
        schema.bring(place)  # beside those that serve: each step says what it may not break
    else:
        with only_one(config):
            schema.bring(place)
    typer.echo(f"{place.describe()}: from schema {found} to {wanted}")
    return OK


def move(config_file: Path, url: str, password: Path | None, *, switch: bool) -> int:
    """Move an embedded instance to PostgreSQL."""
    config = load_config(config_file)
    section = postgres_section(url, password)  # refuses an address that holds a secret
    if config.postgres is not None:
        raise Trouble("this instance is on PostgreSQL already")
    try:
        from gateway.store.moving import Move
    except ImportError:
        raise Trouble("psycopg is missing: pip install 'throughgate[scaled]'") from None
    planned = Move(
        old=embedded_of(config),
        new=PostgresPlace(url, None if password is None else password.resolve()),
    )
    with only_one(config):
        if not planned.is_marked():
            with planned.locked() as old:
                counts = planned.copy(old, _say_progress)
                typer.echo(_checked(config, planned, counts))
                planned.mark(old)
        planned.finish()
    typer.echo(f"Moved to {planned.new.describe()}. {planned.old.path} takes nothing any more.")
    if switch:
        _append(config.file, section)
        typer.echo(f"{config.file} names it now.")
    else:
        typer.echo(f"Add this to {config.file}, then serve:\n{section}")
    return OK


def _say_progress(table: str, done: int, total: int) -> None:
    typer.echo(f"{table}: {done} of {total}", err=True)


def _checked(config: Config, planned: "Move", counts: Mapping[str, int]) -> str:
    """Check the copy as a stranger would: its whole log, and proofs of its alerts.

    Raises:
        Trouble: something does not hold; the old store goes on.
    """
    keys = verifiers_of(config)
    source = StoreSource(planned.new.open_reader(), config.home / VKEY_NAME)
    with closing(source):
        report = check_log(source, verifier=keys)
    if report.verdict != "ok":
        first = report.problems[0].code
        raise Trouble(f"the copied log does not verify ({first}); the old store goes on", NO)
    with Auditor.open(planned.new, (config.home / VKEY_NAME).read_text("utf-8")) as auditor:
        proofs = auditor.sampled(SAMPLE)
    if not all(one.verified for one in proofs):
        raise Trouble("a copied alert's proof does not verify; the old store goes on", NO)
    return (
        f"Copied {sum(counts.values())} rows of {len(counts)} tables; {report.size} entries under"
        f" {report.checkpoints} checkpoints give the root {report.root.hex()}, and"
        f" {len(proofs)} alert proofs verify."
    )


def _append(file: Path, section: str) -> None:
    """Append a section to the configuration, whole or not at all; all that is there stays."""
    text = file.read_text("utf-8")
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    draft.write_text(text if text.endswith("\n") else f"{text}\n", "utf-8")
    with draft.open("a", encoding="utf-8") as end:
        end.write(section)
    draft.chmod(file.stat().st_mode & 0o777)
    load_config(draft)  # it is still a configuration
    draft.replace(file)
