"""What an examination is given: the configuration, the time, and how far to look."""

import fcntl
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from gateway.config import Config
from gateway.doctor.finding import Finding
from gateway.store import sqlite
from gateway.store.engine import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One examination."""

    config: Config
    now: datetime
    url: str | None = None  # of the gateway as others reach it
    network: bool = False  # whether others may be asked: relays
    full: bool = False  # the whole log, not its last entries

    @property
    def database(self) -> Path:
        """The database file."""
        return self.config.path(self.config.instance.database)

    @contextmanager
    def reader(self) -> Iterator[Connection]:
        """Open the database to read from, beside a gateway that may be serving it.

        Raises:
            StoreUnavailable: it cannot be opened.
        """
        with closing(sqlite.open_reader(self.database)) as connection:
            yield connection

    def is_served(self) -> bool:
        """Return whether a gateway holds the instance's lock."""
        try:
            with self.database.with_suffix(".lock").open("r") as lock:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except OSError:
            return True
        return False


Examine = Callable[[Asked], Iterator[Finding]]
