"""How tiles and entry bundles are named and written down. Source: c2sp.org/tlog-tiles. Pure."""

import re
from collections.abc import Iterable, Iterator
from typing import Final

from gateway.disclosure_log.tree import TILE_WIDTH

MAX_LEVEL: Final = 63

_PATH = re.compile(
    r"(?P<level>entries|0|[1-9][0-9]?)/"
    r"(?P<high>(?:x[0-9]{3}/){0,6})(?P<low>[0-9]{3})"
    r"(?:\.p/(?P<width>[1-9][0-9]{0,2}))?"
)


def tile_path(level: int | None, index: int, width: int = TILE_WIDTH) -> str:
    """Return ``<L>/<N>[.p/<W>]``; level None names the entry bundle. Never fails."""
    groups = [f"{index % 1000:03}"]
    while index := index // 1000:
        groups.append(f"x{index % 1000:03}")
    partial = "" if width == TILE_WIDTH else f".p/{width}"
    return f"{'entries' if level is None else level}/{'/'.join(reversed(groups))}{partial}"


def parse_tile_path(path: str) -> tuple[int | None, int, int] | None:
    """Return (level or None for entries, index, width), or None for any other spelling."""
    found = _PATH.fullmatch(path)
    if found is None:
        return None
    level = None if found["level"] == "entries" else int(found["level"])
    index = int(re.sub(r"[x/]", "", found["high"]) + found["low"])
    width = int(found["width"] or TILE_WIDTH)
    if width > TILE_WIDTH or (level is not None and level > MAX_LEVEL):
        return None
    # Writing it again refuses leading zero groups and .p/256.
    return (level, index, width) if tile_path(level, index, width) == path else None


def pack_bundle(entries: Iterable[bytes]) -> bytes:
    """Return an entry bundle: each entry behind its length as a big-endian uint16.

    Raises:
        OverflowError: an entry is longer than 65535 bytes.
    """
    return b"".join(len(entry).to_bytes(2, "big") + entry for entry in entries)


def unpack_bundle(bundle: bytes) -> Iterator[bytes]:
    """Yield the entries of a bundle, ending early where it is cut short. Never fails."""
    place = 0
    while place + 2 <= len(bundle):
        end = place + 2 + int.from_bytes(bundle[place : place + 2], "big")
        if end > len(bundle):
            return
        yield bundle[place + 2 : end]
        place = end
