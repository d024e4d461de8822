"""One bound SMPP session: requests out, each answer to its request, everything else to its owner.

Bounded throughout: a message must come whole within seconds of its first byte, requests under way
fill a window, and a far side that stops reading or answering loses the session.
"""

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from gateway.channels.sms import smpp_pdu
from gateway.channels.sms.smpp_pdu import BadFrame, Frame

FRAME_WITHIN_S: Final = 10.0
ANSWERABLE_S: Final = 0.1  # an answer takes at least so long to come
_MAX_UNSENT_BYTES: Final = 256 * 1024
_MAX_UNANSWERED: Final = 1000
_MAX_SEQUENCE: Final = 0x7FFFFFFF
_GOODBYE_S: Final = 1.0


class NotSent(Exception):
    """Surely nothing left: the session is over, or its window stayed full."""


class Unanswered(Exception):
    """The request left and no answer came: it may have been taken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long a session waits for what, in seconds."""

    window: int = 10  # requests under way
    enquire_s: float = 30.0
    answer_s: float = 10.0


@dataclass(frozen=True, slots=True)
class _Request:
    answered: asyncio.Future[Frame]
    settle: Callable[[Frame], None]


class SmppSession:
    """Speaks over one connection that `bind` has bound."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *,
        patience: Patience,
        deliver: Callable[["SmppSession", Frame], None],
    ) -> None:
        """Take over a connection.

        Args:
            reader: What comes.
            writer: Where answers go.
            patience: How long to wait.
            deliver: Called with each deliver_sm; must not block, and sees that it is answered.
        """
        self.over = asyncio.Event()
        self._reader = reader
        self._writer = writer
        self._patience = patience
        self._deliver = deliver
        self._window = asyncio.Semaphore(patience.window)
        self._requests: OrderedDict[int, _Request] = OrderedDict()
        self._sequence = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def bind(self, *, system_id: str, password: str) -> int:
        """Bind as a transceiver and, once bound, start to listen.

        Returns:
            The status of the answer; nothing but zero leaves the session usable.

        Raises:
            BadFrame: the answer is not one.
            EOFError, OSError: the connection ended.

        Waits without end: the caller sets the deadline.
        """
        self._writer.write(
            smpp_pdu.bind_transceiver(self._next_sequence(), system_id=system_id, password=password)
        )
        answer = await smpp_pdu.read_frame(self._reader, within_s=FRAME_WITHIN_S)
        if answer.command not in {smpp_pdu.BIND_TRANSCEIVER_RESP, smpp_pdu.GENERIC_NACK}:
            raise BadFrame
        if answer.command == smpp_pdu.BIND_TRANSCEIVER_RESP and answer.status == smpp_pdu.OK:
            for work in (self._listen(), self._enquire()):
                self._tasks.add(asyncio.create_task(work))
            return smpp_pdu.OK
        return answer.status or smpp_pdu.TRY_AGAIN

    async def request(
        self, pdu: Callable[[int], bytes], *, within_s: float, settle: Callable[[Frame], None]
    ) -> Frame:
        """Send one request and return its answer.

        Args:
            pdu: Makes the message from its sequence number.
            within_s: Deadline, waiting for a place in the window included.
            settle: Called with the answer the moment it comes, also when that is too late for us.

        Raises:
            NotSent: nothing left.
            Unanswered: it left, and no answer came in time or at all.
        """
        deadline = asyncio.get_running_loop().time() + within_s
        waited = self._window.locked()
        try:
            async with asyncio.timeout_at(deadline):
                await self._window.acquire()
        except TimeoutError:
            raise NotSent from None
        try:
            # Those before it may have made way by running out of time themselves: what leaves now
            # could not be answered in time, and would only be one more text in doubt.
            if waited and deadline - asyncio.get_running_loop().time() < ANSWERABLE_S:
                raise NotSent
            return await self._ask(pdu, settle, deadline)
        finally:
            self._window.release()

    def answer(self, pdu: bytes) -> None:
        """Send an answer, if there is still someone to send it to. Never blocks."""
        if self.over.is_set():
            return
        self._writer.write(pdu)
        if self._writer.transport.get_write_buffer_size() > _MAX_UNSENT_BYTES:
            self._end()

    async def close(self) -> None:
        """Say goodbye if anyone still listens, and close the connection."""
        if not self.over.is_set():
            self._writer.write(smpp_pdu.unbind(self._next_sequence()))
        self._end(abort=False)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._writer.close()
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(_GOODBYE_S):
                await self._writer.wait_closed()
        _abort(self._writer)

    async def _ask(
        self, pdu: Callable[[int], bytes], settle: Callable[[Frame], None], deadline: float
    ) -> Frame:
        if self.over.is_set():
            raise NotSent
        sequence = self._next_sequence()
        message = pdu(sequence)
        answered: asyncio.Future[Frame] = asyncio.get_running_loop().create_future()
        # It stays here when we stop waiting: an answer that comes late still settles a doubt.
        self._requests[sequence] = _Request(answered, settle)
        if len(self._requests) > _MAX_UNANSWERED:
            self._requests.popitem(last=False)
        self.answer(message)
        try:
            async with asyncio.timeout_at(deadline):
                return await answered
        except TimeoutError:
            raise Unanswered from None

    async def _listen(self) -> None:
        try:
            while True:
                self._take(await smpp_pdu.read_frame(self._reader, within_s=FRAME_WITHIN_S))
                await asyncio.sleep(0)  # what is already here must not keep others waiting
        except (BadFrame, EOFError, OSError):  # TimeoutError is an OSError
            self._end()

    def _take(self, frame: Frame) -> None:
        """Do what one message asks for."""
        if frame.command & smpp_pdu.A_RESPONSE:
            self._answered(frame)
        elif frame.command == smpp_pdu.DELIVER_SM:
            self._deliver(self, frame)
        elif frame.command == smpp_pdu.ENQUIRE_LINK:
            self.answer(smpp_pdu.enquire_link_resp(frame.sequence))
        elif frame.command == smpp_pdu.UNBIND:
            self.answer(smpp_pdu.unbind_resp(frame.sequence))
            self._end(abort=False)
        else:
            self.answer(smpp_pdu.generic_nack(frame.sequence))

    def _answered(self, frame: Frame) -> None:
        request = self._requests.pop(frame.sequence, None)
        if request is not None:
            request.settle(frame)
            if not request.answered.done():
                request.answered.set_result(frame)

    async def _enquire(self) -> None:
        """Ask now and then whether the far side is there; without an answer the session is over."""
        while not self.over.is_set():
            await asyncio.sleep(self._patience.enquire_s)
            try:
                await self._ask(
                    smpp_pdu.enquire_link,
                    lambda _frame: None,
                    asyncio.get_running_loop().time() + self._patience.answer_s,
                )
            except (NotSent, Unanswered):
                self._end()

    def _end(self, *, abort: bool = True) -> None:
        """Let everyone waiting know that no answer will come."""
        self.over.set()
        for request in self._requests.values():
            if not request.answered.done():
                request.answered.set_exception(Unanswered())
        self._requests.clear()
        if abort:
            _abort(self._writer)
        else:
            self._writer.close()

    def _next_sequence(self) -> int:
        self._sequence = self._sequence % _MAX_SEQUENCE + 1
        return self._sequence


def _abort(writer: asyncio.StreamWriter) -> None:
    # Python 3.11.2's TLS transport, closed twice, has no protocol left to abort.
    with contextlib.suppress(AttributeError):
        writer.transport.abort()
