"""Shards: all work in thirty-two parts by person, and which of them this process owns.

Embedded, worker k of n owns every n-th, for as long as it lives: one lock keeps other gateways
out. Scaled, a process owns what it holds a lease on, each under a token that rises with every
change of hands; `gateway.leasing` keeps them. Here is only what it believes: `gateway.store.leases`
asks the database, in the transaction that would write.
"""

import time
import zlib
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Final, TypeAlias

from gateway.loops import Loop, only_while
from gateway.model.ids import PersonRef

SHARDS: Final = 32
EVERY: Final = (1 << SHARDS) - 1
FIRST: Final = 0  # its owner does what one process does for all: chases, escalates, witnesses

# What work begun under goes on under: shard -> token. None: there are no leases here.
Tokens: TypeAlias = Mapping[int, int] | None

_NO_TOKENS: Final[Mapping[int, int]] = MappingProxyType({})


def shard_of(person: PersonRef) -> int:
    """Return the shard of a person's work, the same in every process of every version."""
    return zlib.crc32(person.encode()) % SHARDS


def shard_at(slot: int) -> int:
    """Return the shard of a row. What the command line inserts has a negative slot."""
    return abs(slot) % SHARDS


def while_first(shards: "Shards", loop: Loop) -> Loop:
    """Return the loop that does what one process does for all, while this is the one."""
    return only_while(lambda: shards.is_first, loop) if shards.may_change else loop


def mask_of(shards: Iterable[int]) -> int:
    """Return shards as one number, a bit each."""
    mask = 0
    for shard in shards:
        mask |= 1 << shard
    return mask


def in_mask(mask: int) -> frozenset[int]:
    """Return the shards of a mask."""
    return frozenset(shard for shard in range(SHARDS) if mask >> shard & 1)


class Shards:
    """What one process owns. Changed by one loop of it, read by all."""

    def __init__(
        self,
        owned: int,
        *,
        slot: int | None,
        holders: int = 1,
        leased: bool = False,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._owned = owned
        self._slot = slot
        self._tokens: Mapping[int, int] = _NO_TOKENS
        self._until = 0.0
        self._to_begin = owned
        self._monotonic = monotonic
        self.leased = leased
        self.holders = holders  # processes that own shards, this one included

    @classmethod
    def of_worker(cls, slot: int, slots: int, *, resting: bool = False) -> "Shards":
        """Return what worker `slot` of `slots` owns; one that rests owns nothing until it begins.

        The command line is worker -1, which owns nothing.
        """
        owned = mask_of(shard for shard in range(SHARDS) if shard % slots == slot)
        shards = cls(owned, slot=slot, holders=slots)
        if resting:
            shards._owned = 0
        return shards

    @classmethod
    def by_lease(cls, *, monotonic: Callable[[], float] = time.monotonic) -> "Shards":
        """Return what a process of the scaled form owns: nothing, until it holds a lease."""
        return cls(0, slot=None, leased=True, monotonic=monotonic)

    def begin(self) -> None:
        """Own what this worker is to own: the one before it has ended."""
        self._owned = self._to_begin

    @property
    def mask(self) -> int:
        """What may be worked on now, a bit for each shard; nothing once a lease may have ended."""
        if self.leased and self._monotonic() >= self._until:
            return 0
        return self._owned

    @property
    def may_be_first(self) -> bool:
        """Whether this process may ever do what one does for all."""
        return self._slot in {None, 0}

    @property
    def may_change(self) -> bool:
        """Whether what is owned may become more or less."""
        return self.leased or self._owned != self._to_begin

    @property
    def is_first(self) -> bool:
        """Whether this process does what one does for all."""
        return self.mask & 1 == 1

    def owns(self, slot: int) -> bool:
        """Return whether a row of this slot may be worked on by this process now."""
        return self.mask >> abs(slot) % SHARDS & 1 == 1

    def slot_for(self, person: PersonRef) -> int:
        """Return the slot of new work about a person: this worker's own, or their shard."""
        return shard_of(person) if self._slot is None else self._slot

    @property
    def tokens(self) -> Tokens:
        """The tokens work is begun under. They are never changed, only replaced."""
        return self._tokens if self.leased else None

    def hold(
        self, tokens: Mapping[int, int], *, until: float, rests: int = 0, holders: int = 1
    ) -> int:
        """Own these by lease; return the mask of what is owned no more.

        Args:
            tokens: Of every lease held, by shard.
            until: When the first of them may end, in seconds of the own monotonic clock.
            rests: Shards to begin nothing new of: they are being handed over.
            holders: Processes that own shards, this one included.
        """
        before, self.holders = self._owned, holders
        self._tokens = MappingProxyType(dict(tokens))
        self._until = until
        self._owned = mask_of(tokens) & ~rests
        return before & ~self._owned
