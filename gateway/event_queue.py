"""Accepted events on their way to a decision: each person's in turn, different persons at once."""

import asyncio
from collections import deque
from collections.abc import Set as AbstractSet

from gateway.metrics import UNDECIDED
from gateway.model.event import Event
from gateway.model.ids import EventRef, PersonRef


class Pushback(Exception):
    """The gateway is behind: the sender should try again after `retry_after_s` seconds."""

    def __init__(self, retry_after_s: int) -> None:
        self.retry_after_s = retry_after_s
        super().__init__("too much is waiting to be decided")


class EventQueue:
    """Hands out events so that no person has two under decision at once. Unbounded: who adds
    looks at `len` first."""

    def __init__(self) -> None:
        self._waiting: asyncio.Queue[Event] = asyncio.Queue()
        self._known: set[EventRef] = set()  # waiting or under decision
        self._behind: dict[PersonRef, deque[Event]] = {}  # events of a person who has one out

    def __len__(self) -> int:
        return len(self._known)

    def __contains__(self, ref: object) -> bool:
        return ref in self._known

    def add(self, event: Event) -> None:
        """Take an event in, unless it is in already."""
        if event.ref in self._known:
            return
        self._known.add(event.ref)
        UNDECIDED.set(len(self._known))
        behind = self._behind.get(event.person)
        if behind is None:
            self._behind[event.person] = deque()
            self._waiting.put_nowait(event)
        else:
            behind.append(event)

    @property
    def persons(self) -> AbstractSet[PersonRef]:
        """Whom what is waiting or under decision is about."""
        return self._behind.keys()

    def clear(self) -> None:
        """Forget what waits; what is under decision is given back with `done`."""
        while not self._waiting.empty():
            event = self._waiting.get_nowait()
            self._known.difference_update(one.ref for one in (event, *self._behind[event.person]))
            del self._behind[event.person]
        for behind in self._behind.values():
            self._known.difference_update(one.ref for one in behind)
            behind.clear()
        UNDECIDED.set(len(self._known))

    async def next(self) -> Event:
        """Return the next event to decide; give it back with `done`."""
        return await self._waiting.get()

    def done(self, event: Event) -> None:
        """Let go of an event, decided or not; the person's next may go out."""
        self._known.discard(event.ref)
        UNDECIDED.set(len(self._known))
        behind = self._behind[event.person]
        if behind:
            self._waiting.put_nowait(behind.popleft())
        else:
            del self._behind[event.person]
