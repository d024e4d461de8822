"""SMPP 3.4: texts straight to a carrier's message centre, whose receipts and replies come back.

The centre cannot be asked what became of a text whose answer was lost: such a text stays in doubt,
unless the answer comes late. Receipts are matched to alerts by the id the centre gave, in memory:
those of texts sent before a restart are not matched.
"""

import asyncio
import socket
import ssl
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from ipaddress import ip_address
from typing import Final, TypeVar

from gateway.channels.addresses import check_host_name
from gateway.channels.outbound import OutboundPolicy
from gateway.channels.sms import smpp_pdu
from gateway.channels.sms.provider import Pointer, accepted
from gateway.channels.sms.reply import read_reply
from gateway.channels.sms.smpp_pdu import BadFrame, Frame, Incoming
from gateway.channels.sms.smpp_session import NotSent, Patience, SmppSession, Unanswered
from gateway.channels.tls import verifying_context
from gateway.model.ids import AlertId
from gateway.model.outcome import Accepted, Deferred, Outcome, Receipt, Rejected, Reply

CONNECT_WITHIN_S: Final = 10.0
THROTTLE_HOLD_S: Final = 5.0
LONGEST_HOLD_S: Final = 60.0
_MAX_IDS: Final = 50_000
_MAX_EARLY: Final = 256
_MAX_LATE: Final = 1000
_MAX_WAITING: Final = 64

_K = TypeVar("_K")
_V = TypeVar("_V")

Receipts = Callable[[Receipt], Awaitable[bool]]
Replies = Callable[[Reply], Awaitable[bool]]


@dataclass(frozen=True, slots=True, kw_only=True)
class SmppAccount:
    """Where the message centre is and who we are there."""

    host: str
    port: int
    system_id: str  # at most 15 characters
    password: str = field(repr=False)  # at most 8
    source: str  # a number, a short code or an agreed name: what the phone shows
    tls: bool = True

    def check(self, policy: OutboundPolicy) -> None:
        """Refuse an account that would send in the clear, or that SMPP has no room for.

        Raises:
            BadAddress: the host is neither a name nor an address.
            ValueError: no TLS to anything but an address in a network the policy names; or a
                member is too long. The message holds nothing of it.
        """
        try:
            literal = ip_address(self.host)
        except ValueError:
            check_host_name(self.host)
            literal = None
        if not self.tls and (literal is None or not policy.names(literal)):
            raise ValueError("smpp: without TLS only to an address in allowed_networks")
        members = ((self.system_id, 15), (self.password, 8), (self.source, 20))
        if any(not 0 < len(text) <= most or not text.isascii() for text, most in members):
            raise ValueError("smpp: system_id of 15, password of 8, source of 20 ASCII at most")


class SmppProvider:
    """Sends texts over one bound session, made anew when it ends."""

    name = "smpp"
    sends_receipts = True
    looks_up = False

    def __init__(
        self,
        account: SmppAccount,
        *,
        ssl_context: ssl.SSLContext | None,
        policy: OutboundPolicy,
        receipts: Receipts,
        replies: Replies,
        patience: Patience | None = None,
    ) -> None:
        """Build the provider; it binds when first needed, or in `stay_ready`.

        Args:
            account: Where and as whom.
            ssl_context: None for the system's certificate store.
            policy: Says where TLS may be left out.
            receipts: Told of each receipt; one that raises is asked again by the centre.
            replies: Told of each reply, likewise.
            patience: How long to wait for what.

        Raises:
            BadAddress, ValueError: as `SmppAccount.check`; or the TLS context checks too little.
        """
        account.check(policy)
        self._account = account
        self._tls = verifying_context(ssl_context) if account.tls else None
        self._receipts = receipts
        self._replies = replies
        self._patience = patience or Patience()
        self._session: SmppSession | None = None
        self._connecting: asyncio.Task[SmppSession | str] | None = None
        self._ids: OrderedDict[str, AlertId] = OrderedDict()
        self._early: OrderedDict[str, Frame] = OrderedDict()
        self._late: OrderedDict[tuple[AlertId, str], Outcome] = OrderedDict()
        self._waiting: asyncio.Queue[tuple[SmppSession | None, Frame]] = asyncio.Queue(_MAX_WAITING)
        self._hearing: asyncio.Task[None] | None = None
        self._failures = 0
        self._bound_at = 0.0
        self._hold = ("", 0.0)  # why, and until when, nothing is tried

    async def submit(
        self, alert: AlertId, number: str, pointer: Pointer, *, within_s: float
    ) -> Outcome:
        """Submit one text. See `provider.SmsProvider.submit`."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + within_s
        session = await self._ready(within_s)
        if isinstance(session, Deferred):
            return session
        text = _words(pointer)

        settled: list[Outcome] = []

        def settle(answer: Frame) -> None:
            settled.append(self._judge(answer, alert, number))
            _keep(self._late, (alert, number), settled[0], _MAX_LATE)

        try:
            await session.request(
                lambda sequence: smpp_pdu.submit_sm(
                    sequence, source=self._account.source, number=number, text=text
                ),
                within_s=deadline - loop.time(),
                settle=settle,
            )
        except NotSent:
            return Deferred(reason="connection-lost" if session.over.is_set() else "timeout")
        except Unanswered:
            if not settled:
                reason = "connection-lost" if session.over.is_set() else "timeout"
                return Deferred(reason=reason, outcome_unknown=True)
        self._late.pop((alert, number), None)
        return settled[0]

    async def look_up(
        self,
        alert: AlertId,
        number: str,
        *,
        within_s: float,  # noqa: ARG002  # nothing is asked
    ) -> Outcome | None:
        """Say what a late answer said; without one the doubt stays, for the centre cannot tell."""
        late = self._late.pop((alert, number), None)
        if late is None:
            return Deferred(reason="smpp-in-doubt", outcome_unknown=True)
        return None if isinstance(late, Deferred) else late

    async def stay_ready(self) -> None:
        """Stay bound, so that receipts and replies come in while nothing is sent."""
        loop = asyncio.get_running_loop()
        while True:
            session = await self._ready(CONNECT_WITHIN_S)
            if isinstance(session, SmppSession):
                await session.over.wait()
            await asyncio.sleep(max(0.05, self._hold[1] - loop.time()))

    async def close(self) -> None:
        """Unbind. Texts under way end as lost connections."""
        tasks = [task for task in (self._connecting, self._hearing) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._session is not None:
            await self._session.close()
        self._session = self._connecting = self._hearing = None

    async def _ready(self, within_s: float) -> SmppSession | Deferred:
        """Return a bound session, or why there is none: then surely nothing was sent."""
        loop = asyncio.get_running_loop()
        reason, until = self._hold
        if until > loop.time():
            return Deferred(reason=reason, after=timedelta(seconds=until - loop.time()))
        if self._session is not None and not self._session.over.is_set():
            return self._session
        if self._connecting is None or self._connecting.done():
            self._connecting = asyncio.create_task(self._connect())
        try:
            # Shared by all who wait: one who gives up must not take it from the others.
            async with asyncio.timeout(within_s):
                made = await asyncio.shield(self._connecting)
        except TimeoutError:
            return Deferred(reason="timeout")
        return made if isinstance(made, SmppSession) else Deferred(reason=made)

    async def _connect(self) -> SmppSession | str:
        """Return a newly bound session, or a code; each failure in a row is waited out longer."""
        if self._session is not None:
            await self._session.close()
            self._session = None
            if asyncio.get_running_loop().time() - self._bound_at > LONGEST_HOLD_S:
                self._failures = 0
            if self._failures:  # the last one ended soon, and took nothing: do not hurry
                return self._wait("connection-lost")
            self._failures = 1
        made = await self._bind()
        if isinstance(made, SmppSession):
            self._session = made
            self._bound_at = asyncio.get_running_loop().time()
            if self._hearing is None:
                self._hearing = asyncio.create_task(self._hear())
            return made
        return self._wait(made)

    def _wait(self, code: str) -> str:
        """Try nothing for a while, longer after each failure in a row."""
        self._failures += 1
        wait_s = min(LONGEST_HOLD_S, 2.0 ** min(self._failures, 10) / 2)
        self._hold = (code, asyncio.get_running_loop().time() + wait_s)
        return code

    async def _bind(self) -> SmppSession | str:
        account = self._account
        session: SmppSession | None = None
        bound = False
        try:
            async with asyncio.timeout(CONNECT_WITHIN_S):
                reader, writer = await asyncio.open_connection(
                    account.host, account.port, ssl=self._tls
                )
                session = SmppSession(
                    reader, writer, patience=self._patience, deliver=self._delivered
                )
                status = await session.bind(system_id=account.system_id, password=account.password)
                bound = status == smpp_pdu.OK
                return session if bound else f"smpp-bind-{status}"
        except (BadFrame, EOFError, OSError) as error:
            return _code(error)
        finally:
            if session is not None and not bound:
                await session.close()

    def _judge(self, answer: Frame, alert: AlertId, number: str) -> Outcome:
        """Judge an answer to a text by its status; an error means that nothing was taken."""
        self._failures = 0
        if answer.command == smpp_pdu.SUBMIT_SM_RESP and answer.status == smpp_pdu.OK:
            return self._took(smpp_pdu.message_id(answer), alert, number)
        reason = f"smpp-{answer.status}"
        if answer.status in smpp_pdu.BAD_DESTINATION:
            return Rejected(reason=reason)
        if answer.status in {smpp_pdu.THROTTLED, smpp_pdu.QUEUE_FULL}:
            self._hold = (reason, asyncio.get_running_loop().time() + THROTTLE_HOLD_S)
            return Deferred(reason=reason, after=timedelta(seconds=THROTTLE_HOLD_S))
        return Deferred(reason=reason)

    def _took(self, id_: str, alert: AlertId, number: str) -> Accepted:
        if id_:
            _keep(self._ids, id_, alert, _MAX_IDS)
        early = self._early.pop(id_, None)
        if early is not None and not self._waiting.full():
            self._waiting.put_nowait((None, early))  # answered when it came
        return accepted(id_, number)

    def _delivered(self, session: SmppSession, frame: Frame) -> None:
        """Queue what came in; when too much waits, the centre keeps it for later."""
        try:
            self._waiting.put_nowait((session, frame))
        except asyncio.QueueFull:
            session.answer(smpp_pdu.deliver_sm_resp(frame.sequence, smpp_pdu.QUEUE_FULL))

    async def _hear(self) -> None:
        """Pass on receipts and replies, and answer each once it was taken."""
        while True:
            session, frame = await self._waiting.get()
            try:
                status = await self._pass_on(frame)
            except Exception:  # noqa: BLE001  # whatever the sink's trouble, the centre keeps it
                status = smpp_pdu.TRY_AGAIN
            if session is not None:
                session.answer(smpp_pdu.deliver_sm_resp(frame.sequence, status))

    async def _pass_on(self, frame: Frame) -> int:
        """Tell whom it concerns, and return the status to answer with."""
        heard = smpp_pdu.read_deliver(frame)
        if heard is None:
            return smpp_pdu.NOT_WANTED
        if isinstance(heard, Incoming):
            reply = read_reply(heard.sender, heard.text)
            if reply is not None:
                await self._replies(reply)
            return smpp_pdu.OK
        alert = self._ids.get(heard.message_id)
        if alert is None:
            _keep(self._early, heard.message_id, frame, _MAX_EARLY)
            return smpp_pdu.OK
        await self._receipts(
            Receipt(alert=alert, channel="sms", state=heard.state, code=heard.code)
        )
        return smpp_pdu.OK


def _words(pointer: Pointer) -> str:
    """Return what the phone shows: the GSM alphabet only, and one segment without a link."""
    where = f"Read it at {pointer.link}" if pointer.link else "Sign in to read it"
    return (
        f"Throughgate: message {pointer.reference} is waiting. {where}, "
        f"then answer YES {pointer.reference}"
    )


def _code(error: Exception) -> str:
    """Return the code of a connection that never came to be bound."""
    if isinstance(error, BadFrame):
        return "smpp-bad-frame"
    if isinstance(error, TimeoutError):
        return "timeout"
    if isinstance(error, ssl.SSLError):
        return "tls"
    if isinstance(error, socket.gaierror):
        return "dns"
    return "connection-lost" if isinstance(error, EOFError | ConnectionResetError) else "connect"


def _keep(held: OrderedDict[_K, _V], key: _K, value: _V, most: int) -> None:
    """Remember the newest few."""
    held[key] = value
    held.move_to_end(key)
    if len(held) > most:
        held.popitem(last=False)
