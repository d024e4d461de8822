"""`backup`: a copy of the embedded database, made beside a gateway that may be serving it."""

import os
from contextlib import closing
from pathlib import Path

import typer

from gateway.cli.exits import OK, Trouble
from gateway.config import load_config
from gateway.store import sqlite
from gateway.store.log_tree import restore_tree
from gateway.store.place import PostgresPlace, place_of


def backup(config_file: Path, out: Path) -> int:
    """Write a copy, and check that its log adds up."""
    config = load_config(config_file)
    place = place_of(config)
    if isinstance(place, PostgresPlace):
        raise Trouble(
            f"PostgreSQL makes its own copies: pg_dump --format=custom --file={out} '{place.url}'"
        )
    if out.exists():
        raise Trouble(f"{out} is there already; name a new file")
    draft = out.with_name(f".{out.name}.{os.getpid()}")
    try:
        descriptor = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        try:
            with closing(place.open_reader()) as reader:
                reader.execute("VACUUM INTO ?", (str(draft),))  # one moment of it; blocks nobody
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        with closing(sqlite.open_reader(draft)) as copy:
            sqlite.quick_check(copy)
            size = restore_tree(copy).size
        draft.rename(out)
        _sync(out.parent)
    finally:
        draft.unlink(missing_ok=True)
    typer.echo(
        f"{out}: {size} entries in its log, which add up."
        f" Keep {config.home / 'keys'} apart from it: without them nothing in it opens."
    )
    return OK


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
