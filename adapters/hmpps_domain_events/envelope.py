"""The envelope of an HMPPS domain event, bare or inside the notification that SNS wraps it in.

Source: hmpps-domain-events ``schema/hmpps-domain-event.json``; Amazon SNS HTTP/SQS message form.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from adapters.contract import UnsupportedEvent
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


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainEvent:
    """One domain event whose envelope is in order; what it is about is read on demand."""

    path: str  # of the event in the message: "$", or "$.Message" inside a notification
    event_type: str
    version: Json  # unread: types that are not translated state it in forms of their own
    occurred_at: datetime  # aware
    occurred_text: str  # the same as sent: up to nanoseconds, with its own offset
    additional: JsonObject  # additionalInformation
    person_reference: Json

    def text(self, name: str) -> str | None:
        """Return a member of additionalInformation; None when missing, null or empty.

        Raises:
            MalformedEvent: it is not a string.
        """
        value = self.additional.get(name)
        if value is not None and not isinstance(value, str):
            raise self.malformed(f".additionalInformation.{name}", "must be a string")
        return value or None

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

    def _stated_identifiers(self) -> Iterator[tuple[str, str, str]]:
        """Yield type, value and path of every identifier, in document order."""
        noms = self.text("nomsNumber")
        if noms is not None:
            yield "nomsNumber", noms, ".additionalInformation.nomsNumber"
        reference = {} if self.person_reference is None else self.person_reference
        if not isinstance(reference, dict):
            raise self.malformed(".personReference", "must be an object")
        stated = reference.get("identifiers") or []
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


def read_event(body: bytes) -> DomainEvent:
    """Read one message under the strict JSON profile.

    Raises:
        MalformedEvent: not such a message, or `occurredAt` has no zone: none is guessed.
        UnsupportedEvent: an SNS message that notifies of no event.

    Pure.
    """
    value = read_object(body)
    if "eventType" not in value and "Type" in value:
        return _envelope(_notified(value), "$.Message")
    return _envelope(value, "$")


def _notified(notification: JsonObject) -> JsonObject:
    """Return the event an SNS notification carries as text."""
    if notification["Type"] != "Notification":
        raise UnsupportedEvent(
            Problem(path="$.Type", reason="not a notification of an event"), event_type=""
        )
    message = notification.get("Message")
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


def _envelope(value: JsonObject, path: str) -> DomainEvent:
    event_type, occurred = value.get("eventType"), value.get("occurredAt")
    additional = value.get("additionalInformation")
    if not isinstance(event_type, str) or not event_type:
        raise MalformedEvent(Problem(path=f"{path}.eventType", reason="required, a string"))
    if not isinstance(occurred, str):
        raise MalformedEvent(Problem(path=f"{path}.occurredAt", reason="required, a string"))
    if additional is not None and not isinstance(additional, dict):
        raise MalformedEvent(
            Problem(path=f"{path}.additionalInformation", reason="must be an object")
        )
    try:
        occurred_at = parse_time(occurred)
    except ValueError as error:
        raise MalformedEvent(Problem(path=f"{path}.occurredAt", reason=str(error))) from None
    return DomainEvent(
        path=path,
        event_type=event_type,
        version=value.get("version"),
        occurred_at=occurred_at,
        occurred_text=occurred,
        additional=additional or {},
        person_reference=value.get("personReference"),
    )
