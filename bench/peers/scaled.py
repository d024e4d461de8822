"""The gateway in its scaled form: two API and two delivery processes on PostgreSQL and Redis."""

import contextlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from bench.driver import Post
from bench.journey import Journey, gateway_running
from bench.peers.ours import EVERYTHING, UNDECIDED, GatewayServing
from bench.peers.postgres import postgres_running
from bench.peers.running import redis_running, started
from bench.peers.side import Does, Played, Serving
from bench.problem import NotMeasured
from gateway.instance import CONFIG_NAME
from gateway.store.sqlite import StoreUnavailable
from keys.signing import SigningKey

_SECTIONS: Final = """
[postgres]
url = "{postgres}"

[redis]
url = "redis://127.0.0.1:{redis}"
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaled:
    """An instance whose truth is in PostgreSQL; Redis spreads its work."""

    name: str = "postgres_redis"
    processes: int = 2  # of each role
    batch: int = 1
    does: Does = EVERYTHING

    @property
    def what(self) -> str:
        """How it is set up."""
        each = self.processes
        return f"the gateway, {each} API and {each} delivery processes, PostgreSQL and Redis"

    @contextlib.contextmanager
    def running(self, url: str, folder: Path) -> Iterator[Serving]:
        """Run the servers, then the processes; the servers stay until all is checked."""
        key = SigningKey.generate()
        with postgres_running() as (address, postgres), redis_running(folder) as (port, redis):
            more = _SECTIONS.format(postgres=address, redis=port)
            with contextlib.ExitStack() as gateway:
                try:
                    journey = gateway.enter_context(self._api(folder, key, url, more))
                except StoreUnavailable as error:
                    raise NotMeasured(f"no instance on PostgreSQL: {error}") from None
                delivery = gateway.enter_context(
                    started(self._deliver(folder), folder / "deliver.log")
                )
                serving = _Serving(
                    embedded=GatewayServing(journey=journey, key=key, batch=1),
                    pids=(journey.pid, delivery.pid, postgres, redis),
                )
                yield serving
            serving.check()

    def _api(
        self, folder: Path, key: SigningKey, url: str, more: str
    ) -> contextlib.AbstractContextManager[Journey]:
        return gateway_running(
            folder / "instance",
            key,
            url,
            workers=self.processes,
            undecided=UNDECIDED,
            more=more,
            role="api",
        )

    def _deliver(self, folder: Path) -> Sequence[str]:
        config = str(folder / "instance" / CONFIG_NAME)
        command = [sys.executable, "-m", "gateway", "serve", "--config", config]
        return [*command, "--role", "deliver", "--workers", str(self.processes)]


@dataclass(slots=True, kw_only=True)
class _Serving:
    """As embedded, but checked while the database is still there."""

    embedded: GatewayServing
    pids: Sequence[int]
    mark: str | None = None
    _posted: int = 0
    _alerts: Mapping[str, str] = field(default_factory=dict)
    _why: str = ""

    @property
    def port(self) -> int:
        return self.embedded.port

    def posts(self, first: int, count: int) -> Sequence[Post]:
        self._posted += count
        return self.embedded.posts(first, count)

    def check(self) -> None:
        """Read every alert, proof and entry of the log. Called once the gateway has stopped."""
        try:
            self._alerts = self.embedded.journey.alerts(posted=self._posted)
        except NotMeasured as error:
            self._why = str(error)

    def marks(self, rounds: Sequence[Played]) -> Mapping[str, Sequence[str]]:
        """Return the alerts each post led to. As embedded."""
        if self._why:
            raise NotMeasured(self._why)
        return self.embedded.marks_of(rounds, self._alerts)
