"""What an examination is given: the configuration, the time, and how far to look."""

import fcntl
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime

from gateway.config import Config
from gateway.doctor.finding import Finding
from gateway.store.engine import Connection
from gateway.store.place import Place, place_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One examination."""

    config: Config
    now: datetime
    url: str | None = None  # of the gateway as others reach it
    network: bool = False  # whether others may be asked: relays
    full: bool = False  # the whole log, not its last entries

    @property
    def place(self) -> Place:
        """Where the database is."""
        return place_of(self.config)

    @contextmanager
    def reader(self) -> Iterator[Connection]:
        """Open the database to read from, beside a gateway that may be serving it.

        Raises:
            StoreUnavailable: it cannot be opened.
        """
        with closing(self.place.open_reader()) as connection:
            yield connection

    def is_served(self) -> bool:
        """Return whether a gateway holds the instance's lock."""
        try:
            with self.config.local_state(".lock").open("r") as lock:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except OSError:
            return True
        return False


Examine = Callable[[Asked], Iterator[Finding]]
