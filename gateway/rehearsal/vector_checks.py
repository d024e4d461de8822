"""The checks of policy vectors that no rulebook answers: adapters, channels, duties, the log.

Each calls the function that does the work in the gateway, with the vector's synthetic facts.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

from adapters.contract import UnsupportedEvent
from adapters.registry import find_adapters
from gateway.disclose import Disclosing, Told, disclose
from gateway.duties.consultation import follow
from gateway.duties.reckoning import reckon
from gateway.links import Links
from gateway.model.decision import Permit, Reason
from gateway.model.event import CanonicalEvent, Event
from gateway.model.groups import parse_time
from gateway.model.ids import AgencyName, EndpointId, EventRef, RecipientId
from gateway.model.party import Endpoint
from gateway.model.person import Person, StatedGroup
from gateway.model.problem import MalformedEvent
from gateway.rehearsal.vector_revisions import revision
from policies.clocks import ClockId
from policies.log_use import recipients_for_subject, refuse_use
from policies.review.vectors import (
    EVENT,
    NOT_RUN,
    PERSON,
    Check,
    Outcome,
    Vector,
    Vectors,
    decide,
    outcome_of,
    stated,
)
from policies.rulebook import Rulebook

_SOURCE: Final = "urn:example:vector"
_MOMENT: Final = datetime(2026, 3, 2, 9, tzinfo=UTC)
_TELLING: Final = 4  # characters
_ADDRESSES: Final = {"sms": "+447700900123", "email": "desk@example.org"}


def _adapter(vector: Vector, _vectors: Vectors, _rulebook: Rulebook) -> Outcome:
    """Translate an agency's own message; `absent` lists members that no event may then state."""
    adapter = find_adapters().get(str(vector.input.get("adapter")))
    if adapter is None:
        return NOT_RUN
    body = json.dumps(vector.input["body"]).encode()
    try:
        events = adapter.translate(body, source=_SOURCE).events
    except UnsupportedEvent as error:
        needs = "needs-human" if error.needs_human else "not-translated"
        return Outcome(verdict="TASK" if error.needs_human else "NOTHING", says=(needs,))
    except MalformedEvent as error:
        return Outcome(verdict="REJECT", says=tuple(one.path for one in error.problems))
    guessed = [path for path in vector.input.get("absent", ()) if _states(events, path)]
    return Outcome(
        verdict="REJECT" if guessed else "ACCEPT",
        reasons=frozenset(guessed),
        says=tuple(event.kind for event in events),
    )


def _states(events: tuple[CanonicalEvent, ...], path: str) -> bool:
    group, _, member = path.partition(".")
    return any(member in event.groups.get(group, {}) for event in events)


def _channel(vector: Vector, vectors: Vectors, rulebook: Rulebook) -> Outcome:
    """Disclose over a channel that may carry no fact: what leaves is looked at for any."""
    permit = decide(vector, vectors, rulebook)
    if not isinstance(permit, Permit) or vector.recipient is None:
        return outcome_of(permit)
    channel = vector.input["channel"]
    endpoint = Endpoint(
        id=EndpointId(f"vector/{channel}"), channel=channel, address=_ADDRESSES[channel]
    )
    recipient = replace(vector.recipient.recipient(), endpoints=(endpoint,))
    facts = stated(vector, vectors)
    person = Person(ref=PERSON, facts=_as_stated(vector, vectors))
    event = _event({"kind": vector.kind, "groups": facts}, EVENT, vector.sender)
    told = disclose(permit, event, person, recipient, _DISCLOSING)
    return _left(told, facts)


_DISCLOSING: Final = Disclosing(
    instance="throughgate.example/vectors",
    new_id=lambda prefix: f"{prefix}_{'0' * 32}",
    random_bytes=bytes,
    now=_MOMENT,
    mail_signer=None,
    links=Links(key=bytes(32), public_url="https://gateway.example.org"),
)


def _left(told: Told, facts: Mapping[str, Any]) -> Outcome:
    forms = tuple(one.form for one in told.disclosures)
    values = {text.encode() for text in _texts(facts)}
    leaked = any(value in one.sealed for one in told.disclosures for value in values)
    content_free = bool(forms) and not leaked and "sealed" not in forms
    return Outcome(verdict="POINTER" if content_free else "ALLOW", says=forms)


def _texts(value: Any) -> Iterator[str]:  # noqa: ANN401 - JSON
    """Yield every text stated, but for words too short to be told from any other."""
    if isinstance(value, str):
        if len(value) >= _TELLING:
            yield value
    elif isinstance(value, Mapping | list):
        for inner in value.values() if isinstance(value, Mapping) else value:
            yield from _texts(inner)


def _consultation(vector: Vector, _vectors: Vectors, _rulebook: Rulebook) -> Outcome:
    """Follow a change of release date; a party not consulted keeps it from being confirmed."""
    events = _events(vector)
    found = follow(events, {event.agency: str(event.agency) for event in events})
    if found is None:
        return Outcome(verdict="NOTHING")
    missing = found.missing_then or found.missing
    says = (found.state, *(f"missing {party}" for party in missing))
    return Outcome(verdict="DENY" if missing else "ALLOW", says=says)


def _duty(vector: Vector, vectors: Vectors, rulebook: Rulebook) -> Outcome:
    """Reckon one clock on the vector's day: DENY if it is broken."""
    events = _events(vector)
    reckoned = reckon(
        events,
        today=vector.today or vectors.today,
        clocks=rulebook.catalogues.clocks,
        classes={event.agency: str(event.agency) for event in events},
    )
    wanted = ClockId(vector.input["clock"])
    duties = [duty for duty in reckoned.duties if duty.clock == wanted]
    if not duties:
        return Outcome(verdict="NOTHING")
    says = tuple(f"{duty.clock} {duty.status}" for duty in duties)
    return Outcome(
        verdict="DENY" if any(d.status == "late" for d in duties) else "ALLOW", says=says
    )


def _log_use(vector: Vector, _vectors: Vectors, _rulebook: Rulebook) -> Outcome:
    """May the log be read for this?"""
    reason = refuse_use(str(vector.input["use"]))
    if reason is None:
        return Outcome(verdict="ALLOW")
    return Outcome(verdict="DENY", reasons=frozenset({reason.code}))


def _subject_access(vector: Vector, vectors: Vectors, _rulebook: Rulebook) -> Outcome:
    """To whom was the person's record disclosed, as the person may be told?"""
    told = [RecipientId(str(one)) for one in vector.input["told"]]
    found = recipients_for_subject(told, _as_stated(vector, vectors))
    if isinstance(found, Reason):
        return Outcome(verdict="TASK", reasons=frozenset({found.code}))
    return Outcome(verdict="ALLOW", says=tuple(found))


def _as_stated(vector: Vector, vectors: Vectors) -> Mapping[str, StatedGroup]:
    return {
        name: StatedGroup(
            members=members,  # type: ignore[arg-type]  # checked when the vectors were read
            controller=AgencyName(vector.controllers.get(name, vector.sender)),
            as_of=_MOMENT,
        )
        for name, members in stated(vector, vectors).items()
    }


def _events(vector: Vector) -> list[Event]:
    """Return the events a vector lists, each posted by an agency named like its class."""
    return [
        _event(one, EventRef(f"evt_vector_{number}"), str(one["by"]))
        for number, one in enumerate(vector.input["events"])
    ]


def _event(one: Mapping[str, Any], ref: EventRef, by: str) -> Event:
    at = parse_time(one["on"]).astimezone(UTC) if "on" in one else _MOMENT
    return Event(
        ref=ref,
        agency=AgencyName(by),
        person=PERSON,
        kind=str(one["kind"]),
        occurred_at=at,
        received_at=at,
        groups=one["groups"],
    )


CHECKS: Final[Mapping[str, Check]] = {
    "adapter": _adapter,
    "channel": _channel,
    "consultation": _consultation,
    "duty": _duty,
    "log-use": _log_use,
    "revision": revision,
    "subject-access": _subject_access,
}
