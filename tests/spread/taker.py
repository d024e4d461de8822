"""A process that begins whatever a shared rate lets it, and prints when: seconds of the machine's
monotonic clock, one a line.

Arguments: Redis's port, what the endpoint takes in a minute, for how many seconds.
"""

import asyncio
import sys
import time

from gateway import operator_log
from gateway.model.ids import EndpointId
from tests.spread.parts import running, spread_terms
from tests.support.redis import RedisServer


async def take(server: RedisServer, per_minute: int, seconds: float) -> None:
    async with running(spread_terms(server)) as spread:
        rate = spread.rates.of(EndpointId("police-ppu/webhook"))
        rate.limit(per_minute)
        until = time.monotonic() + seconds
        while (now := time.monotonic()) < until:
            if rate.wait(now) == 0.0:
                rate.take(now)
                sys.stdout.write(f"{now:.6f}\n")
            else:
                await asyncio.sleep(0.005)


if __name__ == "__main__":
    operator_log.configure()  # to standard error
    port, per_minute, seconds = sys.argv[1:]
    asyncio.run(take(RedisServer(folder=None, port=int(port)), int(per_minute), float(seconds)))  # type: ignore[arg-type]
