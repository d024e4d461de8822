"""Loops that run for as long as a process does, or for as long as something holds."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeAlias

import structlog

from gateway.store.engine import StoreUnavailable

_LOG = structlog.get_logger()

_FOR_GOOD: Final = frozenset({"poisoned", "closed"})

Loop: TypeAlias = Callable[[], Coroutine[Any, Any, None]]  # runs until cancelled


AGAIN_S: Final = 0.5


def begun_again(loop: Loop) -> Loop:
    """Return the loop that begins another again when the store's absence has ended it: a database
    that restarts, or hangs, may not end what a process is for. Any other error ends it."""

    async def run() -> None:
        while True:
            try:
                return await loop()
            except StoreUnavailable as error:
                if error.code in _FOR_GOOD:
                    raise
                _LOG.warning("begun again without the store", code=error.code)
            await asyncio.sleep(AGAIN_S)

    return run


def only_while(holds: Callable[[], bool], loop: Loop, *, every_s: float = 1.0) -> Loop:
    """Return the loop that runs another while something holds: not begun before it does, cancelled
    when it does no more, begun again when it does again.

    Args:
        holds: Whether it may run now.
        loop: The other.
        every_s: How often that is looked at.
    """

    async def run() -> None:
        while True:
            while not holds():  # noqa: ASYNC110 - another process may be who ends that
                await asyncio.sleep(every_s)
            running = asyncio.create_task(loop())
            try:
                while not running.done() and holds():
                    await asyncio.wait([running], timeout=every_s)
                if running.done():
                    return running.result()
            finally:
                running.cancel()
                await asyncio.wait([running])

    return run
