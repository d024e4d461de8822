"""A few TLS connections to the mail relay, each used by one attempt at a time and kept between.

1. No command but EHLO and STARTTLS is ever sent without TLS.
2. A connection goes back to the pool only after a reply that ends a transaction; one whose
   command was cut short, by cancellation or anything else, is aborted, so no attempt can ever
   read the reply to another's command.
3. Reports of what becomes of a message are asked for wherever the relay offers to give them.
Source: RFC 5321, RFC 3207 (STARTTLS), RFC 8314 section 3 (implicit TLS), RFC 3461 (DSN).
"""

import asyncio
import contextlib
import re
import ssl
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Literal, cast

from aiosmtplib import (
    SMTP,
    SMTPException,
    SMTPResponse,
    SMTPResponseException,
    SMTPServerDisconnected,
)

Security = Literal["starttls", "tls"]
Verb = Literal["MAIL", "RCPT", "DATA", "content"]

MAX_IDLE_S = 30.0  # well under the five minutes a server owes us (RFC 5321 section 4.5.3.2.7)
QUIT_WITHIN_S = 1.0

_COMPLETED = 250
_START_INPUT = 354
_CLOSING = 421
# What a relay answers that offers reports and then does not know the words (RFC 5321 section 4.2).
_NOT_UNDERSTOOD = frozenset({501, 504, 555})
_NOT_XTEXT = re.compile(r"[^!-*,-<>-~]")  # RFC 3461 section 4: printable, but for + and =
_LEADING_DOT = re.compile(rb"(?m)^\.")


class RelayUnfit(Exception):
    """The relay does not offer what is required of it: `code` is tls-required or auth-required; or
    somebody spoke in its name before TLS: tls-injected.
    """

    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__(code)


@dataclass(frozen=True, slots=True, kw_only=True)
class Relay:
    """Where mail is handed over, and how."""

    host: str
    port: int
    security: Security
    ssl_context: ssl.SSLContext
    hostname: str  # how we greet
    username: str | None = field(repr=False)
    password: str | None = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """Who one message is from and for, and what a report is to call it."""

    sender: str  # checked mailbox: it goes on the wire as it stands
    recipient: str  # likewise
    id: str  # at most 100 characters; names no one


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The reply that ended one transaction, and what it was the reply to."""

    verb: Verb
    code: int


@dataclass(slots=True)
class Progress:
    """How far an attempt came; read when it ends without an answer."""

    content_left: bool = False  # the message and its final dot were handed to the socket


class SmtpConnection:
    """One connection to the relay, greeted, under TLS and logged in."""

    def __init__(self, smtp: SMTP) -> None:
        self._smtp = smtp
        self._reports = False  # the relay offers delivery status notifications
        self._reset_owed = False  # a refused transaction is still open at the server
        self.used = False  # has carried a transaction before this one
        self.at_rest = False  # every command sent has been answered
        self.idle_since = 0.0  # event loop time

    @classmethod
    async def open(cls, relay: Relay) -> "SmtpConnection":
        """Connect, greet, secure and log in.

        Raises:
            RelayUnfit: no STARTTLS, or no AUTH under TLS; nothing else was sent.
            SMTPException, OSError: as aiosmtplib raises them.

        Cancellation: the socket is aborted.
        """
        # No time limits inside: an attempt has one deadline, and its channel holds it.
        smtp = SMTP(
            hostname=relay.host,
            port=relay.port,
            local_hostname=relay.hostname,
            use_tls=relay.security == "tls",
            start_tls=False,
            tls_context=relay.ssl_context,
            timeout=None,
        )
        connection = cls(smtp)
        try:
            await smtp.connect()
            await smtp.ehlo()
            if relay.security == "starttls":
                await _start_tls(smtp)
            if relay.username is not None:
                await _log_in(smtp, relay.username, relay.password or "")
            connection._reports = smtp.supports_extension("dsn")
        except BaseException:
            connection.abort()
            raise
        return connection

    @property
    def is_open(self) -> bool:
        """Whether the far side has, as far as is known here, not closed."""
        return self._smtp.is_connected

    async def transact(self, envelope: Envelope, message: bytes, *, progress: Progress) -> Answer:
        """Hand over one message for one mailbox; return the reply that decided it.

        Args:
            envelope: From whom, for whom.
            message: Lines end in CRLF, the last one too.
            progress: Marked when the content has left.

        Raises:
            SMTPException, OSError: the connection failed, or the reply was not SMTP.

        Cancellation: the connection is not at rest and must be aborted.
        """
        self.at_rest = False
        await self._begin()
        answer = await self._asking("MAIL", f"MAIL FROM:<{envelope.sender}>", _mail_asks(envelope))
        if answer.code == _CLOSING and self.used:
            raise SMTPServerDisconnected("closed while idle")
        if _is_positive(answer):
            asks = _recipient_asks(envelope)
            answer = await self._asking("RCPT", f"RCPT TO:<{envelope.recipient}>", asks)
        if _is_positive(answer):
            answer = await self._command("DATA", "DATA")
        if answer.code == _START_INPUT and answer.verb == "DATA":
            answer = await self._send_content(message, progress)
        self._reset_owed = answer.verb != "content"
        self.at_rest = answer.code != _CLOSING
        self.used = True
        return answer

    def abort(self) -> None:
        """Drop the connection at once, sending nothing more. Never raises."""
        if self._smtp.transport is not None:
            # aiosmtplib's own close would flush what a cancelled attempt left in the buffer.
            cast("asyncio.WriteTransport", self._smtp.transport).abort()
        self._smtp.close()

    async def quit(self) -> None:
        """Take leave within a second, then drop the connection. Never raises."""
        with contextlib.suppress(SMTPException, OSError):
            async with asyncio.timeout(QUIT_WITHIN_S):
                await self._smtp.quit()
        self.abort()

    async def _begin(self) -> None:
        if self._reset_owed:
            reply = await self._smtp.execute_command(b"RSET")
            if reply.code != _COMPLETED:
                raise SMTPServerDisconnected("reset refused")

    async def _asking(self, verb: Verb, line: str, asks: str) -> Answer:
        """Send a command with its request for reports, or without where that is not understood: a
        relay's flaw must not cost the recipient an endpoint.
        """
        if self._reports:
            answer = await self._command(verb, f"{line} {asks}")
            if answer.code not in _NOT_UNDERSTOOD:
                return answer
            self._reports = False
        return await self._command(verb, line)

    async def _command(self, verb: Verb, line: str) -> Answer:
        reply = await self._smtp.execute_command(line.encode("ascii"))
        return Answer(verb=verb, code=reply.code)

    async def _send_content(self, message: bytes, progress: Progress) -> Answer:
        protocol = self._smtp.protocol
        if protocol is None:
            raise SMTPServerDisconnected("connection lost")
        # Written here rather than by aiosmtplib's DATA, which cannot say whether the content had
        # left when the connection failed, and would mend stray line ends instead of refusing.
        protocol.write(_LEADING_DOT.sub(b"..", message) + b".\r\n")
        progress.content_left = True
        reply = await protocol.read_response()
        return Answer(verb="content", code=reply.code)


class SmtpPool:
    """At most `size` connections to one relay."""

    def __init__(self, relay: Relay, *, size: int) -> None:
        self._relay = relay
        self._slots = asyncio.Semaphore(size)
        self._idle: list[SmtpConnection] = []
        self._closed = False

    @contextlib.asynccontextmanager
    async def lease(self, *, fresh: bool = False) -> AsyncIterator[SmtpConnection]:
        """Lend a connection, waiting for a free slot; `fresh` asks for one never used.

        Raises:
            RelayUnfit, SMTPException, OSError: as `SmtpConnection.open`; once closed, always.

        Cancellation: the connection is aborted unless it was at rest.
        """
        async with self._slots:
            if self._closed:
                raise SMTPServerDisconnected("closed")
            connection = None if fresh else self._take_idle()
            if connection is None:
                connection = await SmtpConnection.open(self._relay)
            try:
                yield connection
            finally:
                self._give_back(connection)

    async def close(self) -> None:
        """Quit the idle connections, under the TLS they were opened with; those on loan are
        dropped when given back, and none is opened any more.
        """
        self._closed = True
        idle, self._idle = self._idle, []
        await asyncio.gather(*(connection.quit() for connection in idle))

    def _take_idle(self) -> SmtpConnection | None:
        now = asyncio.get_running_loop().time()
        while self._idle:
            connection = self._idle.pop()
            if connection.is_open and now - connection.idle_since < MAX_IDLE_S:
                return connection
            connection.abort()
        return None

    def _give_back(self, connection: SmtpConnection) -> None:
        if connection.at_rest and connection.is_open and not self._closed:
            connection.idle_since = asyncio.get_running_loop().time()
            self._idle.append(connection)
        else:
            connection.abort()


def xtext(text: str) -> str:
    """Return the text as a parameter of MAIL or RCPT carries it: no space, line end or equals sign.

    Raises:
        UnicodeEncodeError: not ASCII.

    Source: RFC 3461 section 4. Pure.
    """
    text.encode("ascii")
    return _NOT_XTEXT.sub(lambda found: f"+{ord(found[0]):02X}", text)


def _mail_asks(envelope: Envelope) -> str:
    # The headers only: a report must not carry the message through other hands again.
    return f"RET=HDRS ENVID={xtext(envelope.id)}"


def _recipient_asks(envelope: Envelope) -> str:
    return f"NOTIFY=SUCCESS,FAILURE,DELAY ORCPT=rfc822;{xtext(envelope.recipient)}"


def _is_positive(answer: Answer) -> bool:
    return 200 <= answer.code < 300


async def _start_tls(smtp: SMTP) -> None:
    if not smtp.supports_extension("starttls"):
        raise RelayUnfit("tls-required")
    try:
        with _nothing_after_consent(smtp):
            await smtp.starttls()
    except SMTPResponseException:
        raise RelayUnfit("tls-required") from None
    if smtp.get_transport_info("sslcontext") is None:
        raise RelayUnfit("tls-required")
    await smtp.ehlo()  # what was offered before TLS may have been anyone's words


@contextlib.contextmanager
def _nothing_after_consent(smtp: SMTP) -> Iterator[None]:
    """Refuse TLS on a connection where more than the consent to it has arrived.

    aiosmtplib throws such bytes away unread, which is safe and says nothing; somebody in the
    middle is worth a reason of its own. Source: RFC 3207 section 6; CVE-2011-0411.
    """
    protocol = smtp.protocol
    if protocol is None:
        raise SMTPServerDisconnected("connection lost")
    read_response = protocol.read_response

    async def consent(timeout: float | None = None) -> SMTPResponse:  # noqa: ASYNC109
        reply = await read_response(timeout)
        if protocol._buffer:  # noqa: SLF001
            raise RelayUnfit("tls-injected")
        return reply

    vars(protocol)["read_response"] = consent
    try:
        yield
    finally:
        del vars(protocol)["read_response"]


async def _log_in(smtp: SMTP, username: str, password: str) -> None:
    if not smtp.supported_auth_methods:
        raise RelayUnfit("auth-required")
    await smtp.login(username, password)
