"""The schedule of an information-sharing agreement: who may tell whom what, when, why and how.

Generated from the rulebook, for a page a lawyer can sign. Source: CJA 2003 s.325(5); the ICO's data
sharing code. Pure.
"""

from collections.abc import Iterable, Iterator
from datetime import date
from typing import Final, TypeAlias

from gateway.audit.answer import Answer, Cell, Column
from gateway.audit.reading import counted
from gateway.audit.ropa import controller_title
from gateway.audit.schedule import (
    Way,
    agreements_over,
    document_for,
    in_order,
    in_words,
    kinds_of,
    spoken,
    ways,
)
from policies.catalogue import Catalogues
from policies.rulebook import Rulebook

COLUMNS: Final = (
    Column(name="sender", title="From"),
    Column(name="recipient", title="To"),
    Column(name="bodies", title="Who they are", kind="list"),
    Column(name="what", title="What may be shared", kind="list"),
    Column(name="when", title="When", kind="list"),
    Column(name="purpose", title="Why"),
    Column(name="legal_basis", title="Legal basis"),
    Column(name="condition", title="Condition and policy document", kind="list"),
    Column(name="asks", title="What is asked of them"),
    Column(name="decided_by", title="Who decides"),
    Column(name="agreement", title="Agreement", kind="list"),
    Column(name="review", title="Next review"),
    Column(name="rules", title="Rules", kind="list"),
)
NO_AGREEMENT: Final = "NONE COVERS IT"

_Key: TypeAlias = tuple[Cell, ...]


def agreement(
    rulebook: Rulebook,
    *,
    today: date,
    sender: str | None = None,
    role: str | None = None,
    reference: str | None = None,
) -> Answer:
    """Return the schedule.

    Args:
        rulebook: Whose rules and catalogues.
        today: Decides which policy documents are in force and which reviews are late.
        sender: Only from this organisation class.
        role: Only to this role.
        reference: Only what this agreement covers.
    """
    catalogues = rulebook.catalogues
    found: dict[_Key, list[Way]] = {}
    for way in ways(rulebook, sender=sender, role=role):
        covering = tuple(one.reference for one in agreements_over(way, catalogues))
        if reference is None or reference in covering:
            found.setdefault(_key(way, catalogues), []).append(way)
    rows = tuple(_row(together, catalogues, today) for together in found.values())
    asked = {"sender": sender, "role": role, "agreement": reference}
    return Answer(
        question="agreement",
        title="Schedule of information sharing",
        asked={
            "rulebook": rulebook.digest,
            "day": today.isoformat(),
            **{name: value for name, value in asked.items() if value},
        },
        reading=tuple(_reading(rows, catalogues, today)),
        columns=COLUMNS,
        rows=rows,
        entries=(),
        size=0,
        checkpoint="",
        caveats=_CAVEATS,
    )


def _key(way: Way, catalogues: Catalogues) -> _Key:
    """Return what must be the same for two rules to be one row: all but the kinds of event."""
    rule = way.rule
    return (
        way.sender,
        way.role,
        "; ".join(way.holders),
        _what(way, catalogues),
        rule.purpose,
        way.basis,
        rule.for_action,
        spoken(rule.acknowledge_within),
        rule.decided_by,
    )


def _row(together: list[Way], catalogues: Catalogues, today: date) -> tuple[Cell, ...]:
    way = together[0]
    basis = catalogues.bases[way.basis]
    covering = agreements_over(way, catalogues)
    document = document_for(way, catalogues, today)
    return (
        controller_title(way.sender, catalogues),
        catalogues.roles[way.role].title,
        in_order(catalogues.title_of(one) for one in way.holders)
        + (", while designated as an Associate" if way.designated else ""),
        _what(way, catalogues),
        kinds_of(one.rule for one in together),
        in_words(way.rule.purpose),
        f"{basis.citation} [{way.basis}]",
        in_order((basis.condition, document)) if document else "",
        _asks(way),
        in_words(way.rule.decided_by) if way.rule.decided_by else "the rule",
        in_order(f"{one.reference} version {one.version}" for one in covering) or NO_AGREEMENT,
        min((one.review_date.isoformat() for one in covering), default=""),
        in_order(one.rule.id for one in together),
    )


def _what(way: Way, catalogues: Catalogues) -> str:
    return in_order(
        f"{group.title}{_part(group.members, way.members[name])}"
        for name, group in catalogues.groups.items()
        if name in way.members
    )


def _part(whole: tuple[str, ...], part: tuple[str, ...]) -> str:
    if set(part) == set(whole):
        return ""
    return f" ({', '.join(in_words(one) for one in whole if one in part)})"


def _asks(way: Way) -> str:
    within = spoken(way.rule.acknowledge_within)
    asked = "to act" if way.rule.for_action else "to know"
    return f"{asked}; acknowledge within {within}" if within else asked


def _reading(
    rows: Iterable[tuple[Cell, ...]], catalogues: Catalogues, today: date
) -> Iterator[str]:
    rows = list(rows)
    if not rows:
        yield "The rulebook opens no such way."
        return
    pairs = {row[:2] for row in rows}
    yield (
        f"{counted(len(pairs), 'pair')} of sender and recipient, and {counted(len(rows), 'way')} to"
        " share."
    )
    position = [column.name for column in COLUMNS].index("agreement")
    bare = sum(row[position] == NO_AGREEMENT for row in rows)
    if bare:
        yield (
            f"Covered by no agreement in the catalogue: {counted(bare, 'way')}. An agreement is"
            " not a basis itself, but those who share are expected to have one (CJA 2003 s.325(5))."
        )
    yield (
        "How: only through this gateway. Facts leave sealed to the recipient's own confirmed key"
        " (webhook, MESH or S/MIME mail). Mail without such a key, and texts, carry no facts: they"
        " say that something waits at a pick-up page behind a second factor."
    )
    yield (
        f"Marking: at most {catalogues.handling.ceiling}. Every disclosure is logged before it"
        " leaves, and corrected or recalled with exactly those who were told."
    )
    for one in catalogues.agreements.values():
        late = " THE REVIEW IS LATE." if today > one.review_date else ""
        yield f"{one.reference}: {one.title}. Next review {one.review_date.isoformat()}.{late}"


_CAVEATS: Final = (
    "This is the widest the rules allow. In a case the facts, a forbid or a restriction narrow it.",
    "An agreement is never a legal basis. Each disclosure rests on the law its row names.",
    (
        "Signed for the sender: ______________________  Signed for the recipient:"
        " ______________________  Date: ______________"
    ),
)
