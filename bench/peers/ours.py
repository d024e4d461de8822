"""The gateway as it takes part: everything on, one recipient, and every alert checked after."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import orjson

from bench.bulk import ALERT_MARK, batched
from bench.driver import Post
from bench.journey import Journey, gateway_running
from bench.peers.side import Does, Played
from bench.problem import NotMeasured
from keys.signing import SigningKey

UNDECIDED: Final = 100_000  # as patient as the peers, whose queues have no bound
EVERYTHING: Final = Does(
    signed="yes (Ed25519)",
    durable="yes (fsync)",
    sealed="hybrid HPKE",
    logged="yes",
    proofs="yes",
    ack="signed 2xx, receipt",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateway:
    """An embedded instance: processes that share one file."""

    name: str
    workers: int = 1
    batch: int = 1
    does: Does = EVERYTHING

    @property
    def what(self) -> str:
        """How it is set up."""
        processes = "one process" if self.workers == 1 else f"{self.workers} processes"
        fed = "" if self.batch == 1 else f", up to {self.batch} events a post and alerts a webhook"
        return f"the gateway, {processes}, SQLite{fed}"

    @contextlib.contextmanager
    def running(self, url: str, folder: Path) -> Iterator["GatewayServing"]:
        """Make an instance and serve it."""
        key = SigningKey.generate()
        with gateway_running(
            folder / "instance",
            key,
            url,
            workers=self.workers,
            undecided=UNDECIDED,
            batches=self.batch,
        ) as journey:
            yield GatewayServing(journey=journey, key=key, batch=self.batch)


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayServing:
    journey: Journey
    key: SigningKey
    batch: int

    @property
    def mark(self) -> str | None:
        """What each alert of a batch is found by."""
        return None if self.batch == 1 else ALERT_MARK

    @property
    def port(self) -> int:
        return self.journey.port

    @property
    def pids(self) -> Sequence[int]:
        return (self.journey.pid,)

    def posts(self, first: int, count: int) -> Sequence[Post]:
        """Return signed posts, of one event or of a batch each."""
        return batched(first, count, self.batch, self.key)

    def marks(self, rounds: Sequence[Played]) -> Mapping[str, Sequence[str]]:
        """Return the alerts each post led to, once a webhook of each round opens, every alert is
        proven and accepted, and the log holds."""
        alerts = self.journey.alerts(posted=sum(len(one.came.at_ns) for one in rounds))
        return self.marks_of(rounds, alerts)

    def marks_of(
        self, rounds: Sequence[Played], alerts: Mapping[str, str]
    ) -> Mapping[str, Sequence[str]]:
        """Return the alerts each post led to, having opened a webhook of each round.

        Raises:
            NotMeasured: one does not open, or a post led to no alert.
        """
        for one in rounds:
            self.journey.check_webhook(next(iter(one.came.at_ns)), one.came.body)
        try:
            return {
                answer.id: [alerts[event] for event in orjson.loads(answer.body)["events"]]
                for one in rounds
                for answer in one.answers
            }
        except KeyError:
            raise NotMeasured("a post led to no alert") from None
