"""The vectors about what becomes of alerts already told: corrections and recalls.

Runs what the pipeline runs (`gateway.revise`, `gateway.telling`) on a directory in memory.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from typing import Any, Final

import apsw
from pydantic import TypeAdapter

from gateway import clock
from gateway.circumstances import Circumstances
from gateway.directory import Directory
from gateway.disclose import Disclosing
from gateway.known import with_event
from gateway.law import Law
from gateway.links import Links
from gateway.model.event import Event
from gateway.model.ids import AgencyName, AlertId, EndpointId, EventRef, RecipientId
from gateway.model.kinds import REVISING_KINDS
from gateway.model.party import Agency, Endpoint, Recipient
from gateway.model.person import Person
from gateway.revise import Plan, plan_reversal, plan_revision
from gateway.store.history import Alert, Past
from gateway.telling import Telling
from policies.review.model_cases import model_recipients
from policies.review.vectors import PERSON, Outcome, Vector, Vectors, stated
from policies.rulebook import Rulebook

_TOLD: Final = datetime(2026, 3, 2, 9, tzinfo=UTC)
_LATER: Final = _TOLD + timedelta(minutes=30)
_FIRST, _SECOND = EventRef("evt_vector_first"), EventRef("evt_vector_second")


def revision(vector: Vector, vectors: Vectors, rulebook: Rulebook) -> Outcome:
    """Say what is sent, to whom, when an event told to some roles is corrected or reversed.

    The input names the kind told, the kind that follows, the roles `told`, the `others` that are in
    the directory too, and the groups the follower states.
    """
    first = _event(_FIRST, vector.kind, vector.sender, _TOLD, stated(vector, vectors))
    follower = str(vector.input["then"])
    second = replace(
        _event(_SECOND, follower, vector.sender, _LATER, vector.input.get("groups", {})),
        corrects=_FIRST if follower in REVISING_KINDS else None,
    )
    told = [str(role) for role in vector.input["told"]]
    others = [str(role) for role in vector.input.get("others", ())]
    around = _around(rulebook, vector.sender, (*told, *others))
    telling = Telling(around=around, alerts=[_alert(role, first, i) for i, role in enumerate(told)])
    plan = _plan(first, second, around.law)
    person = Person(ref=PERSON)
    for event in plan.past or ():
        person = with_event(person, event)
    for revised in plan.revised:
        telling.revise(revised, person, second, {})
    sent = {
        f"{each.alert.message} {one.recipient.removeprefix('model/')}"
        for each in telling.told
        for one in each.disclosures
    }
    return Outcome(verdict="ALLOW" if sent else "NOTHING", says=tuple(sorted(sent)))


def _plan(first: Event, second: Event, law: Law) -> Plan:
    history = [Past(event=first, state="decided"), Past(event=second, state="accepted")]
    if second.kind in REVISING_KINDS:
        return plan_revision(second, history)
    return plan_reversal(second, history, law.holds.undone_by(second.kind))


def _event(ref: EventRef, kind: str, by: str, at: datetime, groups: Any) -> Event:  # noqa: ANN401
    return Event(
        ref=ref,
        agency=AgencyName(by),
        person=PERSON,
        kind=kind,
        occurred_at=at,
        received_at=at,
        groups=groups,
    )


def _alert(role: str, event: Event, number: int) -> Alert:
    return Alert(
        id=AlertId(f"alt_vector_{number}"),
        event=event.ref,
        kind=event.kind,
        agency=event.agency,
        recipient=RecipientId(f"model/{role}"),
        message="NOTIFY",
        leaf_index=number,
        decided_at=event.received_at,
        told=True,
        pending=False,
    )


def _around(rulebook: Rulebook, sender: str, roles: Iterable[str]) -> Circumstances:
    law = Law(rulebook=rulebook)
    return Circumstances(
        law=law,
        directory=_directory(rulebook, sender, roles),
        context=Disclosing(
            instance="throughgate.example/vectors",
            new_id=clock.new_id,
            random_bytes=bytes,
            now=_LATER,
            mail_signer=None,
            links=Links(key=bytes(32), public_url="https://gateway.example.org"),
        ),
        new_id=clock.new_id,
    )


def _directory(rulebook: Rulebook, sender: str, roles: Iterable[str]) -> Directory:
    """Return a directory of one agency and one recipient of each role, in memory."""
    connection = apsw.Connection(":memory:")
    connection.execute(files("gateway.store").joinpath("schema.sql").read_text("utf-8"))
    agency = Agency(
        name=AgencyName(sender), urn="urn:example:vector", organisation_class=sender, public_keys=()
    )
    body = TypeAdapter(Agency).dump_json(agency).decode()
    connection.execute("INSERT INTO agency VALUES (?, ?, ?)", (sender, agency.urn, body))
    known = model_recipients(rulebook.catalogues, areas=frozenset({"west_midlands", "ZZI"}))
    for role in roles:
        one = _by_sms(known[role])
        body = TypeAdapter(Recipient).dump_json(one).decode()
        connection.execute("INSERT INTO recipient VALUES (?, ?)", (one.id, body))
    return Directory(connection, rulebook.catalogues)


def _by_sms(recipient: Recipient) -> Recipient:
    endpoint = Endpoint(
        id=EndpointId(f"{recipient.id}/sms"), channel="sms", address="+447700900123"
    )
    return replace(recipient, endpoints=(endpoint,))
