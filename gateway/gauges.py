"""What the store, the directory and the disk come to when a scrape asks: for all workers at once.

Every value is about the gateway as a whole, so whichever worker is asked gives the same answer.
Nothing is read from the disclosure log (DPA 2018 s.62(4)).
"""

import asyncio
import os
import platform
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

import apsw
from prometheus_client.metrics_core import GaugeMetricFamily, Metric

from gateway.config import Config
from gateway.directory import Directory
from gateway.incidents import CODES
from gateway.key_warnings import WARN_DAYS, key_warnings
from gateway.model.party import Recipient
from gateway.store import gauges as stored
from gateway.store import sqlite
from gateway.store.engine import Connection
from gateway.store.gauges import Reading
from gateway.store.place import SqlitePlace, place_of
from gateway.store.trouble import TROUBLES
from keys.certificates import valid_until
from keys.problem import KeyProblem

FRESH_S: Final = 5.0  # what was read stands so long
SELDOM_S: Final = 60.0  # what reads a whole table, every key or a file

DESCRIBED: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = {
    "throughgate_build_info": (
        "Always 1; which versions run",
        ("version", "python", "sqlite", "schema"),
    ),
    "throughgate_time_seconds": ("The gateway's clock, in seconds since 1970", ()),
    "throughgate_store_readable": ("Whether what follows could be read (1) or not (0)", ()),
    "throughgate_accepted_undecided": ("Accepted events awaiting a decision, in the store", ()),
    "throughgate_undecided_oldest_seconds": ("Age of the oldest of these; 0: there is none", ()),
    "throughgate_holds": ("Events that wait on purpose", ()),
    "throughgate_outbox_pending": ("Alerts to leave over an endpoint, by lane", ("lane",)),
    "throughgate_outbox_oldest_seconds": (
        "How long the oldest of these that may leave has been owed; 0: there is none",
        ("lane",),
    ),
    "throughgate_outbox_waiting": ("Alerts that wait for an earlier step to fail", ()),
    "throughgate_dead_letters_day": (
        "Alerts that ended undelivered over an endpoint in the last 24 hours, by state",
        ("state",),
    ),
    "throughgate_unacknowledged_alerts": (
        "Alerts somebody has to answer and nobody has; at most 10,000 are looked at",
        ("lane",),
    ),
    "throughgate_unacknowledged_oldest_seconds": (
        "Age of the oldest of these since its decision; 0: there is none",
        ("lane",),
    ),
    "throughgate_duties": ("Duties that are not met, by status", ("status",)),
    "throughgate_tasks_open": ("Tasks that wait for a person", ()),
    "throughgate_approvals_open": ("What one person proposed and a second must approve", ()),
    "throughgate_incidents_open": ("Incidents open now, by code", ("code",)),
    "throughgate_keys_expiring": (
        "Endpoints whose key ends within so many days, or that have none that may be used",
        ("within",),
    ),
    "throughgate_certificate_expires_timestamp_seconds": (
        "When a certificate of the gateway's own ends, in seconds since 1970",
        ("certificate",),
    ),
    "throughgate_log_size": ("Entries of the disclosure log", ()),
    "throughgate_log_behind": (
        "Whether the log cannot show what was published of it (1): nothing is taken then",
        (),
    ),
    "throughgate_log_witnessed_size": ("Entries under the newest checkpoint with a quorum", ()),
    "throughgate_log_witnessed_timestamp_seconds": (
        "When that checkpoint had its quorum, in seconds since 1970",
        (),
    ),
    "throughgate_log_index_lag": ("Entries that the index does not cover yet", ()),
    "throughgate_sessions": ("Sessions of the console that are not over", ()),
    "throughgate_database_bytes": ("Size of the database", ()),
    "throughgate_wal_bytes": ("Size of its write-ahead log, where it is a file of ours", ()),
    "throughgate_disk_free_bytes": ("Room on the volume of the instance's folder", ()),
    "throughgate_disk_size_bytes": ("Size of that volume", ()),
    "throughgate_disk_free_inodes": ("Files that can still be made on that volume", ()),
}


@dataclass(slots=True, kw_only=True)
class Gauges:
    """Measures when asked, seldom enough that asking costs nothing. Close it after use."""

    config: Config
    directory: Directory
    now: Callable[[], datetime]
    monotonic: Callable[[], float] = time.monotonic
    _reader: Connection | None = None
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    _often: tuple[float, list[Reading]] | None = None
    _seldom: tuple[float, list[Reading]] | None = None

    async def families(self) -> list[Metric]:
        """Return what is measured, as of at most 5 s ago; of some, 60 s. Never blocks the loop."""
        async with self._lock:
            at = self.monotonic()
            if self._seldom is None or at - self._seldom[0] >= SELDOM_S:
                self._seldom = at, await asyncio.to_thread(self._measure, self._slowly)
            if self._often is None or at - self._often[0] >= FRESH_S:
                self._often = at, await asyncio.to_thread(self._measure, self._quickly)
            readings = (*self._often[1], *self._seldom[1])
        return _families((*readings, Reading("throughgate_time_seconds", self.now().timestamp())))

    async def close(self) -> None:
        """Let go of the database."""
        async with self._lock:
            if self._reader is not None:
                self._reader.close()
                self._reader = None

    def _measure(self, read: Callable[[Connection], Iterator[Reading]]) -> list[Reading]:
        """Return what is read; what was read before trouble, and that there was some."""
        found: list[Reading] = []
        try:
            if self._reader is None:
                self._reader = place_of(self.config).open_reader()
            found.extend(read(self._reader))
        except TROUBLES:
            return [*found, Reading("throughgate_store_readable", 0)]
        return found

    def _quickly(self, reader: Connection) -> Iterator[Reading]:
        now, console = self.now(), self.config.console
        yield from volume(self.config, reader)
        yield from stored.of_work(reader, now)
        yield from stored.of_log(reader)
        yield from stored.of_desk(
            reader,
            now,
            idle=timedelta(seconds=console.idle_s),
            absolute=timedelta(seconds=console.absolute_s),
        )
        yield from stored.of_incidents(reader, CODES)
        yield Reading("throughgate_store_readable", 1)

    def _slowly(self, reader: Connection) -> Iterator[Reading]:
        yield _build()
        yield from _keys(self.directory.recipients.values(), self.now())
        for name, path in own_certificates(self.config).items():
            with suppress(OSError, UnicodeDecodeError, KeyProblem):
                ends = valid_until(path.read_text("ascii"))
                yield Reading(
                    "throughgate_certificate_expires_timestamp_seconds", ends.timestamp(), (name,)
                )
        yield from stored.of_duties(reader)


def own_certificates(config: Config) -> dict[str, Path]:
    """Return the gateway's own certificates by what they are for. Reads nothing."""
    mesh = config.mesh.certificate if config.mesh else None
    named = {
        "http": config.http.tls_certificate,
        "mail": config.instance.mail_certificate,
        "webhook": config.webhook.certificate,
        "mesh": mesh,
    }
    return {name: config.path(path) for name, path in named.items() if path is not None}


def volume(config: Config, reader: Connection | None = None) -> Iterator[Reading]:
    """Yield what the database takes up, and what is left of the volume of the instance's folder.

    Of a database on a server: its size, if there is a `reader` to ask; how much room that machine
    has is for whoever watches it.
    """
    place, folder = place_of(config), config.local_state(".db").parent
    if isinstance(place, SqlitePlace):
        with suppress(OSError):
            yield Reading("throughgate_database_bytes", place.path.stat().st_size)
        try:
            wal = place.path.with_name(f"{place.path.name}-wal").stat().st_size
        except OSError:
            wal = 0
        yield Reading("throughgate_wal_bytes", wal)
    elif reader is not None:
        size = reader.execute("SELECT pg_database_size(current_database())").get
        yield Reading("throughgate_database_bytes", size)
    with suppress(OSError):
        found = os.statvfs(folder)
        yield Reading("throughgate_disk_free_bytes", found.f_bavail * found.f_frsize)
        yield Reading("throughgate_disk_size_bytes", found.f_blocks * found.f_frsize)
        yield Reading("throughgate_disk_free_inodes", found.f_favail)


def program_version() -> str:
    """Return the version that is installed."""
    try:
        return version("throughgate")
    except PackageNotFoundError:  # run from a checkout that nothing installed
        return "unknown"


def _build() -> Reading:
    labels = (
        program_version(),
        platform.python_version(),
        apsw.sqlite_lib_version(),
        str(sqlite.SCHEMA_VERSION),
    )
    return Reading("throughgate_build_info", 1, labels)


def _keys(recipients: Iterable[Recipient], now: datetime) -> Iterator[Reading]:
    found = dict.fromkeys((*(f"{days}d" for days in WARN_DAYS), "unusable"), 0)
    for warning in key_warnings(list(recipients), now):
        found[f"{warning.within_days}d" if warning.within_days else "unusable"] += 1
    for within, count in found.items():
        yield Reading("throughgate_keys_expiring", count, (within,))


def _families(readings: Iterable[Reading]) -> list[Metric]:
    families: dict[str, GaugeMetricFamily] = {}
    for reading in readings:
        text, labels = DESCRIBED[reading.name]
        family = families.setdefault(
            reading.name, GaugeMetricFamily(reading.name, text, labels=labels)
        )
        family.add_metric(reading.labels, reading.value)
    return list(families.values())
