"""GOV.UK Notify: texts from one template, looked up by reference when in doubt.

Notify's replies echo text and number, so only ids, statuses and error names are kept of them.
Source: GOV.UK Notify REST API v2.
"""

import re
import ssl
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from urllib.parse import quote

import orjson
from aiohttp.abc import AbstractResolver
from joserfc import jwt
from joserfc.jwk import OctKey

from gateway.channels.addresses import check_https_url
from gateway.channels.http_client import USER_AGENT, GuardedClient, Reply, retry_delay
from gateway.channels.outbound import OutboundPolicy
from gateway.channels.sms.provider import Pointer
from gateway.channels.sms.reply import read_sender
from gateway.model.ids import AlertId
from gateway.model.outcome import Accepted, Deferred, Outcome, Rejected
from gateway.model.strict_json import JsonObject

_UUID = r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}"
_API_KEY = re.compile(rf".*-({_UUID})-({_UUID})", re.DOTALL)
_NOTIFICATION_ID = re.compile(_UUID)
# Notify has given up on these and says that trying again is the sender's to decide.
_MAY_SEND_AGAIN = frozenset({"temporary-failure", "technical-failure"})


class NotifyProvider:
    """Sends texts from one Notify template, with the placeholders ((reference)) and ((link))."""

    name = "notify"
    looks_up = True

    def __init__(
        self,
        *,
        base_url: str,
        api_key: str,
        template_id: str,
        policy: OutboundPolicy,
        ssl_context: ssl.SSLContext | None,
        clock: Callable[[], float],
        sends_receipts: bool = False,
        resolver: AbstractResolver | None = None,
    ) -> None:
        """Build the provider; connections are made when first needed.

        Args:
            base_url: Notify's API, without a path.
            api_key: ``name-iss-secret``, the last two UUIDs.
            template_id: UUID of the template.
            policy: Where requests may go.
            ssl_context: None for the system's certificate store.
            clock: Unix seconds; Notify allows it to be 30 seconds off.
            sends_receipts: Whether Notify was told where to post its delivery receipts.
            resolver: Answers host names in place of the system; its answers are vetted alike.

        Raises:
            BadAddress: base_url is not one the policy allows.
            ValueError: the key has another form. The message holds nothing of it.
        """
        parts = _API_KEY.fullmatch(api_key)
        if parts is None:
            raise ValueError("the API key must end in two UUIDs")
        self._issuer = parts[1]
        self._secret = OctKey.import_key(parts[2])
        self._notifications = check_https_url(base_url, policy=policy).rstrip("/")
        self._notifications += "/v2/notifications"
        self._template_id = template_id
        self._clock = clock
        self.sends_receipts = sends_receipts
        self._client = GuardedClient(
            policy=policy,
            ssl_context=ssl_context,
            timeout_s=20,  # every request brings its own
            user_agent=USER_AGENT,
            resolver=resolver,
        )

    async def submit(
        self, alert: AlertId, number: str, pointer: Pointer, *, within_s: float
    ) -> Outcome:
        """Post one text. See `provider.SmsProvider.submit`."""
        reply = await self._client.exchange(
            "POST",
            f"{self._notifications}/sms",
            headers=self._headers(),
            body=orjson.dumps(
                {
                    "phone_number": number,
                    "template_id": self._template_id,
                    "personalisation": {"reference": pointer.reference, "link": pointer.link},
                    "reference": alert,
                }
            ),
            keep_reply=True,
            timeout_s=within_s,
        )
        return self._judge(reply) if isinstance(reply, Reply) else reply

    async def look_up(self, alert: AlertId, number: str, *, within_s: float) -> Outcome | None:
        """Ask Notify for the texts of this alert. See `provider.SmsProvider.look_up`."""
        reply = await self._client.exchange(
            "GET",
            f"{self._notifications}?template_type=sms&reference={quote(alert, safe='')}",
            headers=self._headers(),
            keep_reply=True,
            timeout_s=within_s,
        )
        if isinstance(reply, Deferred):
            return replace(reply, outcome_unknown=True)
        if isinstance(reply, Rejected):
            return reply
        if reply.status != HTTPStatus.OK:
            return replace(self._later(reply), outcome_unknown=True)
        found = _members(reply.body).get("notifications")
        if not isinstance(found, list):
            return Deferred(reason="notify-malformed", outcome_unknown=True)
        return _became_of(
            [each for each in found if isinstance(each, dict) and _may_be_to(number, each)]
        )

    async def stay_ready(self) -> None:
        """Return: what Notify has to say it posts to us."""

    async def close(self) -> None:
        """Close the kept-alive connections."""
        await self._client.close()

    def _judge(self, reply: Reply) -> Outcome:
        """Judge by status and error name; messages are prose and may change."""
        if reply.status == HTTPStatus.CREATED:
            return Accepted(detail=_notification_id(_members(reply.body)))
        if reply.status == HTTPStatus.BAD_REQUEST:
            return Rejected(reason="notify-400")
        return self._later(reply)

    def _later(self, reply: Reply) -> Deferred:
        status = reply.status
        if status == HTTPStatus.TOO_MANY_REQUESTS and _error_name(reply) == "TooManyRequestsError":
            return Deferred(reason="notify-429-today", after=self._until_tomorrow())
        return Deferred(
            reason=f"notify-{status}",
            after=retry_delay(reply.retry_after, clock=self._clock),
            # A 5xx may come from a proxy in front of a Notify that did take the text.
            outcome_unknown=status >= 500 or status < 300,
        )

    def _until_tomorrow(self) -> timedelta:
        """Return the time to the next midnight UTC, when Notify counts afresh."""
        now = datetime.fromtimestamp(self._clock(), UTC)
        midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
        return midnight + timedelta(days=1) - now

    def _headers(self) -> dict[str, str]:
        claims = {"iss": self._issuer, "iat": int(self._clock())}
        token = jwt.encode({"typ": "JWT", "alg": "HS256"}, claims, self._secret)
        return {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}


def _became_of(found: list[JsonObject]) -> Outcome | None:
    """Judge the texts Notify holds for one alert: any that may yet arrive settles it."""
    settled = [text for text in found if text.get("status") not in _MAY_SEND_AGAIN]
    if not settled:
        return None
    if all(text.get("status") == "permanent-failure" for text in settled):
        return Rejected(reason="notify-permanent-failure")
    return Accepted(detail=_notification_id(settled[0]))


def _may_be_to(number: str, text: JsonObject) -> bool:
    """Return whether a text went to this number: one alert may be told to several."""
    given = text.get("phone_number")
    return not isinstance(given, str) or read_sender(given) in {None, number}


def _notification_id(notification: JsonObject) -> str:
    text = notification.get("id")
    return text if isinstance(text, str) and _NOTIFICATION_ID.fullmatch(text) else ""


def _error_name(reply: Reply) -> str | None:
    errors = _members(reply.body).get("errors")
    first = errors[0] if isinstance(errors, list) and errors else None
    name = first.get("error") if isinstance(first, dict) else None
    return name if isinstance(name, str) else None


def _members(body: bytes) -> JsonObject:
    """Return the members of a JSON object; none when it is anything else."""
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return value if isinstance(value, dict) else {}
