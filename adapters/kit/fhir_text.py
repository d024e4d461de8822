"""FHIR R4 in and out on plain objects: JSON, or XML brought into the shape of the JSON.

References are resolved inside one message and never fetched. Elements of a primitive's own (its
extensions and id: ``_name`` in JSON) are not read. Source: HL7 FHIR R4 (4.0.1): 2.6.2 XML, 2.6.3
JSON, 2.3.0 references, 3.1 Bundle, 6.1 security labels.
"""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final

from adapters.kit.members import Members, refuse
from adapters.kit.xml_text import read_xml
from gateway.model.groups import parse_time
from gateway.model.strict_json import Json, JsonObject, read_object

NHS_NUMBER: Final = "https://fhir.nhs.uk/Id/nhs-number"
ODS_SYSTEMS: Final = frozenset(
    {"https://fhir.nhs.uk/Id/ods-organization-code", "https://fhir.nhs.uk/Id/ods-site-code"}
)
SNOMED: Final = "http://snomed.info/sct"
CONFIDENTIALITY: Final = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
ACT_CODE: Final = "http://terminology.hl7.org/CodeSystem/v3-ActCode"

_TYPE: Final = re.compile(r"[A-Z][A-Za-z]{2,40}")
_HISTORY: Final = re.compile(r"/_history/[A-Za-z0-9\-.]{1,64}\Z")
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_PART_OF_DAY: Final = re.compile(r"[0-9]{4}(-(0[1-9]|1[0-2]))?")


@dataclass(frozen=True, slots=True)
class Coding:
    """One code, of one list of codes."""

    system: str
    code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Meta:
    """What a resource says of itself."""

    labels: frozenset[Coding]
    profiles: frozenset[str]
    updated: str | None  # RFC 3339


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """One resource of a message."""

    type: str
    members: Members
    meta: "Meta"
    address: str  # its fullUrl, empty if none is stated
    contained: "dict[str, Resource]" = field(default_factory=dict)  # by local id

    @property
    def id(self) -> str:
        """Its logical id, empty if none is stated."""
        return self.members.text("id") or ""


def read_resource(body: bytes) -> JsonObject:
    """Return the resource that JSON or XML bytes hold, in the shape of the JSON.

    In XML a list of one is no list: read lists with `Members.objects` and `Members.texts`.

    Raises:
        MalformedEvent: neither, or no resource.

    Pure.
    """
    if body.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"<":
        name, content = read_xml(body)
        return _checked_type(_resource(name, content))
    return json_resource(read_object(body))


def json_resource(value: JsonObject) -> JsonObject:
    """Return a resource that was read as JSON, without the parts of primitives.

    Raises:
        MalformedEvent: no resource.

    Pure.
    """
    return _checked_type(_without_primitive_parts(value))


def _checked_type(value: JsonObject) -> JsonObject:
    kind = value.get("resourceType")
    if not isinstance(kind, str) or not _TYPE.fullmatch(kind):
        refuse("not a FHIR resource", "$.resourceType")
    return value


def resources_of(message: Members) -> tuple[Resource, ...]:
    """Return the resources of a Bundle's entries, or the bare resource itself, each once.

    Raises:
        MalformedEvent: an entry without a form; nested Bundles; a modifier nobody here knows.

    Pure.
    """
    if message.raw("resourceType") != "Bundle":
        return (_resource_of(message, ""),)
    found: list[Resource] = []
    for entry in message.objects("entry"):
        # Paging, search scores and what a server answered or should do say nothing of a person.
        entry.ignore("id", "link", "search", "response")
        address = entry.text("fullUrl") or ""
        request = entry.object("request")
        if request and request.text("method") == "DELETE":
            raise entry.unclear("request", "asks to delete", event_type="bundle")
        if request:
            request.ignore(*request.names)  # where a server would put it
        inner = entry.object("resource")
        if inner is not None:
            found.append(_resource_of(inner, address))
    return tuple(found)


class References:
    """The resources of one message, by what they are referred to as."""

    def __init__(self, resources: Iterable[Resource]) -> None:
        self._by_name: dict[str, list[Resource]] = {}
        for one in resources:
            names = {one.address, f"{one.type}/{one.id}" if one.id else ""} - {""}
            for name in names:
                self._by_name.setdefault(_HISTORY.sub("", name), []).append(one)

    def find(self, reference: Members, within: Resource) -> Resource | None:
        """Return what a Reference names inside this message, or None if it is not in it.

        Raises:
            UnsupportedEvent: two resources go by that name: a human must look.
        """
        # A display is free text beside the reference; a type only repeats what is found.
        reference.ignore("type", "id", "extension")
        text = reference.text("reference")
        if text is None:
            return None
        if text.startswith("#"):
            return within.contained.get(text[1:])
        name = _HISTORY.sub("", text)
        found = self._by_name.get(name) or self._relative(name, within)
        if len({id(one) for one in found}) > 1:
            raise reference.unclear("reference", "names more than one", event_type="reference")
        return found[0] if found else None

    def _relative(self, name: str, within: Resource) -> list[Resource]:
        """A relative name is one beside the resource that says it (2.3.0.1)."""
        if ":" in name or not within.address.endswith(f"/{within.type}/{within.id}"):
            return []
        base = within.address[: -len(f"{within.type}/{within.id}")]
        return self._by_name.get(base + name, [])


def codings(concept: Members | None) -> tuple[Coding, ...]:
    """Return the codes of a CodeableConcept, in order; texts and displays are not read as codes."""
    if concept is None:
        return ()
    concept.ignore("text", "id", "extension")
    return tuple(found for one in concept.objects("coding") if (found := coding(one)))


def coding(one: Members) -> Coding | None:
    """Return a Coding, or None where it states no code."""
    one.ignore("id", "extension", "version", "display", "userSelected")  # the code decides
    system, code = one.text("system"), one.text("code")
    return Coding(system or "", code) if code else None


def meta_of(resource: Members) -> Meta:
    """Return what a resource says of itself. Reads it once: ask once."""
    meta = resource.object("meta")
    if meta is None:
        return Meta(labels=frozenset(), profiles=frozenset(), updated=None)
    meta.ignore("id", "extension", "versionId", "source", "tag")  # where and how it was kept
    return Meta(
        labels=frozenset(found for one in meta.objects("security") if (found := coding(one))),
        profiles=frozenset(meta.texts("profile")),
        updated=moment(meta, "lastUpdated"),
    )


def extensions(of: Members) -> dict[str, list[Members]]:
    """Return the extensions of an element by URL. Reads them once: ask once.

    Those that nobody takes out say more of what is read, never otherwise (2.4.0), and count as
    known.
    """
    found: dict[str, list[Members]] = {}
    for one in of.objects("extension"):
        one.ignore(*one.names)
        found.setdefault(one.text("url") or "", []).append(one)
    return found


def moment(of: Members, name: str) -> str | None:
    """Return a dateTime or instant that names a time; None for a day, a month or a year alone.

    Raises:
        MalformedEvent: another form, or a time without a zone (which FHIR forbids).
    """
    text = of.text(name)
    if text is None or _DAY.fullmatch(text) or _PART_OF_DAY.fullmatch(text):
        return None
    return _checked(of, name, text)


def day(of: Members, name: str) -> str | None:
    """Return the day of a date or dateTime, as stated; None, and a note, for a month or year alone.

    Raises:
        MalformedEvent: another form, or no such day.
    """
    text = of.text(name)
    if text is None:
        return None
    if _PART_OF_DAY.fullmatch(text):
        of.note(name, "a month or a year, not a day: left out")
        return None
    if not _DAY.fullmatch(text):
        return _checked(of, name, text)[:10]
    return of.date(name)


def urn_of(*parts: str) -> str:
    """Return a ``urn:uuid:`` that the same parts always give (RFC 9562 version 8). Pure."""
    digest = bytearray(sha256(json.dumps(parts).encode()).digest()[:16])
    digest[6] = digest[6] & 0x0F | 0x80
    digest[8] = digest[8] & 0x3F | 0x80
    text = digest.hex()
    return f"urn:uuid:{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def concept(system: str, code: str, text: str | None = None) -> JsonObject:
    """Return a CodeableConcept of one code. Pure."""
    return stated({"coding": [{"system": system, "code": code}], "text": text})


def stated(members: JsonObject) -> JsonObject:
    """Return an object without the members that state nothing: FHIR has no null and no empty
    list. Pure."""
    return {name: value for name, value in members.items() if value not in (None, "", [], {})}


def write_json(resource: JsonObject) -> bytes:
    """Return a resource as bytes, members in the order given. Pure."""
    text = json.dumps(resource, ensure_ascii=False, indent=2)
    return text.encode("utf-8", "replace") + b"\n"


def _checked(of: Members, name: str, text: str) -> str:
    try:
        parse_time(text)
    except ValueError as error:
        raise of.malformed(name, str(error)) from None
    return text


def _resource_of(members: Members, address: str) -> Resource:
    kind = members.raw("resourceType")
    if not isinstance(kind, str) or not _TYPE.fullmatch(kind):
        raise members.malformed("resourceType", "not a FHIR resource")
    if kind == "Bundle":
        raise members.malformed("resourceType", "a Bundle inside a Bundle is not read")
    for name in ("modifierExtension", "implicitRules"):
        if name in members:  # either may turn the meaning of all the rest round (2.1.3.4)
            raise members.unclear(name, "a modifier that is not known", event_type="modifier")
    members.ignore("text", "language")  # a narrative repeats in prose what is read as members
    contained = {
        local: _resource_of(one, "")
        for one in members.objects("contained")
        if (local := (one.text("id") or "").removeprefix("#"))
    }
    return Resource(
        type=kind, members=members, meta=meta_of(members), address=address, contained=contained
    )


def _resource(name: str, content: JsonObject) -> JsonObject:
    plain = _plain(content)
    return {"resourceType": name} | (plain if isinstance(plain, dict) else {})


def _plain(value: Json) -> Json:
    """Return an element of XML in the shape JSON gives it."""
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if not isinstance(value, dict):
        return value
    if "@value" in value:
        return value["@value"]
    return dict(_members(value))


def _members(element: JsonObject) -> Iterator[tuple[str, Json]]:
    for name, value in element.items():
        if name in ("resource", "contained") and isinstance(value, dict | list):
            several = value if isinstance(value, list) else [value]
            inner: list[Json] = [_wrapped(one) for one in several]
            yield name, inner if isinstance(value, list) else inner[0]
        elif name == "#text" or (name == "@id" and "id" in element):
            continue  # text beside elements is narrative
        else:
            yield name.removeprefix("@"), _plain(value)


def _wrapped(element: Json) -> Json:
    """Return the resource inside ``<resource>`` or ``<contained>``."""
    if not isinstance(element, dict) or len(element) != 1:
        refuse("must hold one resource", "$.resource")
    ((name, content),) = element.items()
    if isinstance(content, list):
        refuse("must hold one resource", "$.resource")
    return _resource(name, content if isinstance(content, dict) else {})


def _without_primitive_parts(value: JsonObject) -> JsonObject:
    return {name: _inner(one) for name, one in value.items() if not name.startswith("_")}


def _inner(value: Json) -> Json:
    if isinstance(value, dict):
        return _without_primitive_parts(value)
    return [_inner(one) for one in value] if isinstance(value, list) else value
