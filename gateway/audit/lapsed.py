"""Which disclosures rest on an agreement, designation or policy document that had lapsed.

Each is judged by the catalogue of the rulebook it was made under and by the one in force now, which
may know of an end nobody had recorded then. Source: DPA 2018 ss.35(5), 42; CJA 2003 s.325(4A)(c).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from typing import Any, Final

from gateway import clock
from gateway.audit.answer import Answer, Column
from gateway.audit.asking import Asking
from gateway.audit.found import MOST, Gathered, Logged, every
from gateway.audit.reading import Law, counted, recipient, when
from gateway.model.ids import BasisId, RecipientId
from policies.catalogue import ASSOCIATE, Catalogues

COLUMNS: Final = (
    Column(name="at", title="When", kind="time"),
    Column(name="alert", title="Alert", kind="ref"),
    Column(name="recipient", title="Who was told"),
    Column(name="rests_on", title="It rests on"),
    Column(name="reference", title="Reference", kind="ref"),
    Column(name="state", title="What was wrong"),
    Column(name="on", title="Since"),
    Column(name="catalogue", title="By the catalogue of"),
    Column(name="entry", title="Entry", kind="entry"),
)
LATE: Final = "review late"  # it is still in force: a warning


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fault:
    rests_on: str
    reference: str
    state: str
    on: date | None = None

    @property
    def lapsed(self) -> bool:
        return self.state != LATE


def lapsed(
    asking: Asking,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    after: int | None = None,
    limit: int = MOST,
) -> Answer:
    """Answer: which disclosures rest on what had lapsed at the time?

    Args:
        asking: By whom, in what scope.
        since: From this moment on.
        until: Before this one.
        after: The `next_page` of the answer before.
        limit: How many disclosures are looked at, the newest first.
    """
    gathered = every(
        asking,
        asking.query(("op", "disclosure"), since=since, until=until),
        after=after,
        most=limit,
    )
    resting = [one for one in gathered.entries if one[1].get("grants")]
    found = [
        (logged, fault, whose)
        for logged in resting
        for fault, whose in _faults(asking, logged[1]).items()
    ]
    size, note = asking.checkpoint
    bounds = {"since": since, "until": until}
    return Answer(
        question="lapsed",
        title="Which disclosures rest on an agreement or policy document that had lapsed?",
        asked={name: moment.isoformat() for name, moment in bounds.items() if moment},
        reading=(*_reading(resting, found), *_how_far(gathered)),
        columns=COLUMNS,
        rows=tuple(
            (
                one["at"],
                one["alert"],
                recipient(asking, one["recipient"]),
                fault.rests_on,
                fault.reference,
                fault.state,
                fault.on.isoformat() if fault.on else None,
                whose,
                index,
            )
            for (index, one), fault, whose in found
        ),
        entries=tuple(sorted({index for (index, _), _, _ in found})),
        size=size,
        checkpoint=note,
        next_page=str(gathered.next) if gathered.next is not None else None,
        caveats=_CAVEATS,
    )


def _reading(resting: list[Logged], found: list[tuple[Logged, _Fault, str]]) -> Iterator[str]:
    yield f"Disclosures of facts that were looked at: {len(resting)}."
    wrong = {index for (index, _), fault, _ in found if fault.lapsed}
    if wrong:
        yield (
            "Rests on something that was not in force that day:"
            f" {counted(len(wrong), 'disclosure')}. Decide whether the recipient must be told"
            " (s.38(5)(c)) and whether it is a breach (s.67)."
        )
    else:
        yield "None rests on an agreement, designation or policy document that had lapsed."
    late = {index for (index, _), fault, _ in found if not fault.lapsed} - wrong
    if late:
        yield (
            f"Rests on a document whose review was late: {counted(len(late), 'disclosure')}. It was"
            " still in force."
        )
    bare = sum(one.get("agreement") is None for _, one in resting)
    if bare:
        yield (
            f"Names no agreement: {counted(bare, 'disclosure')}. An agreement is no legal basis,"
            " and its absence makes no disclosure unlawful."
        )


def _how_far(gathered: Gathered) -> Iterator[str]:
    if gathered.next is not None and gathered.entries:
        oldest = when(gathered.entries[-1][1]["at"])
        yield (
            f"This looked back as far as {oldest}. There are older disclosures: ask for the next"
            " page, or for a time."
        )


_CAVEATS: Final = (
    (
        "A designation as an Associate is judged by the directory as it is now: the log keeps"
        " digests of what the directory said, not its words."
    ),
    "Corrections and recalls without facts rest on s.38(5)(c) alone and are not listed.",
)


def _faults(asking: Asking, one: Mapping[str, Any]) -> dict[_Fault, str]:
    """Return what was wrong, each with the catalogue that says so; the one of then comes first."""
    day = clock.day(datetime.fromisoformat(one["at"]))
    law = Law.of(asking, one["rulebook"])
    catalogues = {"then": law.rulebook.catalogues, "now": asking.law.catalogues}
    if not law.asked:
        del catalogues["then"]
    elif law.rulebook is asking.law.rulebook:  # it says the same twice
        del catalogues["now"]
    found: dict[_Fault, str] = {}
    for whose, catalogue in catalogues.items():
        for fault in _by(catalogue, asking, one, day):
            found.setdefault(
                fault, f"the rulebook {'of that day' if whose == 'then' else 'in force now'}"
            )
    return found


def _by(
    catalogues: Catalogues, asking: Asking, one: Mapping[str, Any], day: date
) -> Iterator[_Fault]:
    if (reference := one.get("agreement")) is not None:
        yield from _of_agreement(catalogues, reference, day)
    for grant in one["grants"]:
        yield from _of_document(catalogues, grant, day)
    for grant in one["grants"]:
        yield from _of_designation(catalogues, asking, one["recipient"], grant, day)


def _of_agreement(catalogues: Catalogues, reference: str, day: date) -> Iterator[_Fault]:
    known = catalogues.agreements.get(reference)
    if known is None:
        yield _Fault(rests_on="agreement", reference=reference, state="not in the catalogue")
    elif known.begins_on is not None and day < known.begins_on:
        yield _Fault(
            rests_on="agreement", reference=reference, state="not yet in force", on=known.begins_on
        )
    elif known.ends_on is not None and day > known.ends_on:
        yield _Fault(rests_on="agreement", reference=reference, state="ended", on=known.ends_on)
    elif day > known.review_date:
        yield _Fault(rests_on="agreement", reference=reference, state=LATE, on=known.review_date)


def _of_document(catalogues: Catalogues, grant: Mapping[str, Any], day: date) -> Iterator[_Fault]:
    reference = grant.get("policy_document", "")
    groups = _groups(tuple(grant["members"]))
    sensitive = any(
        catalogues.groups[name].sensitive for name in groups if name in catalogues.groups
    )
    known = catalogues.policy_documents.get(reference)
    if not reference:
        if sensitive:
            yield _Fault(rests_on="policy document", reference="", state="none named")
    elif known is None:
        yield _Fault(rests_on="policy document", reference=reference, state="not in the catalogue")
    elif known.expires_on is not None and day > known.expires_on:
        yield _Fault(
            rests_on="policy document", reference=reference, state="ended", on=known.expires_on
        )
    elif day > known.review_date:
        yield _Fault(
            rests_on="policy document", reference=reference, state=LATE, on=known.review_date
        )


@lru_cache(maxsize=4096)
def _groups(members: tuple[str, ...]) -> frozenset[str]:
    """Return the groups of "group.member" paths: rules name the same ones again and again."""
    return frozenset(path.partition(".")[0] for path in members)


def _of_designation(
    catalogues: Catalogues, asking: Asking, id_: str, grant: Mapping[str, Any], day: date
) -> Iterator[_Fault]:
    """Yield what is wrong where the basis reaches this recipient by designation alone."""
    told = asking.directory.recipients.get(RecipientId(id_))
    basis = catalogues.bases.get(BasisId(grant["basis"]))
    if told is None or basis is None:
        return
    words = frozenset[str]().union(*(route.to for route in basis.routes))
    if ASSOCIATE not in words or words & catalogues.standing_of(told.organisation_class):
        return
    held = told.associate
    if held is None:
        yield _Fault(rests_on="designation", reference="", state="none recorded")
    elif not held.in_force(day):
        ended = held.ends_on is not None and day > held.ends_on
        yield _Fault(
            rests_on="designation",
            reference=held.reference,
            state="ended" if ended else "not yet in force",
            on=held.ends_on if ended else held.designated_on,
        )
