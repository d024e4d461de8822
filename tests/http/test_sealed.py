"""Ciphertext to collect: to whoever holds the token, whole, and to nobody else."""

import hmac
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestClient, TestServer
from yarl import URL

from gateway.http.sealed import routes
from gateway.store.sqlite import StoreUnavailable

ALERT: Final = "alt_0193f2b0"
TOKEN: Final = "canary-token-of-22-chars"
SEALED: Final = b'{"v":1,"enc":"AAEC","ciphertext":"' + b"A" * 50_000 + b'"}'
PATH: Final = f"/v1/alerts/{ALERT}/sealed/{TOKEN}"


class Held:
    """What the gateway holds, and every question it was asked."""

    def __init__(self, error: StoreUnavailable | None = None) -> None:
        self.asked: list[tuple[str, str]] = []
        self._error = error

    async def find(self, alert: str, token: str) -> bytes | None:
        self.asked.append((alert, token))
        if self._error:
            raise self._error
        known = hmac.compare_digest(f"{alert}/{token}".encode(), f"{ALERT}/{TOKEN}".encode())
        return SEALED if known else None


@asynccontextmanager
async def _served(held: Held) -> AsyncIterator[TestClient[web.Request, web.Application]]:
    application = web.Application()
    application.add_routes(routes(held.find))
    async with TestClient(TestServer(application)) as client:
        yield client


async def test_the_token_brings_the_very_bytes() -> None:
    held = Held()
    async with _served(held) as client:
        answer = await client.get(PATH)
        assert (answer.status, await answer.read()) == (200, SEALED)
        assert answer.content_type == "application/octet-stream"
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert held.asked == [(ALERT, TOKEN)]


@pytest.mark.parametrize(
    "path",
    [
        f"/v1/alerts/{ALERT}/sealed/{TOKEN}x",
        f"/v1/alerts/{ALERT}/sealed/{TOKEN[:-1]}",
        f"/v1/alerts/{ALERT}/sealed/{TOKEN.upper()}",
        f"/v1/alerts/{ALERT}/sealed/",
        f"/v1/alerts//sealed/{TOKEN}",
        f"/v1/alerts/other/sealed/{TOKEN}",
        f"/v1/alerts/{ALERT}/sealed/%00",
        f"/v1/alerts/{ALERT}/sealed/%C3%A9%F0%9F%98%80",
        f"/v1/alerts/{ALERT}/sealed/..%2F..%2Fetc",
        f"/v1/alerts/{ALERT}/sealed/" + "x" * 4000,
    ],
    ids=lambda path: path[:60],
)
async def test_every_path_that_leads_to_nothing_gets_the_same_answer(path: str) -> None:
    async with _served(Held()) as client:
        wanted = await client.get(f"/v1/alerts/{ALERT}/sealed/guess")
        answer = await client.get(URL(path, encoded=True))
        assert wanted.status == 404
        assert (answer.status, await answer.read()) == (404, await wanted.read())
        named = [set(each.headers) for each in (wanted, answer)]
        assert named[0] == named[1]
        assert TOKEN.encode() not in await answer.read()


@pytest.mark.parametrize("method", ["HEAD", "POST", "PUT", "DELETE", "OPTIONS"])
async def test_nothing_but_a_get_is_a_fetch(method: str) -> None:
    held = Held()
    async with _served(held) as client:
        for path in (PATH, PATH + "x"):
            assert (await client.request(method, path)).status == 405
    assert held.asked == []


@pytest.mark.parametrize("wanted", ["bytes=0-0", "bytes=0-", "lines=1-2", ""])
async def test_a_part_is_not_to_be_had_and_no_fetch_is_recorded(wanted: str) -> None:
    held = Held()
    async with _served(held) as client:
        answers = [await client.get(path, headers={"Range": wanted}) for path in (PATH, PATH + "x")]
        assert [answer.status for answer in answers] == [416, 416]
        assert await answers[0].read() == await answers[1].read()
    assert held.asked == []


async def test_what_a_client_says_it_has_already_makes_no_difference() -> None:
    async with _served(Held()) as client:
        headers = {
            "If-None-Match": "*",
            "If-Modified-Since": "Fri, 20 Nov 2099 09:30:00 GMT",
            "Accept-Encoding": "gzip",
        }
        answer = await client.get(PATH, headers=headers)
        assert (answer.status, await answer.read()) == (200, SEALED)
        assert "Content-Encoding" not in answer.headers


async def test_a_store_that_cannot_answer_says_when_to_come_again() -> None:
    async with _served(Held(StoreUnavailable("busy", "the store is busy"))) as client:
        answer = await client.get(PATH)
        assert answer.status == 503
        assert int(answer.headers["Retry-After"]) > 0
        assert (await answer.json())["type"] == "urn:throughgate:problem:busy"


async def test_many_may_fetch_at_once() -> None:
    held = Held()
    async with _served(held) as client, ClientSession() as http:
        url = client.make_url(PATH)
        for _ in range(5):
            async with http.get(url) as answer:
                assert await answer.read() == SEALED
    assert len(held.asked) == 5
