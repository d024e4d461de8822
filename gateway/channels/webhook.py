"""Webhooks: a sealed alert as a CloudEvent, signed by Standard Webhooks, posted once per attempt;
or several to an endpoint that takes them together (`webhook_batch`).

Over every attempt of one alert the body and ``webhook-id`` are identical; the timestamp is the
attempt's own, so the receiver's replay window holds. What would make a body longer than receivers
are told to expect is collected by them instead (thin mode).
Source: CloudEvents 1.0 HTTP binding, structured mode, and its http-webhook.md; Standard Webhooks
1.0.0.
"""

import hashlib
import re
import ssl
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC
from http import HTTPStatus

import orjson
from aiohttp.abc import AbstractResolver

from gateway.channels import webhook_batch
from gateway.channels.contract import Together, Undeliverable
from gateway.channels.http_client import USER_AGENT, GuardedClient, Reply, retry_delay
from gateway.channels.outbound import OutboundPolicy
from gateway.model.disclosure import Parcel
from gateway.model.ids import AlertId, EndpointId
from gateway.model.outcome import Accepted, Deferred, Outcome, Rejected

ALERT_TYPE = "org.throughgate.alert.v1"
MAX_POSTED_BYTES = 20_000  # Standard Webhooks: "Webhook payloads should be kept small"

Sign = Callable[[EndpointId, AlertId, int, bytes], str]
CollectUrl = Callable[[AlertId, EndpointId], str]

_ACCEPTED = Accepted()
_JWE_COMPACT = re.compile(rb"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]*){4}")


class WebhookChannel:
    """Posts parcels to https endpoints."""

    def __init__(
        self,
        *,
        source: str,
        sign: Sign,
        policy: OutboundPolicy,
        ssl_context: ssl.SSLContext | None,
        clock: Callable[[], float],
        timeout_s: float = 20,
        user_agent: str = USER_AGENT,
        resolver: AbstractResolver | None = None,
        collect_url: CollectUrl | None = None,
        origin: str | None = None,
    ) -> None:
        """Build the channel; connections are made when first needed.

        Args:
            source: CloudEvents ``source`` of every alert: this gateway's URN.
            sign: Returns the ``webhook-signature`` value for endpoint, alert id, timestamp (Unix
                seconds) and the exact body. It may raise: then nothing is sent.
            policy: Where posts may go; checked at every attempt, not only at registration.
            ssl_context: None for the system's certificate store. A certificate chain loaded into it
                is shown to a receiver that asks for one.
            clock: Unix seconds.
            timeout_s: Deadline of one whole attempt.
            user_agent: Sent as it stands.
            resolver: Answers host names in place of the system; its answers are vetted alike.
            collect_url: Where the receiver fetches a sealed alert too long to post: for the same
                alert and endpoint always the same URL. None: everything is posted whole.
            origin: DNS name that the handshake asked in; sent with every post. None: not sent.
        """
        self._source = source
        self._collect_url = collect_url
        self._origin = {"WebHook-Request-Origin": origin} if origin else {}
        self._sign = sign
        self._clock = clock
        self._client = GuardedClient(
            policy=policy,
            ssl_context=ssl_context,
            timeout_s=timeout_s,
            user_agent=user_agent,
            resolver=resolver,
        )

    async def deliver(self, parcel: Parcel) -> Outcome:
        """Post the parcel once. See `contract.Channel.deliver`."""
        body = self._event(parcel)
        if not isinstance(body, bytes):
            return body
        reply = await self._post(parcel, parcel.alert, body, "application/cloudevents+json")
        return self._judge(reply) if isinstance(reply, Reply) else reply

    async def deliver_together(self, parcels: Sequence[Parcel], *, most_bytes: int) -> Together:
        """Post several parcels once. See `contract.BatchChannel.deliver_together`."""
        events = [self._event(parcel) for parcel in parcels]
        bodies = [event for event in events if isinstance(event, bytes)]
        count = webhook_batch.fitting(bodies, most_bytes)
        sent = [
            parcel for parcel, event in zip(parcels, events, strict=True)
            if isinstance(event, bytes)
        ][:count]  # fmt: skip
        alerts = [parcel.alert for parcel in sent]
        if not sent:
            troubles = tuple(event for event in events if not isinstance(event, bytes))
            return Together(said=troubles[0], each=troubles)
        reply = await self._post(
            sent[0],
            webhook_batch.batch_id(alerts),
            webhook_batch.batch_body(bodies[:count]),
            webhook_batch.MEDIA_TYPE,
            keep_reply=True,
        )
        said = self._judge(reply) if isinstance(reply, Reply) else reply
        came: Sequence[Outcome] = (said,) * count
        if isinstance(reply, Reply) and isinstance(said, Accepted):
            came = webhook_batch.outcomes(reply, alerts)
            if isinstance(came[0], Deferred) and came[0].outcome_unknown:
                said = came[0]
        elif isinstance(reply, Reply) and isinstance(said, Rejected) and count > 1:
            # Said of a post, "never again" may mean one alert of it: each is asked about alone.
            said = Deferred(reason=said.reason)
            came = (said,) * count
        return Together(said=said, each=_merged(events, iter(came)))

    def _event(self, parcel: Parcel) -> bytes | Outcome:
        """Return the body of one parcel, or what came of making it."""
        try:
            return self._body(parcel)
        except Undeliverable as refusal:
            return Rejected(reason=refusal.code)
        except Exception:  # noqa: BLE001  # whatever makes the URL raises: told later, not never
            return Deferred(reason="no-collect-url")

    async def _post(
        self,
        parcel: Parcel,
        id_: AlertId,
        body: bytes,
        media_type: str,
        *,
        keep_reply: bool = False,
    ) -> Reply | Deferred | Rejected:
        timestamp = int(self._clock())
        try:
            signature = self._sign(parcel.endpoint, id_, timestamp, body)
        except Exception:  # noqa: BLE001  # whatever the key store raises, nothing unsigned leaves
            return Deferred(reason="not-signed")
        return await self._client.exchange(
            "POST",
            parcel.address,
            headers={
                "Content-Type": media_type,
                "webhook-id": id_,
                "webhook-timestamp": str(timestamp),
                "webhook-signature": signature,
                **self._origin,
            },
            body=body,
            keep_reply=keep_reply,
        )

    async def close(self) -> None:
        """Close the kept-alive connections."""
        await self._client.close()

    def _body(self, parcel: Parcel) -> bytes:
        whole = webhook_body(parcel, source=self._source)
        if len(whole) <= MAX_POSTED_BYTES or parcel.form != "sealed" or self._collect_url is None:
            return whole
        url = self._collect_url(parcel.alert, parcel.endpoint)
        return webhook_body(parcel, source=self._source, collect_url=url)

    def _judge(self, reply: Reply) -> Outcome:
        """Judge by status alone: 2xx accepted, 410 the receiver's own wish to stop, else later.

        The other 4xx are deferred, not final: a receiver that loses its route or its key for an
        afternoon answers 404 or 401, and someone who must know may not go untold for that. The
        ladder retries, falls over to the next channel and ends in a visible dead letter. A 3xx
        is one more failure: following it would post to an address nobody vetted.
        """
        status = reply.status
        if 200 <= status < 300:
            return _ACCEPTED
        if status == HTTPStatus.GONE:
            return Rejected(reason="http-410")
        slow_down = status == HTTPStatus.TOO_MANY_REQUESTS or status >= 500
        after = retry_delay(reply.retry_after, clock=self._clock) if slow_down else None
        return Deferred(reason=f"http-{status}", after=after)


def _merged(events: Sequence[bytes | Outcome], came: Iterator[Outcome]) -> tuple[Outcome, ...]:
    """Return the outcome of each event up to the first that was not sent."""
    each: list[Outcome] = []
    for event in events:
        outcome = next(came, None) if isinstance(event, bytes) else event
        if outcome is None:
            break
        each.append(outcome)
    return tuple(each)


def webhook_body(parcel: Parcel, *, source: str, collect_url: str | None = None) -> bytes:
    """Return the CloudEvent to post: the same bytes for every attempt of one alert.

    Its data holds ``proof`` and one member named for the parcel's form: ``sealed`` (an HPKE
    object, or a JWE compact string), ``notice`` or ``pointer`` (content-free text). With a
    `collect_url` that member is ``collect`` instead: where the parcel's bytes are to be had, how
    many they are, and their SHA-256 in hexadecimal.

    Raises:
        Undeliverable: not-sealed, not-text.

    Pure.
    """
    # No `dataref`: whoever relays the event might then drop `data`, and the proof with it.
    if collect_url is None:
        content: dict[str, object] = {parcel.form: _content(parcel)}
    else:
        content = {"collect": _collect(parcel, collect_url)}
    event = {
        "specversion": "1.0",
        "id": parcel.alert,
        "source": source,
        "type": ALERT_TYPE,
        "time": parcel.decided_at.astimezone(UTC),
        "datacontenttype": "application/json",
        "data": {**content, "proof": parcel.proof},
    }
    try:
        return orjson.dumps(event, option=orjson.OPT_UTC_Z)
    except orjson.JSONEncodeError:
        raise Undeliverable("not-text") from None


def _collect(parcel: Parcel, url: str) -> dict[str, object]:
    return {
        "url": url,
        "bytes": len(parcel.sealed),
        "sha256": hashlib.sha256(parcel.sealed).hexdigest(),
    }


def _content(parcel: Parcel) -> object:
    if parcel.form != "sealed":
        try:
            return parcel.sealed.decode()
        except UnicodeDecodeError:
            raise Undeliverable("not-text") from None
    if _JWE_COMPACT.fullmatch(parcel.sealed):
        return parcel.sealed.decode("ascii")
    try:
        envelope = orjson.loads(parcel.sealed)
    except orjson.JSONDecodeError:
        raise Undeliverable("not-sealed") from None
    if not isinstance(envelope, dict):
        raise Undeliverable("not-sealed")
    return envelope
