"""`log export`: the log as a folder of files that any web server can serve and anyone can check."""

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

import typer
from rich.console import Console
from rich.progress import track

from gateway import clock
from gateway.cli.beside import commit
from gateway.cli.exits import OK, Trouble
from gateway.config import load_config
from gateway.disclosure_log import entry
from gateway.disclosure_log.checkpoint import parse_checkpoint
from gateway.disclosure_log.merkle import HASH_LENGTH, root_of
from gateway.disclosure_log.tiles import pack_bundle, tile_path
from gateway.disclosure_log.tree import TILE_WIDTH
from gateway.instance import VKEY_NAME
from gateway.store.engine import Connection
from gateway.store.group_commit import Staged
from gateway.store.place import place_of

README: Final = """\
This folder is a disclosure log, as it stood when it was exported: {size} entries.

  checkpoint     its newest checkpoint: origin, size, root and signatures (c2sp.org/signed-note)
  checkpoints    every checkpoint it ever signed, each a JSON string on a line
  witnessed      the newest checkpoint that enough witnesses signed, if there is one
  vkey           its verifier keys, one a line, the one in force first
  tile/          entries, and hashes over them (c2sp.org/tlog-tiles)

No entry holds anybody's name, address or number. Who an entry is about is known to the
gateway alone.

How to check it
---------------
With this program, trusting only a key you were given BEFORE, and a checkpoint you kept:

  throughgate verify log FOLDER --vkey YOUR-COPY-OF-THE-VKEY --held YOUR-CHECKPOINT

The vkey in this folder proves nothing about who wrote the log: use your own copy.

With nothing of ours: put the folder on any web server and point any client of tlog-tiles at it.
By hand, the root of the checkpoint is the Merkle tree hash of RFC 6962 over the entries, which are
in tile/entries, each behind its length as two bytes; the checkpoint's signature is Ed25519 over its
text, up to the empty line.
"""


def export(config_file: Path, out: Path) -> int:
    """Write the log into a new folder. It is logged, first, that the whole log was read."""
    config = load_config(config_file)
    if out.exists() and any(out.iterdir()):
        raise Trouble(f"{out} is not empty; name a new folder")
    _log_reading(config_file)
    # One moment, whatever is written meanwhile.
    with closing(place_of(config).open_reader()) as connection, connection:
        size = _write_notes(connection, out)
        _write(out, "vkey", (config.home / VKEY_NAME).read_bytes())
        widths = list(_tiles(size))
        for level, index, width in track(
            widths, description="exporting", console=Console(stderr=True), transient=True
        ):
            _write(
                out,
                f"tile/{tile_path(level, index, width)}",
                _hashes(connection)(level, index, width),
            )
            if level == 0:
                bodies = _column(connection, "body", index * TILE_WIDTH, width)
                _write(out, f"tile/{tile_path(None, index, width)}", pack_bundle(bodies))
    _write(out, "README.txt", README.format(size=size).encode())
    typer.echo(f"Exported {size} entries to {out}")
    return OK


def _log_reading(config_file: Path) -> None:
    def unit(connection: Connection) -> Staged[None]:
        row = connection.execute("SELECT size FROM log_head").fetchone()
        end = row[0] if row else 0
        logged = entry.consultation(at=clock.now(), what="log-export", start=0, end=end)
        return Staged(None, [logged.encode()])

    commit(load_config(config_file), unit)


def _write_notes(connection: Connection, out: Path) -> int:
    """Write the checkpoints and return the size of the newest."""
    notes = [
        str(note) for (note,) in connection.execute("SELECT note FROM log_checkpoint ORDER BY size")
    ]
    if not notes:
        raise Trouble("the log has no checkpoint yet")
    _write(out, "checkpoint", notes[-1].encode())
    _write(out, "checkpoints", "".join(json.dumps(note) + "\n" for note in notes).encode())
    witnessed = connection.execute(
        "SELECT note FROM log_witnessed ORDER BY size DESC LIMIT 1"
    ).fetchone()
    if witnessed:
        _write(out, "witnessed", witnessed[0].encode())
    return parse_checkpoint(notes[-1]).size


def _tiles(size: int) -> Iterator[tuple[int, int, int]]:
    """Yield (level, index, width) of every tile of a tree of this size, lowest level first."""
    level, hashes = 0, size
    while hashes:
        for index in range(-(-hashes // TILE_WIDTH)):
            yield level, index, min(TILE_WIDTH, hashes - index * TILE_WIDTH)
        level, hashes = level + 1, hashes // TILE_WIDTH


def _hashes(connection: Connection) -> Callable[[int, int, int], bytes]:
    """Return what reads a tile: a full one as stored, a partial one made from those below it."""

    def tile(level: int, index: int, width: int) -> bytes:
        if width == TILE_WIDTH:
            row = connection.execute(
                "SELECT hashes FROM log_tile WHERE level = ? AND idx = ?", (level, index)
            ).fetchone()
            if row is None:
                raise Trouble("a tile of the log is missing: run `throughgate log verify`")
            return bytes(row[0])
        first = index * TILE_WIDTH
        if level == 0:
            return b"".join(_column(connection, "leaf", first, width))
        below = (tile(level - 1, one, TILE_WIDTH) for one in range(first, first + width))
        return b"".join(
            root_of([one[at : at + HASH_LENGTH] for at in range(0, len(one), HASH_LENGTH)])
            for one in below
        )

    return tile


def _column(connection: Connection, name: str, first: int, count: int) -> list[bytes]:
    rows = connection.execute(
        f"SELECT {name} FROM log_entry WHERE idx >= ? AND idx < ? ORDER BY idx",  # noqa: S608 - a literal
        (first, first + count),
    )
    return [value for (value,) in rows]


def _write(out: Path, name: str, content: bytes) -> None:
    path = out / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
