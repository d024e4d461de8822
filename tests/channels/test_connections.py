"""What one receiver does with a connection is no other alert's affair."""

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from aiohttp import ClientSession

from gateway.channels import connections
from gateway.channels.connections import (
    LOOKUP_THREADS,
    MAX_CONNECTIONS,
    MAX_CONNECTIONS_PER_HOST,
    MAX_INTERIM,
    OwnThreads,
)
from gateway.channels.http_client import GuardedClient, Reply
from gateway.channels.outbound import OutboundPolicy, guarded_connector
from gateway.demo.servers.certificates import LoopbackCertificates
from gateway.demo.servers.webhook import WebhookReceiver
from gateway.model.outcome import Deferred
from tests.channels.scripted import answering, listening, never_answer

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
BAD_REPLY = Deferred(reason="bad-reply", outcome_unknown=True)


def _client(
    certificates: LoopbackCertificates, policy: OutboundPolicy, timeout_s: float = 3
) -> GuardedClient:
    return GuardedClient(
        policy=policy,
        ssl_context=certificates.client_context,
        timeout_s=timeout_s,
        user_agent="test",
    )


async def _post(client: GuardedClient, port: int, *, host: str = "127.0.0.1") -> object:
    reply = await client.exchange("POST", f"https://{host}:{port}/", headers={}, body=b"x")
    return reply.status if isinstance(reply, Reply) else reply


@pytest.mark.parametrize("pause_s", [0, 0.05], ids=["at once", "later"])
@pytest.mark.parametrize("unasked", [OK, b"\r\n", b"x", b"HTTP/1.1 100 Continue\r\n\r\n"])
async def test_what_nobody_asked_for_is_never_the_answer_to_the_next_request(
    certificates: LoopbackCertificates, loopback: OutboundPolicy, unasked: bytes, pause_s: float
) -> None:
    async def twice(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK)
        await asyncio.sleep(pause_s)
        writer.write(unasked)
        await never_answer(reader, writer)

    async with listening(twice, tls=certificates.server_context) as server:
        client = _client(certificates, loopback, timeout_s=0.5)
        assert await _post(client, server.port) in (200, BAD_REPLY)
        await asyncio.sleep(0.2)
        # A new connection answers the second, or nobody does: never what was sent before it.
        second = await _post(client, server.port)
        await client.close()
        fresh = server.connections == 2
    assert (second != Deferred(reason="timeout", outcome_unknown=True)) == fresh
    assert fresh or (unasked != OK and not pause_s)


async def test_a_few_interim_replies_are_passed_over_and_many_are_not_waited_out(
    certificates: LoopbackCertificates, loopback: OutboundPolicy
) -> None:
    interim = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
    for count, expected in ((0, 200), (MAX_INTERIM, 200), (MAX_INTERIM + 1, BAD_REPLY)):
        handler = answering(interim * count + OK)
        async with listening(handler, tls=certificates.server_context) as server:
            client = _client(certificates, loopback)
            assert await _post(client, server.port) == expected
            await client.close()


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;", 200),
        (b"HTTP/1.1 200 OK\r\nX: ", BAD_REPLY),
        (b"HTTP/1.1 200 ", BAD_REPLY),
        (b"", BAD_REPLY),
    ],
    ids=["chunk extension", "header", "status line", "no HTTP"],
)
async def test_an_endless_part_of_a_reply_ends_at_a_megabyte_not_at_the_deadline(
    certificates: LoopbackCertificates, loopback: OutboundPolicy, head: bytes, expected: object
) -> None:
    handler = answering(head, then="repeat")
    async with listening(handler, tls=certificates.server_context) as server:
        client = _client(certificates, loopback, timeout_s=30)
        began = time.monotonic()
        assert await _post(client, server.port) == expected
        assert time.monotonic() - began < 5
        await client.close()


async def test_a_long_reply_is_to_be_had_where_it_is_wanted(
    certificates: LoopbackCertificates, loopback: OutboundPolicy
) -> None:
    length = 3_000_000
    reply = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % length + b"x" * length
    async with listening(answering(reply), tls=certificates.server_context) as server:
        connector = guarded_connector(loopback, certificates.client_context)
        async with (
            ClientSession(connector=connector) as session,
            session.get(f"https://127.0.0.1:{server.port}/") as answer,
        ):
            assert len(await answer.read()) == length


async def test_one_host_never_holds_more_connections_than_its_share(
    certificates: LoopbackCertificates, loopback: OutboundPolicy
) -> None:
    tls = certificates.server_context
    async with listening(never_answer, tls=tls) as silent, WebhookReceiver(certificates) as good:
        client = _client(certificates, loopback)
        stuck = [asyncio.ensure_future(_post(client, silent.port)) for _ in range(200)]
        await asyncio.sleep(0.5)
        assert await _post(client, good.port) == 204
        assert silent.connections == MAX_CONNECTIONS_PER_HOST
        await _end(stuck)
        await client.close()


async def test_many_hosts_that_hang_leave_room_for_one_that_works(
    certificates: LoopbackCertificates, loopback: OutboundPolicy
) -> None:
    hosts = MAX_CONNECTIONS // MAX_CONNECTIONS_PER_HOST + 4
    async with (
        WebhookReceiver(certificates) as good,
        listening(never_answer, host="0.0.0.0") as silent,
    ):
        client = _client(certificates, loopback, timeout_s=60)
        stuck = [
            asyncio.ensure_future(_post(client, silent.port, host=f"127.0.1.{host + 1}"))
            for host in range(hosts)
            for _ in range(MAX_CONNECTIONS_PER_HOST)
        ]
        await _until(lambda: silent.connections >= MAX_CONNECTIONS // 2)
        assert silent.connections < MAX_CONNECTIONS
        answers = [asyncio.ensure_future(_post(client, good.port)) for _ in range(50)]
        assert set(await asyncio.wait_for(asyncio.gather(*answers), 5)) == {204}
        assert not any(attempt.done() for attempt in stuck)
        await _end(stuck)
        await client.close()


async def test_a_host_that_waited_for_its_share_gets_it_when_there_is_room_again(
    certificates: LoopbackCertificates, loopback: OutboundPolicy
) -> None:
    async with (
        WebhookReceiver(certificates) as good,
        listening(never_answer, host="0.0.0.0") as silent,
    ):
        client = _client(certificates, loopback, timeout_s=60)
        stuck = [
            asyncio.ensure_future(_post(client, silent.port, host=f"127.0.1.{host + 1}"))
            for host in range(20)
            for _ in range(MAX_CONNECTIONS_PER_HOST)
        ]
        await _until(lambda: silent.connections >= MAX_CONNECTIONS // 2)
        answers = [asyncio.ensure_future(_post(client, good.port)) for _ in range(200)]
        await _end(stuck)
        assert set(await asyncio.wait_for(asyncio.gather(*answers), 10)) == {204}
        await client.close()


async def test_with_many_connections_open_none_is_kept_idle(
    certificates: LoopbackCertificates,
    loopback: OutboundPolicy,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connections, "MAX_KEPT", 5)
    async with WebhookReceiver(certificates) as good:
        connector = guarded_connector(loopback, certificates.client_context)
        async with ClientSession(connector=connector) as session:

            async def post() -> None:
                async with session.post(good.url, data=b"x") as answer:
                    assert answer.status == 204

            await asyncio.gather(*(post() for _ in range(30)))
            await asyncio.sleep(0.05)
            assert connector.connections <= 5
            await post()
            assert connector.connections >= 1


async def test_names_that_nobody_answers_for_hold_up_no_other_name_and_no_other_work(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answer = threading.Event()
    real = socket.getaddrinfo

    def look_up(host: str, *rest: Any, **named: Any) -> Any:
        if host.startswith("silent"):
            answer.wait(30)
            raise socket.gaierror(socket.EAI_AGAIN, "no answer")
        return real(host, *rest, **named)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    resolver = OwnThreads()
    stuck = [
        asyncio.ensure_future(resolver.resolve(f"silent{n}.example.org", 443))
        for n in range(LOOKUP_THREADS - 1)
    ]
    try:
        await asyncio.sleep(0.05)
        found = await asyncio.wait_for(resolver.resolve("localhost", 443), 5)
        assert "127.0.0.1" in {each["host"] for each in found}
        assert await asyncio.wait_for(asyncio.to_thread(threading.active_count), 5) > 1
        assert not any(each.done() for each in stuck)
    finally:
        answer.set()
    failed = await asyncio.gather(*stuck, return_exceptions=True)
    assert {type(each) for each in failed} == {socket.gaierror}
    await resolver.close()


async def _until(reached: Callable[[], bool]) -> None:
    for _ in range(400):
        if reached():
            return
        await asyncio.sleep(0.05)
    raise AssertionError("never reached")


async def _end(tasks: Sequence[asyncio.Future[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
