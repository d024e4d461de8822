"""Connections: nobody gets another's reply, nobody waits for long, nothing free goes in."""

import asyncio
import random
from collections.abc import Sequence
from pathlib import Path

import pytest
import trustme

from gateway.config.redis import RedisConfig
from gateway.spread.connections import Connections, RedisAway, RedisTerms, Refusal
from tests.spread.parts import SlowLine, redis_terms
from tests.support.redis import RedisServer, redis_running

STORM = 200


def here(path: Path) -> Path:
    return Path("/etc/throughgate") / path


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://localhost", RedisTerms(password="x")),
        (
            "rediss://gate@spread.example:7000/3",
            RedisTerms(
                host="spread.example", port=7000, tls=True, database=3, username="gate",
                password="x",
            ),
        ),
        ("unix:///run/redis.sock", RedisTerms(unix_socket="/run/redis.sock", password="x")),
    ],
)  # fmt: skip
def test_terms_are_what_the_configuration_says(url: str, expected: RedisTerms) -> None:
    section = RedisConfig(url=url, password_file=Path("redis-password"))
    terms = RedisTerms.of(section, path=here, secret=lambda _file: "x")
    assert terms == expected
    assert "password" not in repr(terms)


async def test_replies_come_in_order_and_refusals_are_values(server: RedisServer) -> None:
    connections = Connections(redis_terms(server))
    replies = await connections.batch(
        [("SET", "a", 1), ("XADD", "a", "*", "e", 1), ("INCR", "a"), ("NOSUCH",)]
    )
    assert replies == [b"OK", Refusal("WRONGTYPE"), 2, Refusal("ERR")]
    assert await connections.batch([("INCR", "a"), ("GET", "a")], atomic=True) == [3, b"3"]
    await connections.close()


@pytest.mark.parametrize("word", ["Jane Doe", "jane\nset", "é", "a" * 251, "7 High Street"])
async def test_free_text_is_not_sent(server: RedisServer, word: str) -> None:
    connections = Connections(redis_terms(server))
    with pytest.raises(ValueError, match="neither an id nor a number") as caught:
        await connections.one("SET", "a", word)
    assert word not in str(caught.value)
    assert server.command("DBSIZE") == 0
    await connections.close()


async def test_each_way_of_being_away_has_its_code(server: RedisServer) -> None:
    connections = Connections(redis_terms(server, timeout_s=0.3))
    assert await connections.one("PING") == b"PONG"
    server.cut_clients()
    assert await code_of(connections) == "cut"
    assert await connections.one("PING") == b"PONG"
    server.pause()
    assert await code_of(connections) == "timeout"
    server.go_on()
    assert await connections.one("PING") == b"PONG"
    server.command("REPLICAOF", "127.0.0.1", "1")
    assert await code_of(connections) == "readonly"
    server.command("REPLICAOF", "NO", "ONE")
    server.kill()
    assert await code_of(connections) == "cut"
    server.start()
    assert await connections.one("PING") == b"PONG"
    await connections.close()


async def code_of(connections: Connections) -> str:
    with pytest.raises(RedisAway) as caught:
        await connections.one("SET", "a", 1)
    return caught.value.code


async def test_a_server_that_is_loading_is_away(server: RedisServer) -> None:
    server.command("DEBUG", "POPULATE", 2000)
    server.command("CONFIG", "SET", "key-load-delay", 500)  # microseconds for each key
    server.command("CONFIG", "SET", "loading-process-events-interval-bytes", 1024)
    connections = Connections(redis_terms(server))
    reloading = asyncio.create_task(asyncio.to_thread(server.command, "DEBUG", "RELOAD"))
    codes = set()
    while not reloading.done():
        try:
            await connections.one("SET", "a", 1)
        except RedisAway as away:
            codes.add(away.code)
        await asyncio.sleep(0.02)
    await reloading
    assert codes == {"loading"}
    assert await connections.one("SET", "a", 1) == b"OK"
    await connections.close()


async def test_a_wrong_password_and_none_are_away() -> None:
    async with redis_running("--requirepass", "sesame") as server:
        for password in (None, "wrong"):
            terms = RedisTerms(host="127.0.0.1", port=server.port, password=password)
            connections = Connections(terms)
            with pytest.raises(RedisAway) as caught:
                await connections.one("PING")
            assert caught.value.code in {"noauth", "wrongpass", "cut"}
            assert "wrong" not in caught.value.args or password is None
            await connections.close()


async def test_over_tls_only_who_is_named_is_trusted(tmp_path: Path) -> None:
    authority, other = trustme.CA(), trustme.CA()
    mine = authority.issue_cert("127.0.0.1")
    mine.cert_chain_pems[0].write_to_path(str(tmp_path / "cert.pem"))
    mine.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    other.cert_pem.write_to_path(str(tmp_path / "other.pem"))
    files = [str(tmp_path / name) for name in ("cert.pem", "key.pem", "ca.pem")]
    async with redis_running(
        "--tls-cert-file", files[0], "--tls-key-file", files[1], "--tls-ca-cert-file", files[2],
        "--tls-auth-clients", "no",
    ) as server:  # fmt: skip
        plain = server.port
        server.command("CONFIG", "SET", "port", "0")
        server.command("CONFIG", "SET", "tls-port", str(plain))
        terms = RedisTerms(host="127.0.0.1", port=plain, tls=True, ca_file=files[2])
        connections = Connections(terms)
        assert await connections.one("PING") == b"PONG"
        await connections.close()
        server.command("CONFIG", "SET", "tls-protocols", "TLSv1.1")
        for ca_file in (files[2], str(tmp_path / "other.pem")):
            refused = Connections(
                RedisTerms(host="127.0.0.1", port=plain, tls=True, ca_file=ca_file)
            )
            with pytest.raises(RedisAway):
                await refused.one("PING")
            await refused.close()
            server.command("CONFIG", "SET", "tls-protocols", "TLSv1.2 TLSv1.3")


async def test_cancelled_commands_never_leave_another_their_reply(server: RedisServer) -> None:
    seed = random.randrange(2**32)
    rng = random.Random(seed)
    async with SlowLine(server, random.Random(seed + 1)).open() as terms:
        connections = Connections(terms)
        right = await storm(connections, rng, range(STORM))
        # Whatever was cut short before, the next one gets its own.
        assert await connections.one("ECHO", "last") == b"last", f"seed {seed}"
        await connections.close()
    assert right > 0, f"seed {seed}: every command was cancelled"


async def storm(connections: Connections, rng: random.Random, numbers: Sequence[int]) -> int:
    """Ask many things at once and cancel half of them at random; return how many were answered,
    each with its own reply."""

    async def ask(number: int) -> int:
        replies = await connections.batch([("ECHO", f"k{number}"), ("ECHO", f"v{number}")])
        assert replies == [f"k{number}".encode(), f"v{number}".encode()]
        return 1

    tasks = []
    for number in numbers:
        task = asyncio.create_task(ask(number))
        if rng.random() < 0.5:
            asyncio.get_running_loop().call_later(rng.uniform(0, 0.04), task.cancel)
        tasks.append(task)
        if rng.random() < 0.3:
            await asyncio.sleep(0.002)
    ended = await asyncio.gather(*tasks, return_exceptions=True)
    wrong = [one for one in ended if isinstance(one, Exception)]
    assert wrong == []
    return sum(one for one in ended if isinstance(one, int))


async def test_the_pool_is_bounded(server: RedisServer) -> None:
    connections = Connections(redis_terms(server))
    await asyncio.gather(*(connections.one("PING") for _ in range(100)))
    listed = server.command("CLIENT", "LIST", "TYPE", "normal").decode()
    assert len(listed.strip().splitlines()) <= 8 + 1  # and the one that asks
    await connections.close()
