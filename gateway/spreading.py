"""Spreading, put together: what goes over Redis in one process of an instance that names one."""

import random
import time
from collections.abc import Collection, Sequence
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING

from gateway import clock
from gateway.config import Config
from gateway.delivery.breaker import BreakerTerms
from gateway.model.ids import EventRef
from gateway.store import handing
from gateway.store.store import Store
from gateway.waking import Handed
from keys.providers.secret_file import read_secret

if TYPE_CHECKING:
    from gateway.spread.spread import Spread


def spread_of(
    config: Config, store: Store, breaker: BreakerTerms, rng: random.Random
) -> "Spread | None":
    """Return what goes over Redis; None: the configuration names none. Opens nothing.

    Raises:
        KeyProblem: the file with its password cannot be used.
    """
    if config.redis is None:
        return None
    # Here, for an embedded gateway has no Redis client installed.
    from gateway.spread.connections import RedisTerms
    from gateway.spread.spread import Spread, SpreadTerms

    async def undecided(shards: AbstractSet[int], limit: int) -> Sequence[Handed]:
        return handing.undecided(store.reader, shards, limit)

    async def settled(events: Sequence[EventRef]) -> Collection[EventRef]:
        return handing.settled(store.reader, events)

    terms = SpreadTerms(
        redis=RedisTerms.of(config.redis, path=config.path, secret=read_secret),
        instance=config.instance.name,
        key=store.sealed.derive("spread"),
        process=clock.new_id("own").removeprefix("own_"),
        breaker=breaker,
        undecided=undecided,
        settled=settled,
        rng=rng,
        monotonic=time.monotonic,
        processes=lambda: store.shards.holders,
    )
    return Spread(terms)
