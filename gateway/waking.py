"""Waking: who accepted an event tells the owner of its shard that there is work.

A wake-up says "look", and may carry which events are new. What there is to do is always read from
SQL, so a wake-up may come late, twice, for nothing, or never: who waits looks by itself when the
time is up. Nothing here raises but for cancellation, and `wake` never blocks.
"""

import asyncio
import contextlib
from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from typing import Final, NamedTuple, Protocol

from gateway.model.ids import EventRef

POLL_S: Final = 0.2  # between two looks of an owner that is idle and was not woken


class Handed(NamedTuple):
    """One event its owner may not know of yet."""

    shard: int  # 0..31
    ref: EventRef


class Wake(Protocol):
    """Tells owners of shards of work, whichever process of whichever host they are."""

    def wake(self, handed: Iterable[Handed]) -> None:
        """Tell the owners of events that are durable now. Returns at once; may lose any."""

    async def wait(self, timeout_s: float) -> AbstractSet[int]:
        """Return when one of the shards this process owns has work, or when the time is up.

        Returns the shards woken; empty: the time is up, or whoever knows is away.
        """

    def done(self, handed: Iterable[Handed]) -> None:
        """Take back what was handed: these events are decided, or held, durably."""

    def own(self, shards: AbstractSet[int]) -> None:
        """Say which shards this process owns from now on: `wait` heeds those alone."""


class Alone:
    """Wakes this process alone: what another accepted is found by polling."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()
        self._woken: set[int] = set()
        self._own: AbstractSet[int] = frozenset()

    def wake(self, handed: Iterable[Handed]) -> None:
        """Wake whoever waits, where this process owns one of the shards."""
        self._woken.update(one.shard for one in handed if one.shard in self._own)
        if self._woken:
            self._rung.set()

    async def wait(self, timeout_s: float) -> AbstractSet[int]:
        """Return as soon as something was woken, or when the time is up."""
        with contextlib.suppress(TimeoutError):
            # Not `wait_for`: before Python 3.12 it may lose a cancellation.
            async with asyncio.timeout(timeout_s):
                await self._rung.wait()
        self._rung.clear()
        woken, self._woken = self._woken, set()
        return woken

    def done(self, handed: Iterable[Handed]) -> None:
        """Forget: nothing is remembered here."""

    def own(self, shards: AbstractSet[int]) -> None:
        """Heed these shards alone."""
        self._own = shards
