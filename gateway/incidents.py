"""Incidents: troubles the operator is told of, each at once, and then within a cap.

What was seen is recorded first, in the transaction of what it follows from where that matters, and
said after: a crash in between loses nothing.
"""

import asyncio
import hashlib
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal, get_args

import orjson
import structlog

from gateway.channels.contract import Channel
from gateway.channels.http_client import GuardedClient, Reply
from gateway.disclosure_log.operation import timestamp
from gateway.model.disclosure import Parcel
from gateway.model.ids import AlertId, EndpointId
from gateway.model.outcome import Accepted, Deferred, Outcome, Rejected
from gateway.store import incidents
from gateway.store.engine import Connection
from gateway.store.group_commit import Staged
from gateway.store.incidents import Incident, open_ones, to_be_said
from gateway.store.sqlite import StoreUnavailable
from gateway.store.store import Store

Code = Literal[
    "nobody-answered",
    "dead-letter",
    "key-expiring",
    "key-unusable",
    "key-unvouched",
    "provider-unavailable",
    "breaker-open",
    "quarantined",
    "log-behind-witness",
    "log-forked",
    "no-quorum",
    "rulebook-not-adopted",
    "rulebook-broken",
]
CODES: Final[tuple[Code, ...]] = get_args(Code)
CAP: Final = 5
EVERY: Final = timedelta(hours=1)
AGAIN_AFTER: Final = timedelta(minutes=1)  # it did not get through
LOOK_EVERY_S: Final = 1.0

_LOG = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorAlert:
    """One telling. Carries no personal data: a code, and the name of what it is about."""

    code: str
    subject: str  # a recipient, an endpoint, a key, a carrier: as the directory names it
    seen: int  # how often so far
    opened_at: datetime
    last_at: datetime
    number: int  # of this telling of the incident, from 1
    cap: int  # after so many the incident is said no more

    @property
    def text(self) -> str:
        """What a human reads."""
        last = " This is said no more until it stops for a day." if self.number == self.cap else ""
        return (
            f"{_TEXTS.get(self.code, self.code)}: {self.subject}."
            f" Seen {self.seen} times since {timestamp(self.opened_at)},"
            f" last at {timestamp(self.last_at)}.{last}"
        )


Sink = Callable[[OperatorAlert], Awaitable[Outcome]]


class Incidents:
    """Takes what troubles there are, and tells the operator."""

    def __init__(
        self,
        *,
        store: Store,
        now: Callable[[], datetime],
        sinks: Sequence[Sink] = (),
        cap: int = CAP,
        every: timedelta = EVERY,
    ) -> None:
        self._store = store
        self._now = now
        self._sinks = tuple(sinks)
        self._cap = cap
        self._every = every
        self._found: Counter[str] = Counter()  # not yet recorded

    def report(self, code: Code, subject: str) -> None:
        """Note a trouble; it is recorded and said with the next look. Never blocks, never fails."""
        self._found[f"{code} {subject}"] += 1

    async def run(self) -> None:
        """Look for ever; one in each process records, the first worker's says."""
        while True:
            try:
                await self.look()
            except StoreUnavailable as error:
                _LOG.error("cannot tell the operator", error=type(error).__name__)
            await asyncio.sleep(LOOK_EVERY_S)

    async def look(self) -> list[OperatorAlert]:
        """Record what was found, and say what is to be said; return that. Commits."""
        now = self._now()
        await self._record(now)
        if not self._store.shards.is_first:
            return []
        open_now = open_ones(self._store.reader)
        if any(now - one.last_at >= incidents.QUIET_CLOSES for one in open_now):
            await self._store.commit(_closing(now))
            open_now = open_ones(self._store.reader)
        said = []
        for incident in open_now:
            if to_be_said(incident, now, cap=self._cap, every=self._every):
                alert = _alert(incident, self._cap)
                await self._say(incident, alert, now)
                said.append(alert)
        return said

    async def close(self, code: Code, subject: str) -> bool:
        """Close an incident; return whether there was one open. Commits."""
        return await self._store.commit(incidents.close(f"{code} {subject}", self._now()))

    async def _record(self, now: datetime) -> None:
        found, self._found = self._found, Counter()
        if not found:
            return
        try:
            await self._store.commit(incidents.see_all(found, now))
        except StoreUnavailable:
            self._found.update(found)
            raise

    async def _say(self, incident: Incident, alert: OperatorAlert, now: datetime) -> None:
        if self._sinks:
            outcomes = [await sink(alert) for sink in self._sinks]
            if not any(_may_have_arrived(one) for one in outcomes):
                codes = [one.reason for one in outcomes if isinstance(one, Deferred | Rejected)]
                _LOG.error("operator not told", code=alert.code, error=codes[0])
                again = now + AGAIN_AFTER
                await self._store.commit(incidents.put_off(incident.name, again, self._every))
                return
        _LOG.error("operator alert", code=alert.code, subject=alert.subject, count=alert.seen)
        await self._store.commit(incidents.tell(incident.name, now))


def _closing(now: datetime) -> Callable[[Connection], Staged[int]]:
    return lambda connection: Staged(incidents.close_quiet(connection, now))


def _alert(incident: Incident, cap: int) -> OperatorAlert:
    return OperatorAlert(
        code=incident.code,
        subject=incident.subject,
        seen=incident.seen,
        opened_at=incident.opened_at,
        last_at=incident.last_at,
        number=incident.said + 1,
        cap=cap,
    )


def _may_have_arrived(outcome: Outcome) -> bool:
    return isinstance(outcome, Accepted) or (
        isinstance(outcome, Deferred) and outcome.outcome_unknown
    )


def webhook_sink(client: GuardedClient, url: str, *, instance: str) -> Sink:
    """Return the sink that posts to whatever takes Alertmanager's webhooks."""

    async def post(alert: OperatorAlert) -> Outcome:
        reply = await client.exchange(
            "POST",
            url,
            headers={"Content-Type": "application/json"},
            body=webhook_body(alert, instance=instance),
        )
        if not isinstance(reply, Reply):
            return reply
        if 200 <= reply.status < 300:
            return Accepted(detail=f"http-{reply.status}")
        return Deferred(reason=f"http-{reply.status}")

    return post


def mail_sink(
    channel: Channel, address: str, *, new_id: Callable[[str], str], now: Callable[[], datetime]
) -> Sink:
    """Return the sink that mails the operator over the gateway's own relay."""

    async def mail(alert: OperatorAlert) -> Outcome:
        return await channel.deliver(
            Parcel(
                alert=AlertId(new_id("opr")),
                endpoint=EndpointId("operator/email"),
                channel="email",
                form="notice",
                address=address,
                sealed=(alert.text + "\n").encode(),
                proof="",
                decided_at=now(),
                attempt=1,
                urgent=True,
            )
        )

    return mail


def webhook_body(alert: OperatorAlert, *, instance: str) -> bytes:
    """Return one alert as Alertmanager's webhook has it, version 4. Pure."""
    labels = {"alertname": alert.code, "subject": alert.subject, "instance": instance}
    annotations = {"summary": alert.text, "count": str(alert.seen)}
    return orjson.dumps(
        {
            "version": "4",
            "groupKey": f"{instance}:{alert.code}:{alert.subject}",
            "truncatedAlerts": 0,
            "status": "firing",
            "receiver": "throughgate",
            "groupLabels": {"alertname": alert.code, "subject": alert.subject},
            "commonLabels": labels,
            "commonAnnotations": annotations,
            "externalURL": "",
            "alerts": [
                {
                    "status": "firing",
                    "labels": labels,
                    "annotations": annotations,
                    "startsAt": timestamp(alert.opened_at),
                    "endsAt": "0001-01-01T00:00:00Z",
                    "generatorURL": "",
                    "fingerprint": _fingerprint(alert),
                }
            ],
        }
    )


def _fingerprint(alert: OperatorAlert) -> str:
    """Return what tells one incident from another: the same for each telling of it."""
    name = f"{alert.code} {alert.subject}".encode()
    return hashlib.blake2b(name, digest_size=8).hexdigest()


_TEXTS: Final[dict[str, str]] = {
    "nobody-answered": "Nobody answered, and nobody is left to turn to, for alerts to",
    "dead-letter": "Alerts could not be delivered to",
    "key-expiring": "A key expires soon",
    "key-unusable": "A key cannot be used",
    "provider-unavailable": "A carrier takes nothing",
    "breaker-open": "Nothing gets through for now to",
    "rulebook-not-adopted": "The configured rulebook waits for a second person; the one before goes"
    " on, not",
    "rulebook-broken": "The configured rulebook does not hold together; the one before goes on",
    "quarantined": "Events could not be decided and were set aside, of",
    "log-behind-witness": "The log here is shorter than what was once signed, says the witness",
    "log-forked": "The log here is not the one that was once signed, says the witness",
    "no-quorum": "Too few witnesses have cosigned the log",
}
