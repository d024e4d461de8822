"""The disk: room, files that can still be made, and a write-ahead log that does not shrink."""

from collections.abc import Iterator
from typing import Final

from gateway.doctor.asked import Asked
from gateway.doctor.finding import Finding, error, ok, unknown, warning
from gateway.gauges import volume

_MIB: Final = 1024 * 1024
_LOW: Final = 0.10  # of the volume
_LITTLE: Final = 1024 * _MIB
_NONE: Final = 100 * _MIB
_FEW_INODES: Final = 10_000
_NO_INODES: Final = 100
_LONG_WAL: Final = 512 * _MIB
_ROOM: Final = "Free space or grow the volume: docs/runbook.md, Disk full."


def examine(asked: Asked) -> Iterator[Finding]:
    """Yield what is left of the volume the instance's folder is on."""
    found = {one.name.removeprefix("throughgate_"): one.value for one in volume(asked.config)}
    yield _room(found.get("disk_free_bytes"), found.get("disk_size_bytes", 0.0))
    yield _inodes(found.get("disk_free_inodes"))
    wal = found.get("wal_bytes")
    if wal is None:  # the server of the database keeps its own
        return
    if wal > _LONG_WAL:
        yield warning(
            "disk.wal",
            f"The write-ahead log is {wal / _MIB:.0f} MiB long.",
            "Something reads the database without end: find and stop it.",
        )
    else:
        yield ok("disk.wal", f"The write-ahead log is {wal / _MIB:.0f} MiB long.")


def _room(free: float | None, size: float) -> Finding:
    check = "disk.room"
    if free is None:
        return unknown(check, "The volume cannot be looked at.", "Is it mounted?")
    text = f"{free / _MIB:.0f} MiB are free on the instance's volume."
    if free < _NONE:
        return error(check, text, _ROOM)
    if free < _LITTLE or free < size * _LOW:
        return warning(check, text, _ROOM)
    return ok(check, text)


def _inodes(free: float | None) -> Finding:
    check = "disk.inodes"
    if free is None:
        return unknown(check, "The volume cannot be looked at.", "Is it mounted?")
    text = f"{free:.0f} more files can be made on the instance's volume."
    if 0 < free < _NO_INODES:
        return error(check, text, "Remove small files that nothing needs.")
    if 0 < free < _FEW_INODES:
        return warning(check, text, "Remove small files that nothing needs.")
    return ok(check, text if free else "This kind of volume makes files without counting them.")
