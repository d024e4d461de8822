"""Who is who: which person an event is about, and what is then known of them.

Identifiers meet in one person only when an agency states them together, and two records become
one only when an agency says that they are. Anything doubtful joins nothing and is a human's task.
"""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final, Literal

from gateway.model.event import FactsByGroup
from gateway.model.identifiers import canonical, is_placeholder
from gateway.model.ids import PersonRef
from gateway.model.strict_json import Json, JsonObject

MATCHED: Final = ("noms", "crn", "nhs_number", "pnc", "cro")
SUPERSEDED: Final = "superseded_noms"  # a prison number, matched as one

DoubtKind = Literal[
    "date-of-birth-conflict",
    "identifiers-conflict",
    "nhs-number-placeholder",
    "nhs-number-unverified",
    "similar-person",
]

# Whose numbering an agency keeps itself, and so gets right.
_OWN: Final[Mapping[str, str]] = {
    "prison": "noms",
    "probation": "crn",
    "police": "pnc",
    "prison_healthcare": "nhs_number",
    "nhs_mental_health_trust": "nhs_number",
}

# Which identifiers an event of this kind asserts to be one person's, though two records hold them.
_ASSERTS: Final[Mapping[str, tuple[str, ...]]] = {
    "person.linked": (*MATCHED, SUPERSEDED),
    "person.merged": ("noms", SUPERSEDED),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """The record an identifier names, and the person that record belongs to."""

    record: PersonRef
    root: PersonRef  # the record itself, or the one it was merged into
    born: frozenset[bytes] = frozenset()  # keyed digests of known dates of birth; empty: none

    def contradicts(self, born: bytes | None) -> bool:
        """Whether a stated date of birth is another than the known one."""
        return born is not None and bool(self.born) and born not in self.born


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """What only a human can settle about who somebody is."""

    kind: DoubtKind
    identifiers: tuple[str, ...] = ()  # kinds
    others: tuple[PersonRef, ...] = ()  # records this one may or may not be the same person as

    @property
    def body(self) -> JsonObject:
        """What a task says of it: names and references, never a value."""
        names: list[Json] = [*sorted(self.identifiers)]
        refs: list[Json] = [*sorted(self.others)]
        return {"identifiers": names, "others": refs}


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution:
    """Which record an event is about, and what follows for others."""

    record: PersonRef | None  # None: to be made
    link: tuple[str, ...] = ()  # kinds of identifier to link to it
    absorb: tuple[PersonRef, ...] = ()  # records the sender says are the same person
    separate: tuple[PersonRef, ...] = ()  # records the sender says are not
    doubts: tuple[Doubt, ...] = ()

    @property
    def apart(self) -> bool:
        """Whether a new record is made though some identifier names another already."""
        return self.record is None and bool(self.doubts)


def identifiers_stated(groups: FactsByGroup) -> bool:
    """Say whether a person could be told by anything stated here, be it verified or not. Pure."""
    stated = groups.get("identifiers", {})
    return any(kind in stated for kind in MATCHED)


def matching_identifiers(groups: FactsByGroup, *, today: date) -> dict[str, str]:
    """Return the identifiers a person may be found by: kind -> canonical form.

    An NHS number counts only once traced (verification status 01): an untraced one may be
    someone else's. A placeholder never counts. Pure.
    """
    stated = groups.get("identifiers", {})
    found: dict[str, str] = {}
    for kind in MATCHED:
        text = stated.get(kind)
        if not isinstance(text, str):
            continue
        if kind == "nhs_number" and (
            stated.get("nhs_number_status") != "01" or is_placeholder(text)
        ):
            continue
        found[kind] = canonical(kind, text, today=today)
    return found


def unmatched_nhs_number(groups: FactsByGroup) -> str | None:
    """Return the NHS number that is stated but may not be matched: untraced, or a placeholder.

    In the form it would be matched in, or as stated if a placeholder. Pure.
    """
    stated = groups.get("identifiers", {})
    text = stated.get("nhs_number")
    if not isinstance(text, str):
        return None
    if is_placeholder(text):
        return text
    if stated.get("nhs_number_status") == "01":
        return None
    return canonical("nhs_number", text, today=date.min)


def resolve(
    matches: Mapping[str, Known | None],
    *,
    organisation_class: str,
    kind: str = "",
    born: bytes | None = None,
) -> Resolution:
    """Decide which record an event is about.

    Args:
        matches: For each kind of identifier the event states, whom it already names, if anyone.
        organisation_class: The sender's, to prefer the numbering it keeps itself.
        kind: Of the event: some kinds say that two records are one person.
        born: Keyed digest of the date of birth the event states.

    Pure.
    """
    known = {name: one for name, one in matches.items() if one is not None}
    unknown = tuple(name for name, one in matches.items() if one is None)
    own = _OWN.get(organisation_class, "")
    if any(one.contradicts(born) for one in known.values()):
        return _born_otherwise(known, unknown, own=own, born=born)
    if not known:
        return Resolution(record=None, link=unknown)
    first = known.get(own) or next(iter(known.values()))
    if kind == "person.unmerged":
        return _separated(known, first)
    if len({one.root for one in known.values()}) == 1:
        return Resolution(record=first.record, link=unknown)
    if kind in _ASSERTS:
        return _asserted(known, unknown, first, _ASSERTS[kind])
    return _conflicting(known, first, "identifiers-conflict")


def _separated(known: Mapping[str, Known], first: Known) -> Resolution:
    """Part the records the sender says are two people; one record is a link, for a human to cut."""
    pair = {name: known[name] for name in ("noms", SUPERSEDED) if name in known}
    named = pair if len(pair) == 2 else known  # two prison numbers: whatever else is stated stays
    first = named.get("noms", first)
    others = {one.record: None for one in named.values() if one.record != first.record}
    doubt = Doubt(kind="identifiers-conflict", identifiers=tuple(named))
    doubts = () if others or len(named) == 1 else (doubt,)
    return Resolution(record=first.record, separate=tuple(others), doubts=doubts)


def _asserted(
    known: Mapping[str, Known], unknown: tuple[str, ...], first: Known, asserted: tuple[str, ...]
) -> Resolution:
    """Join the records the sender says are one person, unless they cannot be."""
    named = [one for name, one in known.items() if name in asserted]
    births = [one.born for one in named if one.born]
    if any(births[0].isdisjoint(one) for one in births[1:]):
        return _conflicting(known, first, "date-of-birth-conflict")
    if {one.root for one in named} != {one.root for one in known.values()}:
        return _conflicting(known, first, "identifiers-conflict")
    others = {one.root: None for one in named if one.root != first.root}
    return Resolution(record=first.record, link=unknown, absorb=tuple(others))


def _conflicting(known: Mapping[str, Known], first: Known, kind: DoubtKind) -> Resolution:
    others = tuple({one.root: None for one in known.values() if one.root != first.root})
    doubt = Doubt(kind=kind, identifiers=tuple(known), others=others)
    return Resolution(record=first.record, doubts=(doubt,))


def _born_otherwise(
    known: Mapping[str, Known], unknown: tuple[str, ...], *, own: str, born: bytes | None
) -> Resolution:
    """Settle whose event it is when a stated date of birth is another than the known one.

    The sender's own numbering decides; a number of its own that nobody knows is a new person; and
    without one, whoever else named agrees on the date of birth, or a new person.
    """
    contradicting = {name: one for name, one in known.items() if one.contradicts(born)}
    agreeing = [one for one in known.values() if not one.contradicts(born)]
    others = tuple({one.root: None for one in contradicting.values()})
    doubt = Doubt(kind="date-of-birth-conflict", identifiers=tuple(contradicting), others=others)
    if own in known:
        return Resolution(record=known[own].record, doubts=(doubt,))
    if own in unknown:
        return Resolution(record=None, link=(own,), doubts=(doubt,))
    return Resolution(record=agreeing[0].record if agreeing else None, doubts=(doubt,))


def family_name(groups: FactsByGroup) -> str | None:
    """Return a family name as names are compared: case, width and outer spaces apart. Pure."""
    stated = groups.get("identity", {}).get("family_name")
    if not isinstance(stated, str):
        return None
    return unicodedata.normalize("NFKC", stated).casefold().strip()
