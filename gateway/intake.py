"""Accept: from a request or a fetched message to what is durable, and on its way to a decision."""

from collections.abc import Callable, Mapping
from datetime import datetime

import structlog

from adapters.contract import Adapter
from adapters.kit.framing import MAX_MESSAGE_BYTES
from gateway import clock
from gateway.directory import Directory
from gateway.disclosure_log import entry
from gateway.event_queue import EventQueue, Pushback
from gateway.feeds.contract import Answer
from gateway.feeds.seen import Once, OnceHere
from gateway.feeds.verdict import verdict
from gateway.metrics import EVENTS
from gateway.model.event import Event
from gateway.model.posted import Conflict, Posted, Receipt
from gateway.model.problem import MalformedEvent, Problem
from gateway.receive import (
    Fed,
    NeedsHuman,
    Receiving,
    Request,
    UntrustedSource,
    receive,
    receive_fed,
)
from gateway.shards import shard_at
from gateway.store.acceptance import Acceptance
from gateway.store.group_commit import Staged
from gateway.store.store import Store
from gateway.traces import Traces
from gateway.waking import Handed, Wake

_LOG = structlog.get_logger()


class Intake:
    """Takes events in. One per process that accepts."""

    def __init__(
        self,
        *,
        store: Store,
        directory: Directory,
        adapters: Mapping[str, Adapter],
        clock: Callable[[], datetime],
        new_id: Callable[[str], str],
        traces: Traces,
        queue: EventQueue,
        bound: int,
        wake: Wake | None,
        called: Once | None = None,
    ) -> None:
        """Build it.

        Args:
            store: Where it is made durable.
            directory: Who may post.
            adapters: By name.
            clock: Aware UTC.
            new_id: Makes ids.
            traces: Of requests.
            queue: Where events of the own shards go on.
            bound: Events that may wait there.
            wake: Tells the owners of other shards; None: there are none to tell.
            called: Remembers the fetched messages a human was called for; None: here alone.
        """
        self._store = store
        self._shards = store.shards
        self._directory = directory
        self._adapters = adapters
        self._clock = clock
        self._new_id = new_id
        self._traces = traces
        self._queue = queue
        self._bound = bound
        self._wake = wake
        self._posting = 0  # events of the requests being accepted now; one if not yet known
        self._called = called or OnceHere()  # fetched messages a human was called for

    async def post(self, request: Request) -> Receipt | Conflict:
        """Accept a request durably, once, and set its events going.

        Raises:
            Pushback: too many events await a decision.
            What `receive` raises; StoreUnavailable.
        """
        try:
            return await self._take(
                lambda now: receive(request, self._receiving(now)), request.adapter
            )
        except NeedsHuman as error:
            await self._call_a_human(error)
            raise error.unsupported from None

    async def feed(self, fed: Fed) -> Answer:
        """Accept a fetched message as `post` does, and say what its source may be told.

        Raises:
            Never, but for cancellation.
        """
        return await verdict(fed, self._take_fed(fed))

    async def _take_fed(self, fed: Fed) -> Receipt | Conflict:
        if len(fed.body) > MAX_MESSAGE_BYTES:
            raise MalformedEvent(Problem(path="$", reason=f"larger than {MAX_MESSAGE_BYTES} bytes"))
        try:
            return await self._take(lambda now: receive_fed(fed, self._receiving(now)), fed.adapter)
        except NeedsHuman as error:
            # A source offers what was refused again and again: the trace is left once.
            if await self._called.is_first(fed.feed, fed.message_id):
                try:
                    await self._call_a_human(error)
                except BaseException:
                    await self._called.forget(fed.feed, fed.message_id)
                    raise
            raise error.unsupported from None

    async def _take(
        self, read: Callable[[datetime], Posted], adapter: str | None
    ) -> Receipt | Conflict:
        if len(self._queue) + self._posting >= self._bound:
            raise Pushback(retry_after_s=2)
        self._posting += 1
        try:
            with self._traces.stage("receive") as span:
                acceptance = await self._accept(read, adapter)
                span.about(*(event.ref for event in acceptance.new))
                span.say(events=len(acceptance.new))
        finally:
            self._posting -= 1
        for event in acceptance.new:
            EVENTS.labels(event.kind).inc()
            self._hand_on(event)
        return acceptance.answer

    def _hand_on(self, event: Event) -> None:
        """Set an event going that is durable: here, or where its shard is owned."""
        slot = self._shards.slot_for(event.person)
        if self._shards.owns(slot):
            self._queue.add(event)
        elif self._wake is not None:
            self._wake.wake([Handed(shard_at(slot), event.ref)])

    async def _call_a_human(self, error: NeedsHuman) -> None:
        """Leave a trace of what was refused because nobody but a human can read it."""
        _LOG.error("event needs a human", agency=error.agency)
        logged = entry.security(at=self._clock(), code="event-needs-human", agency=error.agency)
        await self._store.commit(lambda _connection: Staged(None, [logged.encode()]))

    async def _accept(self, read: Callable[[datetime], Posted], adapter: str | None) -> Acceptance:
        now = self._clock()
        try:
            posted = read(now)
        except UntrustedSource:
            if not self._directory.refresh():
                raise
            posted = read(now)
        agency = self._directory.agencies[posted.agency]
        more = len(posted.events) - 1
        self._posting += more
        try:
            acceptance = await self._store.accept(
                posted,
                now=now,
                today=clock.day(now),
                organisation_class=agency.organisation_class,
                new_id=self._new_id,
            )
        finally:
            self._posting -= more
        if posted.unread and acceptance.new:
            _LOG.info(
                "members not read", count=posted.unread, adapter=adapter, agency=posted.agency
            )
        return acceptance

    def _receiving(self, now: datetime) -> Receiving:
        return Receiving(
            find_agency=self._directory.find_agency,
            may_post=self._directory.may_post,
            adapters=self._adapters,
            now=now,
        )
