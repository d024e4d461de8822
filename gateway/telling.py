"""Telling: from what is known after an event to disclosures, refusals and questions to a human.

One `Telling` is one decision in the making; nothing of it is stored until it is committed whole.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import structlog

from gateway.circumstances import Circumstances
from gateway.disclose import NEWS, Revision, Told, disclose, recall
from gateway.disclosure_log import entry
from gateway.known import for_event
from gateway.model.decision import Permit, Proposal, Reason, Refusal
from gateway.model.event import Event
from gateway.model.ids import (
    AlertId,
    EventRef,
    PersonRef,
    RecipientId,
    RuleId,
    TaskId,
)
from gateway.model.party import Recipient
from gateway.model.person import Person
from gateway.model.strict_json import Json, JsonObject
from gateway.revise import IN_VAIN, Revised
from gateway.store.history import Alert, standing
from gateway.store.tasks import DISCLOSURE, Task
from gateway.traces import OFF, Traces

Rules = Mapping[RecipientId, frozenset[RuleId]]  # that a human decided to carry out

_LOG = structlog.get_logger()


@dataclass(slots=True, kw_only=True)
class Telling:
    """What is told, refused, kept back and asked, as it adds up."""

    around: Circumstances
    alerts: list[Alert]  # about the person or persons, oldest first
    news_since: datetime | None = None  # the present release episode began after it
    told: list[Told] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)
    entries: list[bytes] = field(default_factory=list)
    withheld: dict[AlertId, str] = field(default_factory=dict)  # alert -> why it may not leave
    tasks: list[Task] = field(default_factory=list)
    traces: Traces = OFF
    standing: list[Alert] = field(init=False)  # of the alerts, those not superseded or recalled

    def __post_init__(self) -> None:
        self.standing = standing(self.alerts)

    def tell(self, event: Event, person: Person, before: Person) -> None:
        """Decide an event for every candidate and disclose what is permitted."""
        for one in self.around.decide(event, person, before, told=self._told_but_of(None)):
            self._ask(one, event)
            if isinstance(one, Permit):
                recipient = self.around.directory.recipients[one.recipient]
                self._disclose(one, event, person, recipient, self._news(event, recipient.id))
            else:
                self.refuse(one, event.person)

    def say_nothing(self, event: Event, code: str) -> None:
        """Keep why an event itself tells nobody. One that revises nothing needs a human."""
        self.refuse(self.refusal(event, code, None), event.person)
        if code == IN_VAIN:
            _LOG.error("correction of nothing known", event_ref=event.ref, agency=event.agency)
            self._warn("correction-of-nothing", event)

    def revise(self, revised: Revised, person: Person, by: Event, rules: Rules) -> None:
        """Tell exactly those who were told of an earlier event how it stands now.

        Args:
            revised: The earlier event.
            person: All that is known now of the person it is about.
            by: The event that revises it.
            rules: Which rules a human decided to carry out for this event, by recipient.
        """
        event = revised.event
        addressed = {
            alert.recipient: alert
            for alert in self.standing
            if alert.event == event.ref and (revised.only is None or alert.id in revised.only)
        }
        self._keep_superseded(event.ref, revised)
        permits: dict[RecipientId, list[Permit]] = {}
        if revised.stands:
            for one in self.around.decide(event, person, None, told=self._told_but_of(event.ref)):
                if revised.only is not None and one.recipient not in addressed:
                    continue
                self._ask(one, event)
                if isinstance(one, Permit):
                    permits[one.recipient] = [one]
                else:
                    self.refuse(one, event.person)
            permits |= self._standing_by(event, person, addressed)
            for recipient, decided in rules.items():
                permits.setdefault(recipient, []).extend(
                    self._decided(event, person, recipient, decided)
                )
        for recipient, alert in addressed.items():
            self._correct(revised, person, by, alert, permits.pop(recipient, []))
        for recipient, newly in permits.items():
            for permit in newly:
                to = self.around.directory.recipients[recipient]
                self._disclose(permit, event, person, to, NEWS)

    def carry_out(self, task: Task, event: Event, person: Person, *, stands: bool) -> None:
        """Disclose what a human approved, if the law still lets it be, and nothing else."""
        recipient = self.around.directory.recipients.get(task.recipient or RecipientId(""))
        if recipient is None or task.rule is None:
            answer: Permit | Refusal = self.refusal(event, "recipient-gone", task.recipient)
        elif not stands:
            answer = self.refusal(event, "event-retracted", recipient.id)
        else:
            answer = self._evaluate(event, person, recipient, frozenset({task.rule}))
        if isinstance(answer, Refusal) or recipient is None:
            assert isinstance(answer, Refusal)  # noqa: S101 - nobody there is never permitted
            self.refuse(answer, event.person)
            return
        earlier = [
            one for one in self.standing if one.event == event.ref and one.recipient == recipient.id
        ]
        revision = Revision(message="UPDATE", supersedes=earlier[0].id) if earlier else NEWS
        self._disclose(answer, event, person, recipient, revision)

    def keep_back(self, person: Person, before: Person) -> None:
        """Keep alerts that a new restriction forbids, and that have not left, from leaving."""
        if _restrictions(person) == _restrictions(before):
            return
        for alert in self.alerts:
            recipient = self.around.directory.recipients.get(alert.recipient)
            if not alert.pending or alert.message == "RECALL" or recipient is None:
                continue
            if alert.id not in self.withheld and self._forbidden(alert, person, recipient):
                self.withheld[alert.id] = "restricted"

    def refuse(self, refusal: Refusal, person: PersonRef) -> None:
        """Keep a refusal, and the entry that says so."""
        recipient = self.around.directory.recipients.get(refusal.recipient)
        self.refused.append(refusal)
        self.entries.append(
            entry.refusal(
                at=self.around.now,
                event=refusal.event,
                person=person,
                recipient=refusal.recipient,
                role=recipient.role if recipient else "*",
                reasons=refusal.reasons,
                rulebook=refusal.rulebook,
            ).encode()
        )

    def refusal(self, event: Event, code: str, recipient: RecipientId | None) -> Refusal:
        """Return the refusal of an event as a whole, or to one recipient."""
        return Refusal(
            event=event.ref,
            recipient=recipient or RecipientId("*"),
            reasons=(Reason(code=code, text=_TEXTS[code]),),
            rulebook=self.around.law.rulebook.digest,
        )

    def _correct(
        self, revised: Revised, person: Person, by: Event, alert: Alert, permits: Iterable[Permit]
    ) -> None:
        """Send one recipient what their alert should have said, or that it is to be disregarded."""
        recipient = self.around.directory.recipients.get(alert.recipient)
        if recipient is None:
            self._gone(by)
            return
        corrections = list(permits)
        for permit in corrections:
            revision = Revision(message="CORRECTION", supersedes=alert.id, revised_by=by.ref)
            self._disclose(permit, revised.event, person, recipient, revision)
        if not corrections:
            revision = Revision(message="RECALL", supersedes=alert.id, revised_by=by.ref)
            digest = self.around.law.rulebook.digest
            told = recall(
                revised.event, recipient, revised.reason, self.around.context, revision, digest
            )
            self._keep(told, revised.event.person)

    def _gone(self, by: Event) -> None:
        """Somebody was told and cannot be reached any more: a human must find them."""
        _LOG.error("told recipient is gone", event_ref=by.ref)
        self._warn("told-recipient-gone", by)

    def _warn(self, code: str, event: Event) -> None:
        warning = entry.security(
            at=self.around.now, code=code, agency=event.agency, event=event.ref
        )
        self.entries.append(warning.encode())

    def _keep_superseded(self, event: EventRef, revised: Revised) -> None:
        for alert in self.alerts:
            wrong = revised.only is None or alert.id in revised.only
            if alert.event == event and alert.pending and wrong and alert.message != "RECALL":
                self.withheld[alert.id] = "superseded"

    def _disclose(
        self,
        permit: Permit,
        event: Event,
        person: Person,
        recipient: Recipient,
        revision: Revision,
    ) -> None:
        known = for_event(person, event)
        with self.traces.stage("disclose", event.ref, kind=event.kind) as span:
            told = disclose(permit, event, known, recipient, self.around.context, revision)
            span.say(disclosures=len(told.disclosures))
        self._keep(told, event.person)

    def _keep(self, told: Told, person: PersonRef) -> None:
        self.told.append(told)
        for refusal in told.refusals:
            self.refuse(refusal, person)

    def _news(self, event: Event, recipient: RecipientId) -> Revision:
        """Return NOTIFY, or UPDATE of the latest alert about the same release episode."""
        if not event.kind.startswith("release."):
            return NEWS
        earlier = [
            alert
            for alert in self.standing
            if alert.recipient == recipient
            and alert.kind.startswith("release.")
            and (self.news_since is None or alert.decided_at > self.news_since)
        ]
        if not earlier:
            return NEWS
        newest = max(earlier, key=lambda alert: alert.leaf_index)
        return Revision(message="UPDATE", supersedes=newest.id)

    def _told_but_of(self, event: EventRef | None) -> frozenset[RecipientId]:
        """Return who was told of the person, by an alert about another event than this."""
        return frozenset(one.recipient for one in self.standing if one.event != event)

    def _standing_by(
        self, event: Event, person: Person, told: Iterable[RecipientId]
    ) -> dict[RecipientId, list[Permit]]:
        """Decide for those told only because somebody else did not answer: candidates of no event,
        and yet to be put right."""
        found = (self.around.directory.recipients.get(one) for one in told)
        standby = [one for one in found if one is not None and one.standby]
        answers = (self._evaluate(event, person, one, frozenset()) for one in standby)
        return {one.recipient: [one] for one in answers if isinstance(one, Permit)}

    def _decided(
        self, event: Event, person: Person, recipient: RecipientId, rules: frozenset[RuleId]
    ) -> list[Permit]:
        to = self.around.directory.recipients.get(recipient)
        answer = self._evaluate(event, person, to, rules) if to else None
        return [answer] if isinstance(answer, Permit) else []

    def _evaluate(
        self, event: Event, person: Person, to: Recipient, decided: frozenset[RuleId]
    ) -> Permit | Refusal:
        return self.around.evaluate(
            event.ref,
            event.kind,
            event.agency,
            for_event(person, event),
            to,
            told_before=to.id in self._told_but_of(event.ref),
            decided=decided,
        )

    def _forbidden(self, alert: Alert, person: Person, recipient: Recipient) -> bool:
        """Return whether the rulebook, on what is now known, forbids what an alert would tell."""
        answer = self.around.evaluate(
            alert.event,
            alert.kind,
            alert.agency,
            person,
            recipient,
            told_before=recipient.id in self._told_but_of(alert.event),
        )
        return isinstance(answer, Refusal) and any(
            reason.code in {"forbidden", "evaluation-error"} for reason in answer.reasons
        )

    def _ask(self, decision: Permit | Refusal, event: Event) -> None:
        """Put to a human what only a human may decide, where it is to be asked unbidden."""
        by_rule: dict[RuleId, list[Proposal]] = {}
        for proposal in decision.proposals:
            if proposal.at_once:
                by_rule.setdefault(proposal.rule, []).append(proposal)
        for rule, proposals in by_rule.items():
            self.tasks.append(
                Task(
                    id=TaskId(self.around.new_id("tsk")),
                    kind=DISCLOSURE,
                    person=event.person,
                    event=event.ref,
                    recipient=decision.recipient,
                    rule=rule,
                    body=question(proposals),
                )
            )


def question(proposals: Sequence[Proposal]) -> JsonObject:
    """Return what a task says of one rule's proposals: bases and names of members, no value."""
    members = {member for one in proposals for member in one.members}
    return {
        "bases": list[Json](dict.fromkeys(one.basis for one in proposals)),
        "citations": list[Json](dict.fromkeys(one.citation for one in proposals)),
        "purpose": proposals[0].purpose,
        "members": list[Json](sorted(members)),
        "decided_by": proposals[0].decided_by,
    }


_RESTRICTING: Final = ("restricted", "restricted_to", "excluded", "vetoed")


def _restrictions(person: Person) -> list[Json]:
    stated = person.facts.get("handling")
    return [stated.members.get(name) if stated else None for name in _RESTRICTING]


_TEXTS: Final = {
    "revises-nothing": "Nothing of the reference that this event names stands.",
    "revises-an-earlier-event": "What this event says is told as the event it revises.",
    "undoes-an-untold-movement": "Nobody was told of the movement it undoes, so of neither.",
    "recipient-gone": "The recipient this was approved for is no longer in the directory.",
    "event-retracted": "The event this was approved for has been retracted since.",
}
