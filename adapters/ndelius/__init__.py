"""Probation: nDelius registrations, MAPPA detail and access limitations; a registration note back.

Source: hmpps-integration-api and hmpps-probation-integration-services, as published. The domain
events of nDelius are read by `adapters.hmpps_domain_events`.
"""

from typing import Final

from adapters.contract import Adapter, Inbound, Outbound, Translation, UnsupportedEvent
from adapters.kit.framing import json_values
from adapters.kit.members import Members
from adapters.kit.statement import Statement, canonical_event
from adapters.ndelius.access import access_limitation
from adapters.ndelius.case import NDELIUS, Case, Found, case_of
from adapters.ndelius.mappa import agree, mappa_detail
from adapters.ndelius.note import render
from adapters.ndelius.registrations import registrations
from gateway.model.event import CanonicalEvent
from gateway.model.problem import Problem
from gateway.model.strict_json import read_object


def translate(body: bytes, source: str) -> Translation:
    """Return what one document of one case states; a limit on access comes first.

    Raises:
        MalformedEvent: not JSON, no identifier, no time, or a member not in its form.
        UnsupportedEvent: nothing is stated, or (for a human) codes without meaning or at odds.
    """
    document = Members(read_object(body))
    case = case_of(document)
    stated = (
        *access_limitation(case),
        *(found := registrations(case)),
        *(detail := mappa_detail(case)),
    )
    agree(document, (*found, *detail))
    if not stated:
        nothing = Problem(path="$", reason="states nothing that is told")
        raise UnsupportedEvent(nothing, event_type="ndelius.nothing")
    events = tuple(_event(case, one, source) for one in stated)
    return Translation(events=events, unread=document.unread(), notes=document.notes())


def _event(case: Case, found: Found, source: str) -> CanonicalEvent:
    identifiers = found.identifiers or case.identifiers
    statement = Statement(
        kind=found.kind,
        system=NDELIUS,
        as_of=found.at,
        facts={"identifiers": identifiers, **found.facts},
        told_apart_by=found.told_apart_by,
        assertions=found.assertions,
    )
    return canonical_event("ndelius", statement, source)


ADAPTER: Final = Adapter(
    name="ndelius",
    title="Probation: nDelius registrations, MAPPA detail, access limitations",
    inbound=Inbound(media_types=("application/json",), translate=translate, split=json_values),
    outbound=(Outbound(form="registration-note", media_type="application/json", render=render),),
)
