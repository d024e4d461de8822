"""What Redis holds: names of ours, ids, digests and numbers; of nothing else a single byte."""

import asyncio
import contextlib
import re
import time
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.channels.sms.caps import Caps
from gateway.delivery.breaker import BreakerTerms
from gateway.model.ids import EndpointId
from gateway.spread.names import Names
from tests.spread.parts import EVERY, KEY, NAME, Truth, aged, handed, running, spread_terms, until
from tests.support.redis import RedisServer, redis_running

PREFIX = re.escape(f"tg:{{{NAME}}}:")
KINDS = r"(epoch|live|breakers|stream:\d+|probe:@|rate:@|texts:@|once:called:@)"
KEYS = re.compile(PREFIX + KINDS.replace("@", "[0-9a-f]{32}"))
VALUES = {
    "epoch": re.compile(r"\d+-[0-9a-z]+"),
    "live": re.compile(r"[0-9a-f]{16}|\d+(\.\d+)?"),
    "breakers": re.compile(r"[0-9a-f]{32}|\d+:\d+"),
    "stream": re.compile(r"e|evt_[0-9a-f]{32}"),
    "probe": re.compile(r"[0-9a-f]{16}"),
    "rate": re.compile(r"t|at|\d+(\.\d+)?"),
    "texts": re.compile(r"[0-9a-f]{32}:[0-9a-f]{16}-\d+|[\d.e+]+"),
    "once": re.compile(r"1"),
}
READS = {
    b"string": ("GET",), b"hash": ("HGETALL",), b"zset": ("ZRANGE", 0, -1, "WITHSCORES"),
    b"stream": ("XRANGE", "-", "+"),
}  # fmt: skip
TERMS = BreakerTerms(failures=1, shortest_s=0.01, longest_s=0.01)

free = st.text(min_size=1, max_size=40)


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    opened = redis_running()
    with asyncio.Runner() as runner:
        yield runner.run(opened.__aenter__())
        runner.run(opened.__aexit__(None, None, None))


def words(value: object) -> Iterator[str]:
    """Yield every word of a reply, however deep."""
    if isinstance(value, dict):
        value = list(value.items())
    if isinstance(value, list | tuple | set):
        for one in value:
            yield from words(one)
    elif isinstance(value, bytes):
        yield value.decode()
    else:
        yield str(value)


def held(server: RedisServer) -> Iterator[tuple[str, str]]:
    """Yield the kind of every key there is, with each word of what it holds."""
    for key in server.command("KEYS", "*"):
        name = key.decode()
        assert KEYS.fullmatch(name), name
        kind = name.removeprefix(f"tg:{{{NAME}}}:").partition(":")[0]
        command, *rest = READS[server.command("TYPE", key)]
        value = server.command(command, key, *rest)
        if kind == "stream":
            value = [fields for _id, fields in value]
        for word in words(value):
            yield kind, word


async def use_everything(server: RedisServer, text: str, other: str) -> None:
    server.flush()
    aged(server)
    truth, events = Truth(), handed(3, (0, 5))
    truth.accept(events)
    endpoint = EndpointId(text)
    terms = spread_terms(server, truth, breaker=TERMS)
    async with running(terms) as api, running(terms, own=EVERY) as spread:
        api.wake.wake(events)
        rate = spread.rates.of(endpoint)
        rate.limit(600)
        await until(lambda: rate.wait(time.monotonic()) == 0.0)
        rate.take(time.monotonic())
        breaker = spread.breakers.of(endpoint)
        breaker.ended("failed", time.monotonic(), probe=breaker.begin(time.monotonic()))
        await until(lambda: breaker.wait(time.monotonic()) == 0.0)
        await spread.caps(Caps()).take(text, other, urgent=True, at=0.0)
        await spread.called.is_first(text, other)
        await until(lambda: len(spread.wake.unsettled) == len(events))
        await until(lambda: bool(server.command("EXISTS", Names(NAME, KEY).rate(endpoint))))


@settings(max_examples=5, deadline=None)
@given(text=free, other=free)
def test_only_ids_digests_and_numbers_go_in(server: RedisServer, text: str, other: str) -> None:
    asyncio.run(use_everything(server, text, other))
    kinds = set()
    for kind, word in held(server):
        kinds.add(kind)
        assert VALUES[kind].fullmatch(word), (kind, word)
    assert kinds >= {"epoch", "breakers", "stream", "probe", "rate", "texts", "once"}


@given(what=st.sampled_from(["endpoint", "number", "text"]), text=free, other=free)
def test_a_digest_says_nothing_without_its_key(what: str, text: str, other: str) -> None:
    names = Names(NAME, KEY)
    assert re.fullmatch("[0-9a-f]{32}", names.digest(what, text))
    assert (names.digest(what, text) == names.digest(what, other)) == (text == other)
    assert names.digest(what, text) != Names(NAME, KEY[::-1]).digest(what, text)
    assert names.digest(what, text) != names.digest(what + "s", text)


def test_two_instances_share_no_key() -> None:
    one, two = Names("a.example/x", KEY), Names("a.example/y", KEY)
    assert one.stream(3) != two.stream(3)
    assert one.rate("e") != two.rate("e")
    for shard in (-1, 32):
        with pytest.raises(ValueError, match=r"0\.\.31"):
            one.stream(shard)


async def test_nothing_free_is_said_on_the_line(server: RedisServer) -> None:
    """MONITOR shows every command with every word of it, the scripts' texts among them."""
    reader, writer = await asyncio.open_unix_connection(str(server.unix_socket))
    writer.write(b"MONITOR\r\n")
    heard = bytearray()
    listening = asyncio.create_task(_listen(reader, heard))
    number, secret = "+447700900123", "Jane Example, 7 High Street"
    await use_everything(server, number, secret)
    await until(lambda: b"ZREMRANGEBYSCORE" in heard)
    listening.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await listening
    writer.close()
    assert b"XADD" in heard
    for word in (number, number[1:], secret, "Jane", "High Street"):
        assert word.encode() not in heard


async def _listen(reader: asyncio.StreamReader, heard: bytearray) -> None:
    while chunk := await reader.read(65536):
        heard += chunk
