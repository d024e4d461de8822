"""`keys rotate`: another key-encryption key, and every data key wrapped anew under it."""

import asyncio
import os
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Final

import typer

from gateway import clock
from gateway.cli.beside import opened, staff
from gateway.cli.exits import NO, OK, Trouble
from gateway.config import Config, load_config
from gateway.instance import high_water_of, load_keys
from gateway.store import rewrap
from gateway.store.place import place_of
from gateway.store.store import Store
from keys.key_ring import KeyRing
from keys.providers import file as key_file

BATCH: Final = 200
_PASSES: Final = 5


def rotate(config_file: Path, *, by: str, batch: int = BATCH) -> int:
    """Rotate the key-encryption key beside a serving gateway, or go on with a rotation cut short.

    With keys in files the next one is made here; another provider's is made there, named in the
    configuration as the one in force, and the one before under `keys.retired`.
    """
    config = load_config(config_file)
    by = staff(by)
    ring = load_keys(config).key_encryption_key
    with opened(config) as connection:
        done = rewrap.is_complete(connection, ring.id)
    if done:
        if config.keys.provider != "file":
            typer.echo(f"Nothing to do: every key is under {ring.id}")
            return OK
        made = key_file.create_next(_path(config))
        typer.echo(f"Made {made}: back it up now")
        ring = load_keys(config).key_encryption_key
    left = asyncio.run(_rewrap(config, ring, by=by, batch=batch))
    if left:
        typer.echo(f"{left} keys are still under others than {ring.id}; run this again")
        return NO
    typer.echo(f"Every key is under {ring.id}")
    for line in _safe_to_destroy(config, ring):
        typer.echo(line)
    return OK


async def _rewrap(config: Config, ring: KeyRing, *, by: str, batch: int) -> int:
    """Wrap everything anew and return how much is left: what other workers wrapped meanwhile."""
    if batch < 1:
        raise Trouble("--batch: at least 1")
    place = place_of(config)
    store = await Store.open(
        place,
        key_encryption_key=ring,
        log_key=load_keys(config).log_key,
        published=high_water_of(config).known(),
        on_fatal=lambda _code: os._exit(70),
        slot=-1,
    )
    try:
        with closing(place.open_reader()) as reader:
            total = rewrap.remaining(reader, ring.id)
            for _ in range(_PASSES):
                await _one_pass(store, lambda: rewrap.batches(reader, ring, limit=batch), total)
                left = await store.commit(rewrap.complete(ring.id, by=by, now=clock.now()))
                if not left:
                    break
            return left
    finally:
        await store.close()


async def _one_pass(store: Store, batches: Callable[[], "rewrap.Batches"], total: int) -> None:
    done = 0
    for batch in batches():
        done += await store.commit(rewrap.replace(batch))
        typer.echo(f"{done} of {total}", err=True)


def _path(config: Config) -> Path:
    return config.path(
        Path(config.keys.key) if config.keys.key else config.instance.key_encryption_key
    )


def _safe_to_destroy(config: Config, ring: KeyRing) -> list[str]:
    """Return what to say of the keys nothing is under any more."""
    older = key_file.files(_path(config))[1:] if config.keys.provider == "file" else []
    names = [str(path) for path in older] or [one for one in ring.ids if one != ring.id]
    if not names:
        return []
    return [_NOT_NEEDED, *(f"  {name}" for name in names)]


_NOT_NEEDED: Final = """\
Nothing in the database is under these any more; destroy them once no copy of the database that
you keep needs them:"""
