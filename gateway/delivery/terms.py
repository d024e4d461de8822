"""What delivering needs. Time and randomness come in here."""

import random
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from gateway.channels.contract import Channel
from gateway.delivery.breaker import DEFAULT_TERMS, Breaker, BreakerTerms, EndpointBreaker
from gateway.delivery.lane import Lane
from gateway.delivery.rate import EndpointRate, Rate
from gateway.incidents import Code
from gateway.model.ids import AlertId, EndpointId, EventRef
from gateway.model.outcome import Deferred
from gateway.model.party import ChannelName, Endpoint
from gateway.shards import Tokens
from gateway.store.group_commit import Unit
from gateway.store.outbox import Key, OutboxRow
from gateway.traces import OFF, Traces

Prepare = Callable[[OutboxRow], Awaitable[OutboxRow | Deferred]]
PickUp = Callable[[AlertId, EndpointId, int], str]  # the number is the link's issue


class Owed(Protocol):
    """What the outbox owes, as one worker sees it. Reads only."""

    def is_pending(self, key: Key) -> bool:
        """Return whether a row is still to leave: it may have been withheld since."""

    def is_settled(self, key: Key) -> bool:
        """Return whether a row is not to leave any more, whoever's it is to send."""

    def owes_older(self, row: OutboxRow, known: Collection[Key]) -> bool:
        """Return whether an older alert about the same person is owed to the same endpoint, other
        than those known."""

    def endpoints(self) -> Sequence[EndpointId]:
        """Return the endpoints that something is owed to."""

    def due(self, endpoint: EndpointId, now: datetime, limit: int) -> Sequence[Key]:
        """Return what may leave over an endpoint now, in the order it is to leave."""

    def probe(self, endpoint: EndpointId, now: datetime) -> Sequence[Key]:
        """Return what an endpoint that failed is tried with, if anything is due."""

    def load(self, keys: Sequence[Key]) -> Sequence[OutboxRow]:
        """Return the rows named that are still pending, in order."""

    def stranded(
        self, endpoint: EndpointId, *, now: datetime, decided_before: datetime, limit: int
    ) -> Sequence[AlertId]:
        """Return alerts owed to an endpoint that have another way left: the urgent, and those
        decided before then."""

    def overdue(self, endpoint: EndpointId, *, before: datetime, limit: int) -> Sequence[OutboxRow]:
        """Return rows owed to an endpoint since before then, and long enough."""


async def as_it_is(row: OutboxRow) -> OutboxRow | Deferred:
    """Return the row: it needs nothing before it leaves."""
    return row


def _not_held() -> bool:
    return False


def _alone() -> int:
    return 1


def _no_leases() -> Tokens:
    return None


def _to_nobody(_code: Code, _subject: str) -> None:
    return


def _unknown(_key: Key) -> tuple[EventRef, datetime] | None:
    return None


def _no_link(_alert: AlertId, _endpoint: EndpointId, _issue: int) -> str:
    raise LookupError("digests need a maker of links")


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivering:
    """What delivering needs. Time and randomness come in here."""

    channels: Mapping[ChannelName, Channel]
    endpoint_of: Callable[[EndpointId], Endpoint | None]
    owed: Owed
    commit: Callable[[Unit[None]], Awaitable[None]]
    clock: Callable[[], datetime]
    rng: random.Random
    ladder: tuple[timedelta, ...]  # waits before each retry, jittered; the last repeats
    give_up_after: timedelta  # since the decision: then the row is dead, and seen
    pick_up: PickUp = _no_link
    prepare: Prepare = as_it_is  # before each attempt, once it is known to be still owed
    monotonic: Callable[[], float] = time.monotonic
    per_minute: int | None = None  # of endpoints that have said nothing themselves
    workers: Callable[[], int] = _alone  # that share an endpoint's rate
    rate_of: Callable[[EndpointId], EndpointRate] | None = None  # one that processes share
    breaker_of: Callable[[EndpointId], EndpointBreaker] | None = None
    breaker: BreakerTerms = DEFAULT_TERMS
    report: Callable[[Code, str], None] = _to_nobody  # tells the operator: a code, an endpoint
    step_after: timedelta = timedelta(minutes=10)  # a routine alert waits so long for a dead end
    tokens: Callable[[], Tokens] = _no_leases  # what is begun now goes on under
    held: Callable[[], bool] = _not_held  # nothing leaves while the log is behind
    came_of: Callable[[Key], tuple[EventRef, datetime] | None] = _unknown  # event, its acceptance
    traces: Traces = OFF

    def new_lane(self, endpoint: EndpointId) -> Lane:
        """Return the lane of an endpoint that has had none here yet."""
        return Lane(
            endpoint=endpoint,
            breaker=(
                self.breaker_of(endpoint) if self.breaker_of else Breaker(self.breaker, self.rng)
            ),
            rate=self.rate_of(endpoint) if self.rate_of else Rate(),
        )

    def limit_of(self, endpoint: Endpoint | None) -> int | None:
        """Return what an endpoint takes in a minute: of this process, unless all count together."""
        per_minute = (endpoint and endpoint.per_minute) or self.per_minute
        if per_minute is None or self.rate_of is not None:
            return per_minute
        return max(1, per_minute // self.workers())
