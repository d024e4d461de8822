"""A mail server that takes nothing without TLS and keeps what it takes."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Literal, Self

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from gateway.demo.servers.certificates import LoopbackCertificates
from gateway.demo.servers.site import HOST

# The mail server library logs every command line, and so addresses.
logging.getLogger("mail.log").setLevel(logging.CRITICAL)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedMail:
    """One message as a mail server took it: the envelope and the exact bytes."""

    sender: str
    recipients: tuple[str, ...]
    content: bytes


class MailServer:
    """A mail server that takes nothing without TLS and keeps what it takes."""

    def __init__(
        self,
        certificates: LoopbackCertificates,
        *,
        security: Literal["starttls", "tls"] = "starttls",
        accounts: Mapping[str, str] | None = None,
        recipient_answers: Iterable[str] = (),
    ) -> None:
        """Build a server; it listens once entered.

        Args:
            certificates: What it shows.
            security: TLS from the first byte, or required by STARTTLS.
            accounts: User names and passwords; None to ask for none.
            recipient_answers: Replies to the first RCPT commands, such as ``451 4.3.0 later``;
                after them every recipient is taken.
        """
        self.messages: list[ReceivedMail] = []
        self.connections = 0  # ever made
        self._certificates = certificates
        self._security = security
        self._sessions: list[_MailSession] = []
        self._hooks = _MailHooks(
            keep=self.messages.append, accounts=accounts, recipient_answers=recipient_answers
        )

    async def __aenter__(self) -> Self:
        implicit = self._certificates.server_context if self._security == "tls" else None
        self._server = await asyncio.get_running_loop().create_server(
            self._session, HOST, 0, ssl=implicit
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.close()
        await asyncio.gather(*(session.end() for session in self._sessions))

    @property
    def port(self) -> int:
        """The port listened on."""
        return int(self._server.sockets[0].getsockname()[1])

    @property
    def url(self) -> str:
        """Where it listens; the scheme says how TLS begins."""
        return f"{'smtps' if self._security == 'tls' else 'smtp'}://{HOST}:{self.port}"

    def _session(self) -> "_MailSession":
        self.connections += 1
        starttls = self._security == "starttls"
        session = _MailSession(
            self._hooks,
            hostname="mail.example",
            loop=asyncio.get_running_loop(),
            tls_context=self._certificates.server_context if starttls else None,
            require_starttls=starttls,
            auth_require_tls=starttls,  # under implicit TLS the server library sees no TLS
            authenticator=self._hooks.authenticate,
        )
        self._sessions.append(session)
        return session


class _MailHooks:
    """What aiosmtpd asks while a session runs; it finds the methods by these names."""

    def __init__(
        self,
        *,
        keep: Callable[[ReceivedMail], None],
        accounts: Mapping[str, str] | None,
        recipient_answers: Iterable[str],
    ) -> None:
        self._keep = keep
        self._accounts = accounts
        self._recipient_answers = deque(recipient_answers)

    def authenticate(
        self, _server: SMTP, _session: Session, _envelope: Envelope, _how: str, login: object
    ) -> AuthResult:
        success = (
            self._accounts is not None
            and isinstance(login, LoginPassword)
            and self._accounts.get(login.login.decode()) == login.password.decode()
        )
        return AuthResult(success=success, handled=False)

    async def handle_MAIL(  # noqa: N802
        self, _server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self._accounts is not None and not session.authenticated:
            return "530 5.7.0 Authentication required"
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(  # noqa: N802
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self._recipient_answers:
            return self._recipient_answers.popleft()
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 OK"

    async def handle_DATA(  # noqa: N802
        self, _server: SMTP, _session: Session, envelope: Envelope
    ) -> str:
        self._keep(
            ReceivedMail(
                sender=str(envelope.mail_from),
                recipients=tuple(map(str, envelope.rcpt_tos)),
                content=envelope.original_content or b"",
            )
        )
        return "250 2.0.0 OK"


class _MailSession(SMTP):
    async def end(self) -> None:
        """Drop the connection and wait until its task has ended."""
        if self.transport is not None:
            self.transport.close()
        if self._handler_coroutine is not None:
            self._handler_coroutine.cancel()
            await asyncio.wait([self._handler_coroutine])
