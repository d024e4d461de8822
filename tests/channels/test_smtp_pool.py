"""The connections under the email channel: transparent to content, and kept only while fit."""

import pytest
from aiosmtplib import SMTPServerDisconnected

from gateway.channels.smtp_pool import Answer, Envelope, Progress, Relay, SmtpPool
from gateway.demo.servers.certificates import LoopbackCertificates
from gateway.demo.servers.mail import MailServer
from tests.channels.scripted import ScriptedRelay

ENVELOPE = Envelope(sender="a@example.org", recipient="b@example.org", id="alt_1")


def a_relay(certificates: LoopbackCertificates, port: int, *, password: str = "") -> Relay:
    return Relay(
        host="127.0.0.1",
        port=port,
        security="tls",
        ssl_context=certificates.client_context,
        hostname="gateway.example.org",
        username=None,
        password=password,
    )


async def _send(pool: SmtpPool, message: bytes, progress: Progress) -> Answer:
    async with pool.lease() as connection:
        return await connection.transact(ENVELOPE, message, progress=progress)


async def test_lines_that_begin_with_dots_arrive_as_they_were(
    certificates: LoopbackCertificates,
) -> None:
    message = b".\r\n..\r\n.x\r\nx.\r\n\r\n...\r\n"
    async with MailServer(certificates, security="tls") as server:
        pool = SmtpPool(a_relay(certificates, server.port), size=1)
        assert await _send(pool, message, Progress()) == Answer(verb="content", code=250)
        await pool.close()
    assert [mail.content for mail in server.messages] == [message]


async def test_progress_is_marked_by_the_content_and_by_nothing_before_it(
    certificates: LoopbackCertificates,
) -> None:
    relay = ScriptedRelay(certificates.server_context, script={"DATA": ["451 later"]})
    async with relay.running() as server:
        pool = SmtpPool(a_relay(certificates, server.port), size=1)
        marked = []
        for _ in range(2):
            progress = Progress()
            await _send(pool, b"x\r\n", progress)
            marked.append(progress.content_left)
        await pool.close()
    assert marked == [False, True]
    assert relay.commands("RSET") == 1


async def test_a_connection_whose_reset_is_refused_is_not_used(
    certificates: LoopbackCertificates,
) -> None:
    script = {"RCPT": ["550 no"], "RSET": ["500 what"]}
    relay = ScriptedRelay(certificates.server_context, script=script)
    async with relay.running() as server:
        pool = SmtpPool(a_relay(certificates, server.port), size=1)
        assert (await _send(pool, b"x\r\n", Progress())).code == 550
        with pytest.raises(SMTPServerDisconnected):
            await _send(pool, b"x\r\n", Progress())
        assert (await _send(pool, b"x\r\n", Progress())).code == 250
        assert server.connections == 2
        await pool.close()


async def test_a_connection_on_loan_when_the_pool_closes_is_dropped_when_given_back(
    certificates: LoopbackCertificates,
) -> None:
    relay = ScriptedRelay(certificates.server_context)
    async with relay.running() as server:
        pool = SmtpPool(a_relay(certificates, server.port), size=1)
        async with pool.lease() as connection:
            progress = Progress()
            await connection.transact(ENVELOPE, b"x\r\n", progress=progress)
            await pool.close()
            assert connection.is_open
        assert not connection.is_open


def test_the_relay_never_shows_its_password(certificates: LoopbackCertificates) -> None:
    assert "canary" not in repr(a_relay(certificates, 1, password="canary"))
