"""Every combination of facts a rule can tell apart, as finitely many values of few variables.

Exact, not a sample. What makes it finite:

- kinds, numbers, booleans and enumerations are closed: by the schema, by what `policies.facts`
  computes and by what `gateway.model.groups` accepts;
- a recipient's standing follows from its organisation's class and designation, as in
  `policies.bases`, and a role is held by the classes roles.toml names;
- areas and the prison are free words, of which `policies.proof.whereabouts` keeps what a
  condition can tell apart;
- a marking, and the class of the sender, are words too: those known, those the rulebook spells
  out, and any other.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, combinations
from typing import Any, Final, get_args

from pydantic import BaseModel

from gateway.model import groups
from gateway.model.kinds import KINDS
from gateway.model.party import Form
from policies.catalogue import Catalogues
from policies.catalogue_entries import ASSOCIATE
from policies.facts import FactClass
from policies.proof.condition import ROLE, BeyondProof, Expression, spelt_out
from policies.proof.variable import Choice, Variable
from policies.proof.whereabouts import PLACES, whereabouts

# Of no closed extent, so no condition may take their words apart (`like`).
OPEN: Final = frozenset({*PLACES, "resource.marking", "resource.sender_class"})

_LEVELS: Final = ("unknown", "low", "medium", "high", "very high")
_WHO: Final = ("children", "known_adult", "prisoners", "public", "staff")


def variables(catalogues: Catalogues, bodies: Sequence[Expression]) -> tuple[Variable, ...]:
    """Return the whole space for a rulebook.

    Args:
        catalogues: For roles, organisation classes, standings and members.
        bodies: Every condition that will be asked of it, for the words they spell out.

    Raises:
        BeyondProof: too many areas spelt out, or a fact of unknown extent.

    Pure.
    """
    simple = [_simple(name, catalogues, bodies) for name in _simple_names()]
    return (
        _recipients(catalogues),
        _fact("resource.kind", sorted(KINDS), {}, of="event {}"),
        _told(catalogues),
        _fact("context.form", get_args(Form), {"notice": "as a notice", "pointer": "as a pointer"}),
        whereabouts(_words(PLACES, bodies)),
        _fact("principal.country", ("GB", "other"), {"other": "outside the United Kingdom"}),
        *simple,
    )


def _simple_names() -> Iterator[str]:
    elsewhere = {"kind", "areas", "prison"}
    return (name for name in FactClass.__dataclass_fields__ if name not in elsewhere)


def _words(names: frozenset[str], bodies: Iterable[Expression]) -> set[str]:
    return {word for body in bodies for word in spelt_out(body, names)}


def _simple(name: str, catalogues: Catalogues, bodies: Sequence[Expression]) -> Variable:
    spoken = name.replace("_", " ")
    if FactClass.__dataclass_fields__[name].type is bool:
        return _fact(f"resource.{name}", (False, True), {True: _YES_WORDS.get(name, spoken)})
    words = _words(frozenset({f"resource.{name}"}), bodies)
    if name == "sender_class":
        senders = [*sorted({*catalogues.organisations, *words}), "an unknown class"]
        return _fact(f"resource.{name}", senders, {}, of="posted by: {}")
    if name == "marking":
        known = _accepted(groups.Handling, name)
        others = [*sorted(words.difference(known)), "any other marking"]
        said = {marking: f"marked {marking}" for marking in (*known[1:], *others)}
        return _fact(f"resource.{name}", (*known, *others), said)
    if name == "risk_to":
        return _risk_to()
    if name not in _EXTENT:
        raise BeyondProof(f"the proof knows no extent for resource.{name}")
    extent = _EXTENT[name]
    sentences = {value: f"{_HEADS.get(name, spoken)} {value}" for value in extent[1:]}
    return _fact(f"resource.{name}", extent, {**sentences, **_WORDS.get(name, {})})


def _accepted(group: type[BaseModel], member: str) -> tuple[str, ...]:
    """Return the strings a group's member takes, "" first: not stated."""
    annotation: Any = group.model_fields[member].annotation
    found = [part for side in get_args(annotation) for part in get_args(side) or (side,)]
    return ("", *(text for text in found if isinstance(text, str)))


_EXTENT: Final[Mapping[str, tuple[Any, ...]]] = {
    "category": tuple(range(5)),
    "level": tuple(range(4)),
    "rosh": tuple(range(5)),
    "age": ("unknown", "adult", "child"),
    "convicted": ("unknown", "yes", "no"),
    "licence": ("unknown", "yes", "no"),
    "release_type": _accepted(groups.Custody, "release_type"),
    "address_status": _accepted(groups.Location, "address_status"),
}
_HEADS: Final = {"category": "MAPPA category", "level": "MAPPA level"}
_WORDS: Final[Mapping[str, Mapping[Any, str]]] = {
    "rosh": {n: f"{_LEVELS[n]} risk of serious harm" for n in range(1, 5)},
    "age": {"adult": "an adult", "child": "under 18"},
    "convicted": {"yes": "convicted", "no": "not convicted"},
    "licence": {"yes": "on licence", "no": "without a licence"},
}
_YES_WORDS: Final = {
    "rosh_rose": "the risk of serious harm rose",
    "imminent": "serious harm is imminent",
    "children": "a risk to children",
    "domestic_abuse": "domestic abuse",
    "harassment": "harassment measures or a request for no contact",
    "monitored": "electronically monitored",
    "foreign_national": "a foreign national",
    "restricted_patient": "a restricted patient",
    "homeless_within_56_days": "homeless within 56 days",
    "victim_opted_in": "a victim opted in to contact",
    "conditional": "intelligence under handling code C",
    "restricted": "the case is restricted",
    "housing_consent": "consent to the housing referral",
    "allowed": "the recipient is on the list of those who may know",
    "excluded": "the recipient is on the exclusion list",
    "vetoed": "the sender vetoed the recipient",
    "told_before": "the recipient was told before",
    "in_plan": "the recipient implements part of the plan",
    "knows_victim": "the victim is known to the recipient",
    "knows_child": "the child is known to the recipient",
    "chosen_authority_is_recipient": "the person chose this authority",
    "treats_person": "the recipient treats the person",
    "lodges_elsewhere": "the recorded accommodation is another's",
    "lodges_here": "the recorded accommodation is the recipient's",
    "owes": "the duty is the recipient's",
    "manages_owner": "the recipient manages whoever owes the duty",
    "decided": "a named person decided that the recipient be told",
}


def _fact(name: str, extent: Iterable[Any], words: Mapping[Any, str], of: str = "") -> Variable:
    """Build a variable of one attribute. A value without words of its own is a plain one."""
    return Variable(
        name=name,
        choices=tuple(
            Choice(
                reads={name: value},
                words=words.get(value, of.format(value)),
                plain=value not in words,
            )
            for value in extent
        ),
    )


def _recipients(catalogues: Catalogues) -> Variable:
    return Variable(
        name="recipient",
        choices=tuple(
            Choice(
                reads={
                    ROLE: role,
                    "principal.class": held_by,
                    "principal.standing": catalogues.standing_of(held_by)
                    | (frozenset({ASSOCIATE}) if designated else frozenset()),
                },
                words="designated as an Associate" if designated else "",
                plain=not designated,
            )
            for role, entry in catalogues.roles.items()
            for held_by in sorted(entry.held_by)
            for designated in (False, True)
        ),
    )


def _told(catalogues: Catalogues) -> Variable:
    """Every member of every group: the fact that would be told."""
    return Variable(
        name="told",
        choices=tuple(
            Choice(
                reads={"context.group": group.name, "told": f"{group.name}.{member}"},
                words="",
                plain=True,
            )
            for group in catalogues.groups.values()
            for member in group.members
        ),
    )


def _risk_to() -> Variable:
    subsets = chain.from_iterable(combinations(_WHO, size) for size in range(len(_WHO) + 1))
    return Variable(
        name="resource.risk_to",
        choices=tuple(
            Choice(
                reads={"resource.risk_to": frozenset(who)},
                words="at medium risk or more: " + ", ".join(who).replace("_", " ") if who else "",
                plain=not who,
            )
            for who in subsets
        ),
    )
