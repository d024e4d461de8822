"""The part of GOV.UK Notify's API that sends and looks up texts."""

import time
import uuid
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from aiohttp import web
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey

from gateway.channels.addresses import BadAddress, check_phone
from gateway.demo.servers.certificates import LoopbackCertificates
from gateway.demo.servers.site import TlsSite

TEXT_TEMPLATE = "Throughgate: message ((reference)) is waiting. Read it at ((link))"

_TOKEN_WITHIN_S = 30

_REQUIRED_MEMBERS = {"phone_number", "template_id"}

_ALLOWED_MEMBERS = _REQUIRED_MEMBERS | {
    "personalisation",
    "reference",
    "sms_sender_id",
    "scheduled_for",
}


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


class NotifyServer(TlsSite):
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
        self.personalisations: list[dict[str, str]] = []  # of each text, as given
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
            body = TEXT_TEMPLATE
            for name in ("reference", "link"):
                body = body.replace(f"(({name}))", order["personalisation"].get(name, ""))
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
        self.personalisations.append(order["personalisation"])
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

    def receipt(self, text: ReceivedText, status: str) -> dict[str, Any]:
        """Return what Notify posts to a service's callback when a text has come to this status."""
        created = text.created_at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        return {
            "id": text.id,
            "reference": text.reference,
            "to": text.phone_number,
            "status": status,
            "created_at": created,
            "completed_at": created,
            "sent_at": created,
            "notification_type": "sms",
            "template_id": self._template_id,
            "template_version": 1,
        }

    def _template(self) -> dict[str, Any]:
        uri = f"{self.url}/v2/template/{self._template_id}"
        return {"id": self._template_id, "version": 1, "uri": uri}
