"""A FHIR R4 UK Core message of prison healthcare: a Bundle about one person."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from adapters.contract import Translation, UnsupportedEvent
from adapters.kit.fhir_text import (
    ACT_CODE,
    CONFIDENTIALITY,
    SNOMED,
    Coding,
    References,
    Resource,
    coding,
    extensions,
    meta_of,
    moment,
    resources_of,
)
from adapters.kit.members import Members, refuse
from adapters.kit.statement import Statement, canonical_event
from adapters.systmone.codes import (
    CONFIDENTIALITIES,
    IGNORED_RESOURCES,
    NOT_FOR_PATIENT,
    NOT_RECORDED,
    PLAIN_SENSITIVITIES,
    PRIOR_PRACTICE,
    RESTRICTED,
    TEST_DATA,
    VERY_RESTRICTED,
    WHOLE_RECORD,
)
from adapters.systmone.concern import concern
from adapters.systmone.discharge import discharge, legal_status
from adapters.systmone.person import identifiers, identity
from adapters.systmone.routing import about, arrangements, mental_health_team, practices
from gateway.model.problem import Problem
from gateway.model.strict_json import Json, JsonObject

PREFIX: Final = "systmone"
SYSTEM: Final = "SystmOne"

_READ: Final = frozenset({"message", "transaction", "batch", "collection", "document", "searchset"})
_WITHDRAWN: Final = Coding(SNOMED, "975841000000102")  # ADW: withdrawal notice
# What a whole record says is missing, where it states none (D20; HSSIB 2025).
_NEVER_BLANK: Final = ("community_gp", "mental_health_team", "registered_practice")
_FIRST: Final = ("community_gp", "mental_health_team", "care_coordinator", "registered_practice")

Facts = Mapping[str, Mapping[str, Json]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Record:
    """A message taken apart."""

    patient: Resource
    resources: tuple[Resource, ...]
    references: References
    labels: frozenset[Coding]  # of the message as a whole
    as_of: str  # RFC 3339
    whole: bool  # it says that it is the whole record

    def of_type(self, kind: str) -> list[Resource]:
        return [one for one in self.resources if one.type == kind]


def translate_fhir(value: JsonObject, source: str) -> Translation:
    """Return what a message reports: who treats the person, a discharge, concerns.

    Raises:
        MalformedEvent: not such a message, or labelled very restricted.
        UnsupportedEvent: of no concern here, or unclear: see docs/reference/adapters/systmone.md.

    Pure.
    """
    message = Members(value)
    record = _record(message)
    statements = list(_statements(record))
    if not statements:
        notes = message.notes()
        reason = notes[0].reason if notes else "states nothing of care, discharge or concern"
        raise message.unsupported("entry", reason, event_type=record.patient.type.lower())
    return Translation(
        events=tuple(canonical_event(PREFIX, one, source) for one in statements),
        unread=message.unread(),
        notes=message.notes(),
    )


def content(facts: Facts, *more: str | None) -> tuple[str, ...]:
    """Return what tells a statement apart from another of the same person and time. Pure."""
    return (json.dumps(facts, sort_keys=True), *(one or "" for one in more))


def _record(message: Members) -> _Record:
    bare = message.raw("resourceType") != "Bundle"
    resources = resources_of(message)
    stamped = None if bare else _envelope(message)
    whole_meta = None if bare else _bundle_meta(message)
    labels = _checked_labels(resources, whole_meta[0] if whole_meta else frozenset())
    _known(resources)
    patients = [one for one in resources if one.type == "Patient"]
    if not patients:
        raise _nobody(message, resources)
    if len(patients) > 1:
        raise message.unclear("entry", "more than one Patient", event_type="bundle")
    patient = patients[0]
    as_of = stamped or (whole_meta[1] if whole_meta else None) or patient.meta.updated
    if as_of is None:
        raise message.malformed("timestamp", "required: when the record says so")
    return _Record(
        patient=patient,
        resources=resources,
        references=References(resources),
        labels=labels,
        as_of=as_of,
        whole=whole_meta is not None and WHOLE_RECORD in whole_meta[2],
    )


def _envelope(message: Members) -> str | None:
    kind = message.needed("type")
    if kind not in _READ:
        raise message.unsupported("type", "a Bundle of this type reports nothing", event_type=kind)
    # Ids of the copy, paging, and a signature of the sender's own: the gateway checks its own.
    message.ignore("id", "identifier", "total", "link", "signature", "language")
    return moment(message, "timestamp")


def _bundle_meta(message: Members) -> tuple[frozenset[Coding], str | None, frozenset[str]]:
    meta = meta_of(message)
    return meta.labels, meta.updated, meta.profiles


def _checked_labels(
    resources: tuple[Resource, ...], of_message: frozenset[Coding]
) -> frozenset[Coding]:
    """Keep out what may not come in.

    Raises:
        MalformedEvent: very restricted: such content is not taken in at all.
        UnsupportedEvent: test data; or a confidentiality that is not known.
    """
    several = [of_message, *(one.meta.labels for one in _each(resources))]
    for label in {label for labels in several for label in labels}:
        if label.code == TEST_DATA:
            problem = Problem(path="$.meta.security", reason="labelled test data")
            raise UnsupportedEvent(problem, event_type="test")
        if label.system != CONFIDENTIALITY or label.code in CONFIDENTIALITIES:
            continue
        if label.code == VERY_RESTRICTED:
            refuse("labelled very restricted: not taken in", "$.meta.security")
        problem = Problem(
            path="$.meta.security", reason="needs a human: not a code with a known meaning"
        )
        raise UnsupportedEvent(problem, event_type="label", needs_human=True)
    return of_message


def _each(resources: tuple[Resource, ...]) -> Iterator[Resource]:
    for one in resources:
        yield one
        yield from _each(tuple(one.contained.values()))


def _known(resources: tuple[Resource, ...]) -> None:
    """Mark what is known whole: read through a reference, or not the gateway's business."""
    for one in _each(resources):
        members = one.members
        if one.type == "MessageHeader":
            event = members.object("eventCoding")
            if event is not None and coding(event) == _WITHDRAWN:
                raise members.unclear("eventCoding", "a notice taken back", event_type="withdrawal")
            members.ignore(*members.names)  # the gateway has its own addressing
        elif one.type in IGNORED_RESOURCES:
            members.ignore(*members.names)
        elif one.type not in ("Patient", "CareTeam", "Flag", "Encounter"):
            members.ignore(*members.names)
            members.note("resourceType", "a resource that is not known: passed over")


def _nobody(message: Members, resources: tuple[Resource, ...]) -> Exception:
    if all(one.type in IGNORED_RESOURCES for one in resources) and resources:
        return message.unsupported(
            "resourceType",
            "about nobody, or of no concern here",
            event_type=resources[0].type.lower(),
        )
    return message.malformed("entry", "names nobody: no Patient in it")


def _statements(record: _Record) -> Iterator[Statement]:
    patient = record.patient
    members = patient.members
    numbers = identifiers(patient)
    person: dict[str, Mapping[str, Json]] = {"identifiers": numbers}
    named = identity(patient)
    if _restrained(record, patient):
        members.note("meta", "labelled restricted: the name is kept out, the numbers only file it")
    else:
        person["identity"] = named
    everything = record.labels.union(*(one.meta.labels for one in record.resources))
    if Coding(ACT_CODE, NOT_FOR_PATIENT) in everything:
        person["handling"] = {"sar_restrict": True}
    _alive(members)
    for kind in ("CareTeam", "Flag", "Encounter"):
        for one in record.of_type(kind):
            about(one, patient, numbers, record.references)
    routing, discharges = _routing(record)
    if routing:
        yield _statement(record, "health.care_team_recorded", person | {"health_routing": routing})
    for state, date in discharges:
        facts = person | {"health_routing": routing}
        yield _statement(record, "health.discharge_planned", facts, state, date)
    for flag in record.of_type("Flag"):
        found = concern(flag, as_of=record.as_of)
        if found is not None:
            facts = person | {"health_clinical": found.clinical}
            yield _statement(record, "health.concern", facts, found.began, at=found.since)


def _routing(record: _Record) -> tuple[dict[str, Json], list[tuple[str, str | None]]]:
    patient = record.patient
    found = extensions(patient.members)
    facts = practices(patient, found, record.references)
    team = mental_health_team(
        record.of_type("CareTeam"), record.references, as_of=record.as_of, whole=record.whole
    )
    facts |= team or {}
    facts |= arrangements(patient.members, found)
    statuses = {legal_status(found, patient.members)}
    discharges: list[tuple[str, str | None]] = []
    for encounter in record.of_type("Encounter"):
        stated = extensions(encounter.members)
        one = discharge(encounter, stated)
        statuses.add(legal_status(stated, encounter.members))
        if one is not None:
            discharges.append(("finished" if one.finished else "proposed", one.date))
            if one.date:
                encounter.members.note("period", "the date of release is the prison's to state")
    if len(statuses - {None}) > 1 or len(set(discharges)) > 1:
        raise patient.members.unclear(
            "extension", "two legal statuses, or two discharges", event_type="discharge"
        )
    if found_status := next((one for one in statuses if one), None):
        facts["mha_status"] = found_status
    if record.whole:
        # Stated, but not by a name that the message holds, is not "none".
        told = {
            "community_gp": PRIOR_PRACTICE in found,
            "registered_practice": "generalPractitioner" in patient.members,
            "mental_health_team": team is not None,
        }
        facts |= {one: NOT_RECORDED for one in _NEVER_BLANK if not told[one]}
    first = [one for one in _FIRST if one in facts]
    ordered = {one: facts[one] for one in dict.fromkeys((*first, *facts))}
    return ordered, list(dict.fromkeys(discharges))


def _alive(patient: Members) -> None:
    dead = patient.raw("deceasedBoolean")
    if dead in (True, "true") or patient.text("deceasedDateTime"):
        raise patient.unclear("deceased", "the person died", event_type="death")
    for link in patient.objects("link"):
        link.ignore(*link.names)
        if link.text("type") == "replaced-by":
            raise patient.unclear("link", "another record took its place", event_type="merge")
    if patient.flag("active") is False:
        raise patient.unclear("active", "a record no longer in use", event_type="patient")
    # Where the person lives and whom they know are not prison healthcare's to state.
    patient.ignore(
        "resourceType", "id", "telecom", "address", "contact", "communication", "maritalStatus",
        "multipleBirthBoolean", "multipleBirthInteger", "photo", "managingOrganization",
    )  # fmt: skip


def _restrained(record: _Record, resource: Resource) -> bool:
    """Whether a label keeps what this says inside the health groups."""
    return any(
        label == Coding(CONFIDENTIALITY, RESTRICTED)
        or (label.system == ACT_CODE and label.code not in PLAIN_SENSITIVITIES)
        for label in record.labels | resource.meta.labels
    )


def _statement(
    record: _Record, kind: str, facts: Facts, *apart: str | None, at: str | None = None
) -> Statement:
    return Statement(
        kind=kind,
        system=SYSTEM,
        as_of=record.as_of,
        occurred_at=at,
        facts=facts,
        told_apart_by=content(facts, *apart),
        assertions={"health_clinical": "assessment"},  # a risk is judged (DPA 2018 s.38(2))
    )
