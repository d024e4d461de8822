"""What the pages of the console read and write with."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from gateway.config import Config
from gateway.directory import Directory
from gateway.disclosure_log.checkpoint import VerifierKey
from gateway.instance import verifiers_of
from gateway.law import Law
from gateway.store.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsoleOwn:
    """One running gateway, as its pages see it."""

    config: Config
    store: Store
    directory: Directory
    law: Law
    now: Callable[[], datetime]
    new_id: Callable[[str], str]
    random_bytes: Callable[[int], bytes]

    @property
    def verifiers(self) -> tuple[VerifierKey, ...]:
        """The keys of the log, the first being what signs now: that changes while it is served.

        Raises:
            BadKey, OSError: the file that names them cannot be used.
        """
        return verifiers_of(self.config)
