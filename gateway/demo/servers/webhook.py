"""A webhook receiver that keeps what is posted to it, unverified."""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from aiohttp import web

from gateway.demo.servers.certificates import LoopbackCertificates
from gateway.demo.servers.site import TlsSite

_MAX_BODY_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedWebhook:
    """One post as it came: header names in lower case, and the exact body."""

    headers: Mapping[str, str]
    body: bytes
    collected: bytes | None = None  # what its reader fetched: the alert was too long to post


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a receiver is to reply."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


class WebhookReceiver(TlsSite):
    """Takes posts at any path and keeps them, unverified."""

    path = "/hook"

    def __init__(
        self, certificates: LoopbackCertificates, *, answers: Iterable[int | Answer] = ()
    ) -> None:
        """Build a receiver; `answers` are its first replies, after them every post gets 204."""
        super().__init__(certificates)
        self.received: list[ReceivedWebhook] = []
        self._answers = deque(answers)

    def answers_now(self, *answers: int | Answer) -> None:
        """Reply so from now on; after these, every post gets 204."""
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
