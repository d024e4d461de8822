"""What the forms of partner agencies have in common, in: one person, who sent it and when, how it
may be handled, consent. A JSON document or one row of a table, told apart by the first byte.

A heading of a table is the path of the member: ``person.noms`` is ``noms`` of ``person``, and one
that ends in ``[]`` takes several texts, parted by semicolons.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Final

from adapters.contract import Inbound, Translation
from adapters.kit.csv_text import read_row
from adapters.kit.dates import civil_time, rfc3339
from adapters.kit.framing import csv_rows, json_values
from adapters.kit.grading import handling_of, is_confirmed
from adapters.kit.members import Members, refuse
from adapters.kit.statement import Assertion, Statement, canonical_event
from gateway.model.strict_json import Json, JsonObject, read_object

START_OF_DAY: Final = "no time of day stated: read as the start of that day in London"
LEVELS: Final[Mapping[str, str]] = {
    "low": "low", "medium": "medium", "high": "high", "very_high": "very_high",
}  # fmt: skip
NUMBERS: Final = ("noms", "crn", "pnc", "cro", "nhs_number")  # any of which names a person

_MARK: Final = b"\xef\xbb\xbf"
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_HEADING: Final = re.compile(r"[a-z_]{1,40}(\.[a-z_]{1,40}){0,2}(\[\])?")
_SEXES: Final = {one: one for one in ("male", "female", "other", "not_known")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Referral:
    """One form about one person, its common parts read and checked."""

    adapter: str
    system: str  # whose record it is; see Statement.system
    form: str  # which of the adapter's forms
    members: Members
    reference: str  # the sender's own, of this form
    made_at: str  # RFC 3339
    person: JsonObject  # identity
    numbers: JsonObject  # identifiers; names the person
    handling: JsonObject

    @property
    def event_type(self) -> str:
        """What a refusal calls this form."""
        return f"{self.adapter}.{self.form}"

    @property
    def grade(self) -> str | None:
        """How the sender graded it, 3x5x2."""
        grade = self.handling.get("grade")
        return grade if isinstance(grade, str) else None

    def reports(self, kind: str, source: str, said: "Said") -> Translation:
        """Return the translation into one event: the common facts, and what this form says.

        Raises:
            MalformedEvent: a fact is not in its published form.
        """
        statement = Statement(
            kind=kind,
            system=self.system,
            as_of=self.made_at,
            occurred_at=said.occurred_at,
            told_apart_by=(self.form, self.reference, *said.told_apart_by),
            verified=said.verified and is_confirmed(self.grade),
            assertions=said.assertions,
            facts={
                "identity": self.person,
                "identifiers": self.numbers,
                "handling": self.handling,
                **said.facts,
            },
        )
        event = canonical_event(self.adapter, statement, source)
        return Translation(
            events=(event,), unread=self.members.unread(), notes=self.members.notes()
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What one kind of form says beyond what all of them do."""

    facts: Mapping[str, Mapping[str, Json]] = field(default_factory=dict)
    assertions: Mapping[str, Assertion] = field(default_factory=dict)
    told_apart_by: Sequence[str] = ()
    occurred_at: str | None = None
    verified: bool = True


def reads(translate: Callable[[bytes, str], Translation]) -> Inbound:
    """Return how forms of either shape become events."""
    return Inbound(media_types=("application/json", "text/csv"), translate=translate, split=forms)


def forms(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield each form: JSON values, or rows of a table under their heading."""
    rest = iter(pieces)
    # A form that begins with blank pieces does not begin there: none of them is kept.
    first = next((piece for piece in rest if piece.removeprefix(_MARK).strip()), b"")
    cut = json_values if _is_json(first) else csv_rows
    yield from cut(chain((first,), rest))


def read_form(body: bytes) -> Members:
    """Return the members of one form.

    Raises:
        MalformedEvent: neither a JSON object nor one row under a heading, as `read_object` and
            `read_row`; or two headings that cannot both be.
    """
    return Members(read_object(body) if _is_json(body) else _nested(read_row(body)))


def read_referral(
    body: bytes, adapter: str, system: str, known: Iterable[str], *, named: bool = True
) -> Referral:
    """Read what all forms have in common.

    Args:
        body: One form.
        adapter: Its name, for ids and refusals.
        system: Whose record it is.
        known: The names of the adapter's forms.
        named: Whether the form's word on who the person is (name, date of birth) is carried.

    Raises:
        MalformedEvent: a common part is missing, not in its form, or marked above the ceiling.
        UnsupportedEvent: needs a human: a form or code with no known meaning, a contradiction.
    """
    members = read_form(body)
    event_type = f"{adapter}.form"
    members.needed("form")
    form = members.code("form", {one: one for one in known}, event_type=event_type)
    made_at = needed_moment(members, "made_at")
    person = _one_person(members)
    referral = Referral(
        adapter=adapter,
        system=system,
        form=str(form),
        members=members,
        reference=members.needed("reference"),
        made_at=made_at,
        numbers=_numbers(person),
        person=_identity(person, made_at, event_type) if named else {},
        handling=_handling(members, event_type),
    )
    if not named:
        person.ignore("family_name", "given_names", "aliases", "date_of_birth", "sex")
    _read_sender(members)
    return referral


def moment(members: Members, name: str) -> str | None:
    """Return an RFC 3339 time. A day alone is the start of that day in London, and noted.

    Raises:
        MalformedEvent: as `Members.time`.
    """
    text = members.text(name)
    if text is None or not _DAY.fullmatch(text):
        return members.time(name)
    day = members.date(name)
    members.note(name, START_OF_DAY)
    return rfc3339(civil_time(f"{day}T00:00:00"))


def needed_moment(members: Members, name: str) -> str:
    """Return a time that must be there; as `moment`."""
    time = moment(members, name)
    if time is None:
        raise members.malformed(name, "required")
    return time


def read_consent(referral: Referral) -> None:
    """Check that someone who did not consent is referred for a recorded reason.

    The reason itself is not carried: it is free text about a third party.

    Raises:
        UnsupportedEvent: needs a human: consent refused, and no reason recorded.

    Source: LB12: necessity and proportionality are recorded.
    """
    consent = referral.members.object("consent")
    given = consent.flag("given") if consent else None
    if consent is None or given is None:
        referral.members.note("consent", "not stated whether it was given")
    reason = consent.text("reason_without") if consent else None
    if given is False and reason is None:
        why = "refused, and no reason recorded to refer without it"
        raise referral.members.unclear("consent", why, event_type=referral.event_type)


def professional(referral: Referral, name: str) -> JsonObject:
    """Return a named contact at an agency, empty where none is stated.

    Raises:
        MalformedEvent: a contact without a name.
    """
    colleague = referral.members.object(name)
    if colleague is None:
        return {}
    contact = colleague.text("contact", at_most=200)
    return {"name": colleague.needed("name"), **({"contact": contact} if contact else {})}


def area_of(referral: Referral) -> JsonObject:
    """Return the location group of a form that states an area and no address."""
    return {"home_area": referral.members.text("home_area", at_most=200)}


def _is_json(body: bytes) -> bool:
    return body.removeprefix(_MARK).lstrip()[:1] in (b"{", b"[")


def _nested(row: JsonObject) -> JsonObject:
    nested: JsonObject = {}
    for heading, cell in row.items():
        if not _HEADING.fullmatch(heading):
            nested[heading] = cell  # nothing asks for it, so it is reported as unread
            continue
        *path, last = heading.removesuffix("[]").split(".")
        within = nested
        for step in path:
            inner = within.setdefault(step, {})
            if not isinstance(inner, dict):
                refuse("a heading stands both for a text and for a group of members")
            within = inner
        if last in within:
            refuse("two headings for the same member")
        within[last] = _several(cell) if heading.endswith("[]") else cell
    return nested


def _several(cell: Json) -> Json:
    return [one.strip() for one in str(cell).split(";") if one.strip()]


def _one_person(members: Members) -> Members:
    people = members.objects("person")
    if len(people) != 1:
        reason = "one form, one person: send a form for each" if people else "required"
        raise members.malformed("person", reason)
    return people[0]


def _identity(person: Members, made_at: str, event_type: str) -> JsonObject:
    born = person.date("date_of_birth")
    if born and born > made_at[:10]:
        raise person.unclear("date_of_birth", "after the form was made", event_type=event_type)
    return {
        "family_name": person.text("family_name"),
        "given_names": person.text("given_names"),
        "aliases": list(person.texts("aliases")),
        "date_of_birth": born,
        "sex": person.code("sex", _SEXES, event_type=event_type),
    }


def _numbers(person: Members) -> JsonObject:
    stated: JsonObject = {name: person.text(name) for name in NUMBERS}
    if not any(stated.values()):
        # A name and a date of birth are no match: whom it is about would be a guess.
        refuse(f"names nobody: state one of {', '.join(NUMBERS)}", person.path)
    return stated | {"nhs_number_status": person.text("nhs_number_status")}


def _handling(members: Members, event_type: str) -> JsonObject:
    block = members.object("handling")
    if block is None:
        return {}
    return handling_of(block, event_type=event_type) | {
        "restricted": block.flag("restricted"),
        "restricted_to": list(block.texts("restricted_to")),
        "excluded": list(block.texts("excluded")),
        "sar_restrict": block.flag("sar_restrict"),
    }


def _read_sender(members: Members) -> None:
    """Check that the form says who sent it; the gateway knows by itself who posted it."""
    sender = members.object("sender")
    if sender is None:
        raise members.malformed("sender", "required")
    sender.needed("agency")
    # For the conference or team that takes the form; a colleague's name is no fact of the person.
    sender.ignore("name", "role", "contact")
