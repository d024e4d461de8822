"""Running feeds: each in a loop of its own, started again after trouble, its verdicts counted."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, TypeAlias

import structlog

from gateway.feeds.contract import Answer, Feed, FeedTrouble, Fetched, HandOver
from gateway.feeds.verdict import NOT_FOR_US
from gateway.loops import Loop
from gateway.metrics import FED, FEED_UP
from gateway.model.ids import AgencyName
from gateway.receive import Fed

FIRST_WAIT_S: Final = 1.0
LONGEST_WAIT_S: Final = 60.0

Take: TypeAlias = Callable[[Fed], Awaitable[Answer]]

_LOG = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A feed, and what the configuration says of everything it fetches."""

    feed: Feed
    agency: AgencyName
    adapter: str | None = None  # None: canonical events


class FeedRunner:
    """The feeds of one gateway: its first worker's. Never touches what a feed fetched."""

    def __init__(
        self,
        sources: Sequence[Source],
        take: Take,
        *,
        rng: random.Random,
        first_wait_s: float = FIRST_WAIT_S,
        longest_wait_s: float = LONGEST_WAIT_S,
    ) -> None:
        self._sources = sources
        self._take = take
        self._rng = rng
        self._first_wait_s = first_wait_s
        self._longest_wait_s = longest_wait_s

    @property
    def loops(self) -> Mapping[str, Loop]:
        """One loop for each feed, by a name for its task; none ends by itself."""
        return {
            f"feed-{source.feed.name}": partial(self._keep_running, source)
            for source in self._sources
        }

    async def close(self) -> None:
        """Close every feed. The loops have been cancelled before."""
        for source in self._sources:
            try:
                await source.feed.close()
            except Exception as error:  # noqa: BLE001 - the others are closed all the same
                _LOG.error("feed fault", feed=source.feed.name, error=type(error).__name__)

    async def _keep_running(self, source: Source) -> None:
        """Run a feed for ever; after trouble wait, twice as long each time nothing was fetched.

        Full jitter: any wait up to the bound is as likely, so that many gateways do not come
        back together.
        """
        failures = 0
        up = FEED_UP.labels(source.feed.name)
        while True:
            counting = _Counting(source, self._take)
            up.set(1)
            began = asyncio.get_running_loop().time()
            try:
                await self._run_once(source, counting)
            finally:
                up.set(0)
            lasted = asyncio.get_running_loop().time() - began
            # A quiet source that was reached for longer than any wait is as good as a busy one.
            if counting.answered or lasted > self._longest_wait_s:
                failures = 0
            bound = min(self._longest_wait_s, self._first_wait_s * 2**failures)
            failures = min(failures + 1, 32)
            await asyncio.sleep(self._rng.uniform(0, bound))

    async def _run_once(self, source: Source, hand_over: HandOver) -> None:
        name = source.feed.name
        try:
            await source.feed.run(hand_over)
        except FeedTrouble as trouble:
            _LOG.warning("feed stopped", feed=name, code=trouble.code)
        except Exception as error:  # noqa: BLE001 - one feed's fault is not the others'
            _LOG.error("feed fault", feed=name, error=type(error).__name__)
        else:
            _LOG.error("feed stopped", feed=name, code="ended")


class _Counting:
    """Hands messages over, counts the verdicts, and says what an operator should hear of."""

    def __init__(self, source: Source, take: Take) -> None:
        self._source = source
        self._take = take
        self._waiting = False
        self.answered = False  # at least one message became of something

    async def __call__(self, fetched: Fetched) -> Answer:
        source, name = self._source, self._source.feed.name
        answer = await self._take(
            Fed(
                feed=name,
                agency=source.agency,
                message_id=fetched.message_id,
                body=fetched.body,
                adapter=source.adapter,
            )
        )
        for_us = NOT_FOR_US not in answer.reasons[:1]
        FED.labels(name, answer.verdict if for_us else "passed-over").inc()
        if answer.verdict == "refused":
            _LOG.warning("message refused", feed=name, code=answer.reasons[0])
        if answer.verdict == "later" and not self._waiting:
            _LOG.warning("feed waits", feed=name, code=answer.reasons[0])
        self._waiting = answer.verdict == "later"
        self.answered = self.answered or not self._waiting
        return answer
