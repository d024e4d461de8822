"""Answering: who may say that they have an alert, and by which means.

An answer token proves that the alert was opened: it travels only inside the seal. A text proves
nothing but the number it came from, so it counts where the directory has that number for whom the
alert was texted to.
"""

import hmac
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from gateway.directory import Directory
from gateway.links import Links
from gateway.metrics import ANSWERS
from gateway.model.alert_answer import Means
from gateway.model.alert_state import Answer
from gateway.model.ids import AlertId, EndpointId
from gateway.model.outcome import Reply
from gateway.model.party import Recipient
from gateway.store import alerts
from gateway.store.alerts import AlertRow, AnswerResult
from gateway.store.group_commit import Unit
from gateway.store.store import Store
from gateway.traces import OFF, Traces

UNKNOWN: Final = AnswerResult(verdict="unknown", state=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answering:
    """What taking answers needs."""

    store: Store
    directory: Directory
    links: Links
    now: Callable[[], datetime]
    traces: Traces = OFF

    def opened(self, alert: AlertId, token: str) -> AlertRow | None:
        """Return the alert that a token is of, or None. Reads only.

        The token is compared before anything is looked up: a wrong one for an alert there is and
        one for an alert there never was take as long.
        """
        if not self.links.is_answer(token, alert):
            return None
        return alerts.find(self.store.reader, alert)

    async def answer(
        self,
        alert: AlertId,
        token: str,
        said: Answer,
        *,
        means: Means,
        by: str | None = None,
        reason: str | None = None,
    ) -> AnswerResult:
        """Take the answer of whoever has an alert's token. Commits.

        Raises:
            StoreUnavailable: nothing was taken.
        """
        if not self.links.is_answer(token, alert):
            return UNKNOWN
        unit = alerts.answer(alert, said, means=means, by=by, reason=reason, now=self.now())
        return await take(self.store, self.traces, alert, unit, said, means)

    async def answer_by_text(self, reply: Reply) -> bool:
        """Take what a person answered by text; return whether it was of an alert told to that
        number. YES is acknowledged; NO is rejected. Commits.

        Raises:
            StoreUnavailable: nothing was taken.
        """
        self.directory.refresh()
        for row in alerts.by_reference(self.store.reader, reply.reference):
            if self._texted(row, reply.address):
                break
        else:
            return False
        reason = "other" if reply.answer == "rejected" else None
        unit = alerts.answer(
            row.id, reply.answer, means="sms", by=None, reason=reason, now=self.now(),
            recipient=row.recipient,
        )  # fmt: skip
        await take(self.store, self.traces, row.id, unit, reply.answer, "sms")
        return True

    def _texted(self, row: AlertRow, number: str) -> bool:
        """Return whether an alert was texted to this very number, where its recipient still has
        it."""
        recipient = self.directory.recipients.get(row.recipient)
        if recipient is None:
            return False
        tried = {
            one.endpoint
            for one in alerts.ways_of(self.store.reader, row.id)
            if one.way.attempts > 0
        }
        return _has_number(recipient, number, tried)


async def take(
    store: Store,
    traces: Traces,
    alert: AlertId,
    unit: Unit[AnswerResult],
    said: Answer,
    means: Means,
) -> AnswerResult:
    """Make an answer durable, and count it once. Commits."""
    with traces.stage("acknowledge", outcome=said) as span:
        if traces is not OFF and (event := alerts.event_of(store.reader, alert)) is not None:
            span.about(event)
        taken = await store.commit(unit)
    if taken.verdict == "taken":
        ANSWERS.labels(said, means).inc()
    return taken


def _has_number(recipient: Recipient, number: str, endpoints: set[EndpointId]) -> bool:
    given = number.encode("utf-8", "surrogateescape")
    found = [
        hmac.compare_digest(one.address.encode(), given)
        for one in recipient.endpoints
        if one.channel == "sms" and one.id in endpoints
    ]
    return any(found)
