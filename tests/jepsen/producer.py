"""The producer: posts signed events, again where no answer came, and writes down what it was told.

It repeats what was answered, posts some events in batches, reuses ids for other bytes, which must
be refused, and in a cancel storm hangs up in the middle of many requests at once.
"""

import asyncio
import contextlib
import hashlib
import random
from collections.abc import Sequence
from dataclasses import dataclass, field

import aiohttp
import orjson

from gateway.cli.post import message_id, signed_headers
from gateway.demo.cast import Poster
from tests.jepsen.journal import Journal
from tests.jepsen.plan import Plan
from tests.support.events import release_members

PERSONS = 60
SENDERS = 5
_TIMEOUT = aiohttp.ClientTimeout(total=3)


@dataclass(frozen=True, slots=True)
class Post:
    """One body, and the id it is posted under."""

    id: str
    body: bytes
    events: int


@dataclass(slots=True)
class Producer:
    """Posts as one agency, and keeps what is still without an answer."""

    plan: Plan
    poster: Poster
    journal: Journal
    answered: list[Post] = field(default_factory=list)
    left: dict[str, Post] = field(default_factory=dict)
    _made: int = 0
    _rng: random.Random = field(init=False)
    _stopping: bool = False

    def __post_init__(self) -> None:
        self._rng = self.plan.rng("producer")

    async def run(self) -> None:
        """Post until told to stop."""
        async with aiohttp.ClientSession(timeout=_TIMEOUT) as session:
            await asyncio.gather(*(self._sender(session) for _ in range(SENDERS)))

    def stop(self) -> None:
        """Take up no new post."""
        self._stopping = True

    async def settle(self) -> None:
        """Post what is left until each has its answer, as a sender would."""
        async with aiohttp.ClientSession(timeout=_TIMEOUT) as session:
            while self.left:
                waiting = list(self.left.values())
                for first in range(0, len(waiting), SENDERS):
                    some = waiting[first : first + SENDERS]
                    await asyncio.gather(*(self.post(session, one) for one in some))
                await asyncio.sleep(0.1)

    async def storm(self, rng: random.Random, requests: int = 25) -> None:
        """Begin many requests and hang up in the middle of each."""
        async with aiohttp.ClientSession(timeout=_TIMEOUT) as session:

            async def hang_up() -> None:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(rng.uniform(0.0, 0.04)):
                        await self.post(session, self._new())

            await asyncio.gather(*(hang_up() for _ in range(requests)))

    async def post(self, session: aiohttp.ClientSession, one: Post) -> None:
        """Post once and write down what came of it. Cancelled, nobody knows."""
        self.left.setdefault(one.id, one)
        digest = hashlib.sha256(one.body).hexdigest()
        number = self.journal.begin("post", id=one.id, digest=digest, events=one.events)
        told: dict[str, object] = {"state": "unknown"}
        try:
            told = await self._send(session, one)
        finally:
            self.journal.write("post", n=number, id=one.id, **told)
            if told["state"] == "ok" and self.left.pop(one.id, None) is not None:
                self.answered.append(one)

    async def _send(self, session: aiohttp.ClientSession, one: Post) -> dict[str, object]:
        agency = self.poster.agency.name
        headers = signed_headers(agency, self.poster.key, one.body)
        url = f"{self._rng.choice(self.plan.urls)}/v1/events"
        try:
            async with session.post(url, data=one.body, headers=headers) as response:
                answer = orjson.loads(await response.read())
                if response.status != 202:
                    return {"state": "fail", "status": response.status}
                return {"state": "ok", "receipt": answer["receipt"], "refs": answer["events"]}
        except aiohttp.ClientConnectorError:
            return {"state": "fail", "status": 0}
        except (aiohttp.ClientError, TimeoutError, orjson.JSONDecodeError):
            return {"state": "unknown"}

    async def _sender(self, session: aiohttp.ClientSession) -> None:
        while not self._stopping:
            chance = self._rng.random()
            if chance < 0.05 and self.answered:
                await self._reuse(session, self._rng.choice(self.answered))
            elif chance < 0.15 and self.answered:
                await self.post(session, self._rng.choice(self.answered))
                self._forget()
            elif chance < 0.5 and self.left:
                await self.post(session, self._rng.choice(list(self.left.values())))
            else:
                await self.post(session, self._new())
            await asyncio.sleep(self._rng.uniform(0.03, 0.15))

    def _forget(self) -> None:
        """Post no more of what a repeat was refused for: the first answer stands."""
        for one in self.answered:
            self.left.pop(one.id, None)

    async def _reuse(self, session: aiohttp.ClientSession, one: Post) -> None:
        """Post other bytes under an id that was answered: it must be refused."""
        if one.events != 1:
            return
        members = orjson.loads(one.body)
        members["data"]["custody"]["planned_date"] = "2026-05-21"
        await self.post(session, Post(one.id, orjson.dumps(members), 1))
        self._forget()

    def _new(self) -> Post:
        count = self._rng.choice((1, 1, 1, 1, 2, 5))
        events: Sequence[object] = [self._event() for _ in range(count)]
        body = orjson.dumps(events if count > 1 else events[0])
        return Post(message_id(body), body, count)

    def _event(self) -> object:
        self._made += 1
        person = self._rng.randrange(PERSONS)
        return release_members(person, id_=f"jepsen-{self._made}")
