from collections.abc import AsyncIterator

import pytest_asyncio

from tests.support.redis import RedisServer, redis_running


@pytest_asyncio.fixture
async def server() -> AsyncIterator[RedisServer]:
    async with redis_running() as one:
        yield one
