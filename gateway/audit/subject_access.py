"""Subject access: to whom a person's facts were disclosed, as they may be told themselves.

Source: DPA 2018 s.45(2)(c) (recipients or categories of recipients), s.45(4) (restriction), s.45(5)
to (7) (telling of it, or neither confirming nor denying; the record of reasons).
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from gateway import clock
from gateway.audit.answer import Answer, Cell, Column
from gateway.audit.asking import Asking
from gateway.audit.found import Logged, every
from gateway.audit.reading import (
    REGIMES,
    Law,
    cells,
    counted,
    group_names,
    groups,
    listed,
    member_paths,
    recipient,
    spoken,
)
from gateway.model.decision import Reason
from gateway.model.ids import AlertId, PersonRef, RecipientId
from gateway.model.person import StatedGroup
from gateway.store.erasure import is_erased
from gateway.store.merges import root
from gateway.store.sealed import open_facts
from keys.problem import KeyProblem
from policies.log_use import recipients_for_subject

LETTER: Final = (
    Column(name="day", title="Day"),
    Column(name="recipient", title="Who was told"),
    Column(name="categories", title="What it was about", kind="list"),
    Column(name="purpose", title="Why", kind="list"),
    Column(name="legal_basis", title="The law", kind="list"),
)
INTERNAL: Final = (
    Column(name="at", title="When", kind="time"),
    Column(name="alert", title="Alert", kind="ref"),
    Column(name="recipient", title="Who was told"),
    Column(name="message", title="Kind of message"),
    Column(name="groups", title="Groups of facts", kind="list"),
    Column(name="purpose", title="Purpose", kind="list"),
    Column(name="legal_basis", title="Legal basis", kind="list"),
    Column(name="regime", title="Regime", kind="list"),
    Column(name="restricted", title="Kept from the person"),
    Column(name="entry", title="Entry", kind="entry"),
)


_CLOSED: Final = Reason(
    code="record-closed",
    text="The record of this person does not open, so a sender's restriction cannot be seen. Ask"
    " those who stated the facts.",
)
_ALL: Final = 1_000_000  # disclosures about one person: every one there is


class Ground(StrEnum):
    """Why something may be kept from the person, as a necessary and proportionate measure."""

    INQUIRIES = "inquiries"
    CRIME = "crime"
    PUBLIC_SECURITY = "public-security"
    NATIONAL_SECURITY = "national-security"
    RIGHTS_OF_OTHERS = "rights-of-others"

    @property
    def words(self) -> str:
        """The statute's words, with their place in it."""
        return _GROUNDS[self]


_GROUNDS: Final = {
    Ground.INQUIRIES: "to avoid obstructing an official or legal inquiry, investigation or"
    " procedure: s.45(4)(a)",
    Ground.CRIME: "to avoid prejudicing the prevention, detection, investigation or prosecution of"
    " offences or the execution of penalties: s.45(4)(b)",
    Ground.PUBLIC_SECURITY: "to protect public security: s.45(4)(c)",
    Ground.NATIONAL_SECURITY: "to protect national security: s.45(4)(d)",
    Ground.RIGHTS_OF_OTHERS: "to protect the rights and freedoms of others: s.45(4)(e)",
}
# Whose being told says something by itself: of a victim, a covert interest, another's child.
_TELLING: Final = frozenset(
    {
        "victim_liaison_officer",
        "counter_terrorism_unit",
        "marac_coordinator",
        "childrens_services",
        "adult_safeguarding",
    }
)
_OF_OTHERS: Final = frozenset({"victim", "children"})
_NOT_FACTS: Final = frozenset({"handling", "duty"})  # of the case, not of the person


class Undecided(Exception):
    """A sender restricted what the person may be shown, and nobody has decided yet."""

    def __init__(self, reason: Reason) -> None:
        self.reason = reason
        super().__init__(reason.text)


def disclosures_of(
    asking: Asking,
    person: PersonRef | None,
    *,
    sar: bool,
    restrict: Mapping[AlertId, Ground] | None = None,
    facts: Mapping[str, StatedGroup] | None = None,
    decided: bool = False,
) -> Answer:
    """Answer: who was told about this person?

    Args:
        asking: By whom, in what scope.
        person: None: nobody is known by what was asked. The letter is then the same, word for word,
            as for somebody of whom nothing may be said.
        sar: The copy for the person; False: the copy that stays, with every restriction.
        restrict: Alerts kept from the person, and why; what supersedes or follows one goes with it.
        facts: What is held of the person now, for a sender's own restriction.
        decided: Somebody has decided what a sender's restriction means here.

    Raises:
        Undecided: a sender restricted what the person may be shown, and `decided` is False.
        NotLogged: as `Asking.reader`.
    """
    told = _told(asking, person) if person is not None else ()
    kept_back = _following(told, restrict or {})
    if sar:
        _check(told, facts or {}, decided=decided)
        return _letter(asking, [one for one in told if one[1]["alert"] not in kept_back])
    return _internal(asking, person, told, kept_back)


def restrictions(restrict: Mapping[AlertId, Ground]) -> dict[str, str]:
    """Return the restrictions as `Question.about` takes them: references, under their grounds."""
    ordered = sorted(restrict.items())
    return {f"restricted-{ground}-{n}": alert for n, (alert, ground) in enumerate(ordered, 1)}


def facts_held(asking: Asking, person: PersonRef, *, decided: bool) -> Mapping[str, StatedGroup]:
    """Return what is held of a person now: a sender may have restricted what they are shown.

    Raises:
        Undecided: it does not open, so nobody can see whether one did, and `decided` is False.
        NotLogged: as `Asking.reader`.
    """
    top = root(asking.reader, person)
    if is_erased(asking.reader, top):
        return {}
    sealed = asking.reader.execute("SELECT facts FROM person WHERE ref = ?", (top,)).get
    try:
        return open_facts(asking.sealed.key_of(asking.reader, top), top, sealed).facts
    except KeyProblem:
        if decided:
            return {}
        raise Undecided(_CLOSED) from None


def _told(asking: Asking, person: PersonRef) -> tuple[Logged, ...]:
    """Return every disclosure about a person, newest first; exercises are about nobody."""
    query = asking.query(("op", "disclosure"), any_of=(asking.about(person),))
    return tuple(
        one for one in every(asking, query, most=_ALL).entries if not one[1].get("exercise")
    )


def _following(told: Sequence[Logged], restrict: Mapping[AlertId, Ground]) -> dict[str, Ground]:
    """Return what is kept back: a correction of an alert, or its escalation, would tell of it."""
    found: dict[str, Ground] = {str(one): ground for one, ground in restrict.items()}
    for _, one in reversed(told):  # oldest first: what follows comes after
        for earlier in (one.get("supersedes"), one.get("escalates")):
            if earlier in found:
                found.setdefault(one["alert"], found[earlier])
    return found


def _check(told: Sequence[Logged], facts: Mapping[str, StatedGroup], *, decided: bool) -> None:
    answer = recipients_for_subject((RecipientId(one["recipient"]) for _, one in told), facts)
    if isinstance(answer, Reason) and not decided:
        raise Undecided(answer)


def _letter(asking: Asking, told: Sequence[Logged]) -> Answer:
    """Return the person's copy. It says nothing of how the log was searched, nor of who is known:
    with nothing to give it is the same for everybody."""
    rows = tuple(dict.fromkeys(_letter_row(asking, one) for _, one in reversed(told)))
    return Answer(
        question="disclosures",
        title="Your request to know who was told about you",
        asked={},
        reading=(_GIVEN if rows else _NOTHING, *_ALWAYS),
        columns=LETTER,
        rows=rows,
        entries=(),
        size=0,
        checkpoint="",
    )


_GIVEN: Final = (
    "We made a reasonable and proportionate search. Below is who was told about you through this"
    " service, on which day, what it was about, why, and under which law."
)
_NOTHING: Final = (
    "We made a reasonable and proportionate search. There is nothing that we are required to give"
    " you."
)
_ALWAYS: Final = (
    (
        "The law lets information be kept back in some cases (section 45(4) of the Data Protection"
        " Act 2018 and the exemptions from UK GDPR). Where it has been, the law may also stop us"
        " from saying so. This paragraph is in every answer we send: it neither confirms nor denies"
        " that anything is held or was kept back."
    ),
    (
        "The organisations that were told are responsible for what they now hold. You can ask each"
        " of them too."
    ),
    (
        "If you are not content, you can complain to us; ask the Information Commissioner to check"
        " that what we did was lawful (section 51), or complain to the Commissioner (section 165);"
        " or apply to a court (section 167)."
    ),
)


def _letter_row(asking: Asking, one: Mapping[str, Any]) -> tuple[Cell, ...]:
    law = Law.of(asking, one["rulebook"])
    known = asking.directory.recipients.get(RecipientId(one["recipient"]))
    role = law.rulebook.catalogues.roles.get(one["role"])
    title = role.title if role else spoken(one["role"])
    return (
        clock.day(datetime.fromisoformat(one["at"])).isoformat(),
        f"{known.organisation}, {title}" if known else title,
        cells(_categories(one)) or "a message about what was told before",
        cells(dict.fromkeys(spoken(grant["purpose"]) for grant in one["grants"]))
        or "to put right what was told before",
        cells(dict.fromkeys(_cited(law, grant["basis"]) for grant in one["grants"]))
        or one.get("basis")
        or "",
    )


def _cited(law: Law, basis: str) -> str:
    return law.basis(basis).removesuffix(f" [{basis}]")


def _categories(one: Mapping[str, Any]) -> Iterator[str]:
    names = group_names(member_paths(one))
    yield from (groups([name]) for name in names if name not in _OF_OTHERS | _NOT_FACTS)
    if _OF_OTHERS.intersection(names):
        yield "information that concerns other people"


def _internal(
    asking: Asking,
    person: PersonRef | None,
    told: Sequence[Logged],
    kept_back: Mapping[str, Ground],
) -> Answer:
    size, note = asking.checkpoint
    return Answer(
        question="disclosures",
        title="Who was told about this person?",
        asked={"person": person} if person else {},
        reading=tuple(_reading(asking, told, kept_back)),
        columns=INTERNAL,
        rows=tuple(_internal_row(asking, one, kept_back) for one in told),
        entries=tuple(sorted(index for index, _ in told)),
        size=size,
        checkpoint=note,
        caveats=_CAVEATS,
    )


def _reading(
    asking: Asking, told: Sequence[Logged], kept_back: Mapping[str, Ground]
) -> Iterator[str]:
    if not told:
        yield "The log holds no disclosure about this person that is yours to see."
        return
    alerts = {one["alert"] for _, one in told}
    people = sorted({one["recipient"] for _, one in told})
    yield f"{counted(len(alerts), 'alert')} went to {counted(len(people), 'recipient')}."
    yield f"They are: {listed(recipient(asking, one) for one in people)}."
    for ground in Ground:
        under = sorted({one for one in alerts if kept_back.get(one) is ground})
        if under:
            yield (
                f"Kept from the person, {ground.words}: {listed(under)}. This is the record of the"
                " reason (s.45(7)); make it available to the Commissioner on request."
            )
    strangers = sorted(kept_back.keys() - alerts)
    if strangers:
        yield f"Restrictions of alerts that are not about this person: {listed(strangers)}."
    telling = sorted({one["role"] for _, one in told if one["role"] in _TELLING})
    if telling:
        yield (
            "That these were told says something by itself: decide whether to restrict it for the"
            f" rights of others (s.45(4)(e)): {listed(spoken(one) for one in telling)}."
        )


_CAVEATS: Final = (
    "Do not send this copy to the person: make theirs with --sar.",
    (
        "Rows under UK GDPR are restricted by the exemptions of DPA 2018 Schedules 2 to 4, not by"
        " s.45(4)."
    ),
    (
        "Each controller answers for what it disclosed (MAPPA Guidance 9.2). Ask those who stated"
        " the facts before their disclosures are listed in a letter."
    ),
)


def _internal_row(
    asking: Asking, logged: Logged, kept_back: Mapping[str, Ground]
) -> tuple[Cell, ...]:
    index, one = logged
    law = Law.of(asking, one["rulebook"])
    regimes = dict.fromkeys(REGIMES.get(grant["regime"], "") for grant in one["grants"])
    ground = kept_back.get(one["alert"])
    return (
        one["at"],
        one["alert"],
        recipient(asking, one["recipient"]),
        one["message"],
        cells(groups([name]) for name in group_names(member_paths(one))),
        cells(dict.fromkeys(spoken(grant["purpose"]) for grant in one["grants"])),
        cells(dict.fromkeys(law.basis(grant["basis"]) for grant in one["grants"]))
        or one.get("basis")
        or "",
        cells(one for one in regimes if one),
        str(ground) if ground else None,
        index,
    )
