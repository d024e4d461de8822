"""Real servers on loopback for the demonstration and the tests: mail, webhooks, texts.

They speak the real protocols over real TLS and refuse what the real ones refuse. They keep what
they receive in memory, for reading back; nothing is written to disk but certificates asked for.
Each is an async context manager, listening on a free port of 127.0.0.1 while entered.
"""

import asyncio
import logging
import ssl
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import trustme
from aiohttp import web
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey

from gateway.channels.addresses import BadAddress, check_phone

HOST = "127.0.0.1"
TEXT_TEMPLATE = "Throughgate: message ((reference)) is waiting. Sign in to read it."

# The mail server library logs every command line, and so addresses.
logging.getLogger("mail.log").setLevel(logging.CRITICAL)

_MAX_BODY_BYTES = 16 * 1024 * 1024
_TOKEN_WITHIN_S = 30
_REQUIRED_MEMBERS = {"phone_number", "template_id"}
_ALLOWED_MEMBERS = _REQUIRED_MEMBERS | {
    "personalisation",
    "reference",
    "sms_sender_id",
    "scheduled_for",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopbackCertificates:
    """A throw-away authority, a server certificate for loopback names, and TLS at both ends."""

    ca_pem: bytes
    ca_file: Path | None  # where the authority's certificate was written, if asked
    server_context: ssl.SSLContext
    client_context: ssl.SSLContext  # trusts this authority and no other


def make_certificates(
    directory: Path | None, *, names: tuple[str, ...] = ("localhost", "127.0.0.1", "::1")
) -> LoopbackCertificates:
    """Make a new authority and one server certificate.

    Args:
        directory: Where to write ``ca.pem``; None to keep everything in memory.
        names: Host names and addresses in the server certificate.

    Reads randomness and the clock; writes one file if asked.
    """
    authority = trustme.CA()
    server_context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(*names).configure_cert(server_context)
    client_context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client_context.minimum_version = ssl.TLSVersion.TLSv1_2
    authority.configure_trust(client_context)
    ca_file = directory / "ca.pem" if directory else None
    if ca_file:
        authority.cert_pem.write_to_path(ca_file)
    return LoopbackCertificates(
        ca_pem=authority.cert_pem.bytes(),
        ca_file=ca_file,
        server_context=server_context,
        client_context=client_context,
    )


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


class _TlsSite:
    """An aiohttp application served over TLS while entered."""

    path = ""

    def __init__(self, certificates: LoopbackCertificates) -> None:
        self._certificates = certificates

    def _application(self) -> web.Application:
        raise NotImplementedError

    async def __aenter__(self) -> Self:
        self._runner = web.AppRunner(self._application(), access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        context = self._certificates.server_context
        await web.TCPSite(self._runner, HOST, 0, ssl_context=context).start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._runner.cleanup()

    @property
    def port(self) -> int:
        """The port listened on."""
        return int(self._runner.addresses[0][1])

    @property
    def url(self) -> str:
        """The https URL to send to."""
        return f"https://{HOST}:{self.port}{self.path}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedWebhook:
    """One post as it came: header names in lower case, and the exact body."""

    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a receiver is to reply."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


class WebhookReceiver(_TlsSite):
    """Takes posts at any path and keeps them, unverified."""

    path = "/hook"

    def __init__(
        self, certificates: LoopbackCertificates, *, answers: Iterable[int | Answer] = ()
    ) -> None:
        """Build a receiver; `answers` are its first replies, after them every post gets 204."""
        super().__init__(certificates)
        self.received: list[ReceivedWebhook] = []
        self._answers = deque(answers)

    def _application(self) -> web.Application:
        application = web.Application(client_max_size=_MAX_BODY_BYTES)
        application.router.add_route("*", "/{path:.*}", self._receive)
        return application

    async def _receive(self, request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.received.append(ReceivedWebhook(headers=headers, body=await request.read()))
        answer = self._answers.popleft() if self._answers else 204
        if isinstance(answer, int):
            answer = Answer(status=answer)
        return web.Response(status=answer.status, headers=answer.headers, body=answer.body)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedText:
    """One text the provider took, rendered as the phone would show it."""

    id: str
    phone_number: str  # E.164
    reference: str | None  # the sender's own
    body: str
    created_at: datetime
    status: str = "delivered"


class _NotifyError(Exception):
    def __init__(self, status: int, error: str, message: str) -> None:
        self.status = status
        self.error = error
        self.message = message
        super().__init__(error)


class NotifyServer(_TlsSite):
    """The part of GOV.UK Notify's API that sends and looks up texts."""

    def __init__(
        self,
        certificates: LoopbackCertificates,
        *,
        api_key: str,
        template_id: str,
        clock: Callable[[], float] = time.time,
        answers: Iterable[tuple[int, str]] = (),
        lost_answers: int = 0,
    ) -> None:
        """Build a server; it listens once entered.

        Args:
            certificates: What it shows.
            api_key: The one key it knows, ``name-iss-secret``.
            template_id: The one template it knows, with the text of `TEXT_TEMPLATE`.
            clock: Unix seconds; tokens may be 30 seconds off it.
            answers: Status and error name of the first replies to a POST, taking no text.
            lost_answers: After those, how many texts to take without the reply arriving.
        """
        super().__init__(certificates)
        self.texts: list[ReceivedText] = []
        self.lookups = 0  # GET requests answered
        self._issuer, self._secret = api_key[-73:-37], OctKey.import_key(api_key[-36:])
        self._template_id = template_id
        self._clock = clock
        self._answers = deque(answers)
        self._lost_answers = lost_answers

    def _application(self) -> web.Application:
        application = web.Application(middlewares=[self._guard])
        application.router.add_post("/v2/notifications/sms", self._post)
        application.router.add_get("/v2/notifications", self._list)
        application.router.add_get("/v2/notifications/{id}", self._get)
        return application

    @web.middleware
    async def _guard(
        self, request: web.Request, handler: Callable[[web.Request], Any]
    ) -> web.StreamResponse:
        try:
            self._check_token(request.headers.get("Authorization", ""))
            response: web.StreamResponse = await handler(request)
        except _NotifyError as refusal:
            error = {"error": refusal.error, "message": refusal.message}
            return web.json_response(
                {"status_code": refusal.status, "errors": [error]}, status=refusal.status
            )
        return response

    def _check_token(self, authorization: str) -> None:
        try:
            token = jwt.decode(
                authorization.removeprefix("Bearer "), self._secret, algorithms=["HS256"]
            )
        except (JoseError, ValueError):
            raise _NotifyError(403, "AuthError", "Invalid token: API key not found") from None
        if token.claims.get("iss") != self._issuer:
            raise _NotifyError(403, "AuthError", "Invalid token: service not found")
        if abs(self._clock() - token.claims.get("iat", 0)) > _TOKEN_WITHIN_S:
            message = "Error: Your system clock must be accurate to within 30 seconds"
            raise _NotifyError(403, "AuthError", message)

    async def _post(self, request: web.Request) -> web.Response:
        if self._answers:
            status, error = self._answers.popleft()
            raise _NotifyError(status, error, "as scripted")
        text = self._take(await request.json())
        if self._lost_answers:
            self._lost_answers -= 1
            if request.transport is not None:
                request.transport.abort()
        return web.json_response(self._taken(text), status=201)

    def _take(self, order: dict[str, Any]) -> ReceivedText:
        if order.keys() - _ALLOWED_MEMBERS or _REQUIRED_MEMBERS - order.keys():
            raise _NotifyError(400, "ValidationError", "Additional or missing properties")
        if order["template_id"] != self._template_id:
            raise _NotifyError(400, "BadRequestError", "Template not found")
        try:
            phone_number = check_phone(order["phone_number"])
            body = TEXT_TEMPLATE.replace("((reference))", order["personalisation"]["reference"])
        except BadAddress:
            raise _NotifyError(400, "ValidationError", "phone_number is not valid") from None
        except KeyError:
            raise _NotifyError(400, "BadRequestError", "Missing personalisation") from None
        text = ReceivedText(
            id=str(uuid.uuid4()),
            phone_number=phone_number,
            reference=order.get("reference"),
            body=body,
            created_at=datetime.fromtimestamp(self._clock(), UTC),
        )
        self.texts.append(text)
        return text

    def _taken(self, text: ReceivedText) -> dict[str, Any]:
        return {
            "id": text.id,
            "reference": text.reference,
            "content": {"body": text.body, "from_number": "GOVUK"},
            "uri": f"{self.url}/v2/notifications/{text.id}",
            "template": self._template(),
        }

    async def _list(self, request: web.Request) -> web.Response:
        self.lookups += 1
        reference = request.query.get("reference")
        found = [text for text in self.texts if reference in (None, text.reference)]
        return web.json_response(
            {
                "notifications": [self._notification(text) for text in reversed(found)],
                "links": {"current": f"{self.url}/v2/notifications"},
            }
        )

    async def _get(self, request: web.Request) -> web.Response:
        for text in self.texts:
            if text.id == request.match_info["id"]:
                return web.json_response(self._notification(text))
        raise _NotifyError(404, "NoResultFound", "No result found")

    def _notification(self, text: ReceivedText) -> dict[str, Any]:
        created = text.created_at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        return {
            "id": text.id,
            "reference": text.reference,
            "phone_number": text.phone_number,
            "type": "sms",
            "status": text.status,
            "template": self._template(),
            "body": text.body,
            "created_at": created,
            "sent_at": created,
            "completed_at": created,
        }

    def _template(self) -> dict[str, Any]:
        uri = f"{self.url}/v2/template/{self._template_id}"
        return {"id": self._template_id, "version": 1, "uri": uri}
