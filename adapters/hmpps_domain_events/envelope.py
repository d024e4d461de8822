"""The envelope of an HMPPS domain event, bare or inside the notification that SNS wraps it in.

Source: hmpps-domain-events ``schema/hmpps-domain-event.json``; Amazon SNS HTTP/SQS message form.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from adapters.contract import UnsupportedEvent
from adapters.kit.members import Members
from gateway.model.groups import parse_time
from gateway.model.identifiers import check_crn, check_noms
from gateway.model.problem import MalformedEvent, Problem
from gateway.model.strict_json import Json, JsonObject, read_object

# personReference types -> the gateway's name and its check. Other types are not person numbers
# the gateway matches by, and are passed over.
_PERSON_TYPES: Final[dict[str, tuple[str, Callable[[str], str]]]] = {
    "NOMS": ("noms", check_noms),
    "nomsNumber": ("noms", check_noms),
    "CRN": ("crn", check_crn),
}
# What producers call a prison number where they state it outside personReference.
_NOMS_MEMBERS: Final = ("nomsNumber", "prisonerNumber", "prisonerId", "offenderNo", "prisonNumber")

# When it was published, words for people, and where a permitted service may fetch the rest: none
# is a fact of the event. The reason is repeated here by some producers; it counts where it belongs.
_ASIDE: Final = ("publishedAt", "description", "detailUrl", "reason")
# Numbers of rows in the sender's own systems, who typed it in, and texts for developers.
_ADDITIONAL_ASIDE: Final = (
    "bookingId", "sentenceCalculationId", "details", "registerTypeDescription",
    "registrationCategoryDescription", "registrationLevelDescription", "createdDateAndTime",
    "updatedDateAndTime", "registrationDate", "deregistrationDate", "bookingNumber", "contactId",
    "occurrenceId", "source", "addressStatus",
)  # fmt: skip
# The notification's own: who sent it through whom, and how to check or stop that.
_NOTIFICATION_ASIDE: Final = (
    "Type", "MessageId", "TopicArn", "Subject", "Timestamp", "SignatureVersion", "Signature",
    "SigningCertURL", "UnsubscribeURL", "MessageAttributes",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainEvent:
    """One domain event whose envelope is in order; what it is about is read on demand."""

    path: str  # of the event in the message: "$", or "$.Message" inside a notification
    event_type: str
    version: Json  # unread: types that are not translated state it in forms of their own
    occurred_at: datetime  # aware
    occurred_text: str  # the same as sent: up to nanoseconds, with its own offset
    members: Members  # the event itself
    additional: Members  # additionalInformation
    around: Members | None = None  # the notification it came in

    def text(self, name: str) -> str | None:
        """Return a member of additionalInformation; None when missing, null or empty.

        Raises:
            MalformedEvent: it is not a string.
        """
        return self.additional.text(name)

    def reference(self, name: str) -> str:
        """Return a number or text of additionalInformation that names something, "" if missing.

        Raises:
            MalformedEvent: it is neither.
        """
        value = self.additional.raw(name)
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        return self.text(name) or ""

    def unread(self) -> tuple[str, ...]:
        """Return the paths of members that this adapter does not know."""
        around = () if self.around is None else self.around.unread()
        return (*around, *self.members.unread())

    def identifiers(self) -> JsonObject:
        """Return the person's ``noms`` and ``crn``, as far as stated; at least one.

        Raises:
            MalformedEvent: none stated, one not in its form, or two of a kind that differ: then
                nobody can say whom the event is about.
        """
        found: JsonObject = {}
        for type_, value, path in self._stated_identifiers():
            if type_ not in _PERSON_TYPES:
                continue
            name, check = _PERSON_TYPES[type_]
            try:
                check(value)
            except ValueError as error:
                raise self.malformed(path, str(error)) from None
            if found.setdefault(name, value) != value:
                raise self.malformed(path, "differs from another number stated for this person")
        if not found:
            raise self.malformed(".personReference", "names nobody by NOMS or CRN")
        return found

    def malformed(self, path: str, reason: str) -> MalformedEvent:
        """Return the error that says what is wrong at a path below the event."""
        return MalformedEvent(Problem(path=self.path + path, reason=reason))

    def unsupported(self, path: str, reason: str, *, needs_human: bool) -> UnsupportedEvent:
        """Return the error that says why this event is not translated."""
        return UnsupportedEvent(
            Problem(path=self.path + path, reason=reason),
            event_type=self.event_type,
            needs_human=needs_human,
        )

    def unclear(self, name: str, reason: str) -> UnsupportedEvent:
        """Return the error that asks for a human, about a member of additionalInformation."""
        return self.unsupported(_below(name), f"needs a human: {reason}", needs_human=True)

    def passed_over(self, name: str, reason: str) -> UnsupportedEvent:
        """Return the error that says why this event is nobody's business here."""
        return self.unsupported(_below(name), reason, needs_human=False)

    def _stated_identifiers(self) -> Iterator[tuple[str, str, str]]:
        """Yield type, value and path of every identifier, in document order."""
        for name in _NOMS_MEMBERS:
            noms = self.text(name)
            if noms is not None:
                yield "NOMS", noms, f".additionalInformation.{name}"
        reference = self.members.object("personReference")
        stated = [] if reference is None else reference.raw("identifiers") or []
        if not isinstance(stated, list):
            raise self.malformed(".personReference.identifiers", "must be an array")
        for index, item in enumerate(stated):
            path = f".personReference.identifiers[{index}]"
            type_, value = (
                (item.get("type"), item.get("value")) if isinstance(item, dict) else (None, None)
            )
            if not isinstance(type_, str) or not isinstance(value, str):
                raise self.malformed(path, "must have a type and a value, both strings")
            yield type_, value, f"{path}.value"


def _below(name: str) -> str:
    return ".additionalInformation" + (f".{name}" if name else "")


def read_event(body: bytes) -> DomainEvent:
    """Read one message under the strict JSON profile.

    Raises:
        MalformedEvent: not such a message, or `occurredAt` has no zone: none is guessed.
        UnsupportedEvent: an SNS message that notifies of no event.

    Pure.
    """
    value = read_object(body)
    if "eventType" not in value and "Type" in value:
        around = Members(value)
        around.ignore(*_NOTIFICATION_ASIDE)
        return _envelope(_notified(value, around), "$.Message", around)
    return _envelope(value, "$", None)


def _notified(notification: JsonObject, around: Members) -> JsonObject:
    """Return the event an SNS notification carries as text."""
    if notification["Type"] != "Notification":
        raise UnsupportedEvent(
            Problem(path="$.Type", reason="not a notification of an event"), event_type=""
        )
    message = around.raw("Message")
    if not isinstance(message, str):
        raise MalformedEvent(Problem(path="$.Message", reason="must be the event as JSON text"))
    try:
        return read_object(message.encode())
    except MalformedEvent as error:
        raise MalformedEvent(
            *(
                Problem(path="$.Message" + problem.path[1:], reason=problem.reason)
                for problem in error.problems
            )
        ) from None


def _envelope(value: JsonObject, path: str, around: Members | None) -> DomainEvent:
    members = Members(value, path)
    members.ignore(*_ASIDE)
    event_type, occurred = members.raw("eventType"), members.raw("occurredAt")
    if not isinstance(event_type, str) or not event_type:
        raise members.malformed("eventType", "required, a string")
    if not isinstance(occurred, str):
        raise members.malformed("occurredAt", "required, a string")
    additional = members.object("additionalInformation")
    if additional is None:
        additional = Members({}, f"{path}.additionalInformation")
    additional.ignore(*_ADDITIONAL_ASIDE)
    try:
        occurred_at = parse_time(occurred)
    except ValueError as error:
        raise members.malformed("occurredAt", str(error)) from None
    return DomainEvent(
        path=path,
        event_type=event_type,
        version=members.raw("version"),
        occurred_at=occurred_at,
        occurred_text=occurred,
        members=members,
        additional=additional,
        around=around,
    )
