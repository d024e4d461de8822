"""The questions of the evidence page: what each asks for, and how it is posed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final, get_args

from gateway.audit import breach
from gateway.audit.asking import Question
from gateway.audit.questions import posed
from gateway.audit.scope import Scope
from gateway.clock import begins
from gateway.console.own import ConsoleOwn
from gateway.console.pages import evidence_subject
from gateway.console.pages.forms import Reading
from gateway.console.pages.persons import named
from gateway.console.pages.scoping import covers_person
from gateway.model.ids import PersonRef, RecipientId, RuleId
from gateway.model.reference import read_reference

Pose = Callable[[ConsoleOwn, Scope, Reading], Question | None]
KEPT: Final = 1000  # rows of a file
_PAGE: Final = 20
_LOOKED_AT: Final = 500  # disclosures, for one page of what had lapsed
_ENTRY_MOST: Final = 8_000  # characters
_PROOF_MOST: Final = 16_000
COMPROMISED: Final[Mapping[str, str]] = {
    "key": "A recipient’s key",
    "endpoint": "An endpoint",
    "agency": "An agency’s posting key",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One question as a form."""

    code: str
    number: str
    title: str
    fields: tuple[str, ...]  # names of what its form asks for, in order
    pose: Pose
    pages: bool = True  # its answer comes a page at a time


def _person(own: ConsoleOwn, scope: Scope, reading: Reading) -> PersonRef | None:
    typed = reading.needed("person", "Enter a reference or an identifier")
    if not typed:
        return None
    found = named(own, typed)
    if found is None or not covers_person(own, scope, found):
        reading.wrong("person", evidence_subject.UNSEEN)
        return None
    return found


def _after(reading: Reading) -> str | None:
    text = reading.text("after", most=20)
    return text if text.isascii() and text.isdigit() else None


def _part(reading: Reading) -> dict[str, Any]:
    """Return which part of an answer is asked for: a page, or all that a file may hold."""
    kept = bool(reading.said.get("export"))
    return {"limit": KEPT} if kept else {"limit": _PAGE, "after": _after(reading)}


def _told(own: ConsoleOwn, scope: Scope, reading: Reading) -> Question | None:
    person = _person(own, scope, reading)
    recipient = reading.needed("recipient", "Enter the recipient", most=128)
    if person is None or not recipient:
        return None
    return posed("told", person=person, recipient=RecipientId(recipient), **_part(reading))


def _of_person(
    code: str, own: ConsoleOwn, scope: Scope, reading: Reading, *, pages: bool = True
) -> Question | None:
    person = _person(own, scope, reading)
    if person is None:
        return None
    return posed(code, person=person, **(_part(reading) if pages else {}))


def _refused(own: ConsoleOwn, scope: Scope, reading: Reading) -> Question | None:
    person = _person(own, scope, reading)
    recipient = reading.text("recipient", most=128)
    if person is None:
        return None
    named_recipient = RecipientId(recipient) if recipient else None
    return posed("refused", person=person, recipient=named_recipient, **_part(reading))


def _rule(_own: ConsoleOwn, _scope: Scope, reading: Reading) -> Question | None:
    rule = reading.needed("rule", "Enter the rule", most=128)
    since, until = _days(reading)
    if reading.problems:
        return None
    return posed("rule", rule=RuleId(rule), since=since, until=until, **_part(reading))


def _genuine(_own: ConsoleOwn, _scope: Scope, reading: Reading) -> Question | None:
    held = reading.text("entry", most=_ENTRY_MOST)
    proof = reading.text("proof", most=_PROOF_MOST)
    if proof and not held:
        reading.wrong("entry", "Paste the entry that the proof is of")
    if held and reading.text("alert"):
        reading.wrong("alert", "Enter the reference or paste the entry, not both")
    if held or proof:
        return None if reading.problems else _of_held(held, proof)
    text = reading.needed("alert", "Enter the reference of the alert, or paste its entry")
    plain = read_reference(text) if text else None
    if text.startswith("alt_") and len(text) == 36:
        plain = text
    if text and plain is None:
        reading.wrong("alert", "A reference looks like XXX-XXX-XXX-XXX")
    if plain is None or reading.problems:
        return None
    return posed("genuine", alert=plain.lower())  # as ids have it


def _of_held(entry: str, proof: str) -> Question:
    """Return the question of an entry and its proof as a browser sends what was pasted: lines end
    as forms end them, not as files do."""
    text = "\n".join(proof.splitlines()) + "\n" if proof else None
    return posed("genuine", entry=entry.encode(), tlog_proof=text)


def _lapsed(_own: ConsoleOwn, _scope: Scope, reading: Reading) -> Question | None:
    since, until = _days(reading)
    if reading.problems:
        return None
    limit = {} if reading.said.get("export") else {"limit": _LOOKED_AT}
    return posed("lapsed", since=since, until=until, after=_after(reading), **limit)


def _breach(_own: ConsoleOwn, _scope: Scope, reading: Reading) -> Question | None:
    kind = reading.choice("compromised", COMPROMISED, "Choose what is in wrong hands")
    id_ = reading.needed("subject", "Enter its fingerprint, id or name", most=200)
    since = reading.day("since", "The first day")
    discovered = reading.day("discovered", "The day it was found")
    if since is None and not reading.problems:
        reading.wrong("since-day", "Enter since when it may have been in wrong hands")
    if discovered is None and not reading.problems:
        reading.wrong("discovered-day", "Enter when it was found")
    if reading.problems or since is None or discovered is None:
        return None
    of: breach.Kind = next(one for one in get_args(breach.Kind) if one == kind)
    return Question(
        code="breach",
        ask=partial(
            breach.breach,
            what=breach.Compromised(kind=of, id=id_),
            since=begins(since),
            discovered=begins(discovered),
        ),
        about={of: id_, "since": since.isoformat()},
    )


def _days(reading: Reading) -> tuple[datetime | None, datetime | None]:
    since, until = reading.day("since", "The first day"), reading.day("until", "The last day")
    if since and until and since > until:
        reading.wrong("until-day", "The last day must be the same as or after the first day")
    return (
        begins(since) if since else None,
        begins(until + timedelta(days=1)) if until else None,
    )


QUESTIONS: Final[Mapping[str, Asked]] = {
    one.code: one
    for one in (
        Asked(
            code="told",
            number="1",
            title="What did a recipient learn about a person?",
            fields=("person", "recipient"),
            pose=_told,
        ),
        Asked(
            code="who-knows",
            number="2",
            title="Who was told about a person?",
            fields=("person",),
            pose=partial(_of_person, "who-knows"),
        ),
        Asked(
            code="subject-access",
            number="2b",
            title="Who was told about a person, for an answer to a subject access request?",
            fields=evidence_subject.FIELDS,
            pose=evidence_subject.pose,
            pages=False,
        ),
        Asked(
            code="refused",
            number="3",
            title="Why was a recipient not told?",
            fields=("person", "recipient"),
            pose=_refused,
        ),
        Asked(
            code="rule",
            number="4",
            title="What left on the strength of a rule?",
            fields=("rule", "since", "until"),
            pose=_rule,
        ),
        Asked(
            code="merge",
            number="5",
            title="What did a wrong link or merge touch, and did recalls arrive?",
            fields=("person",),
            pose=partial(_of_person, "merge", pages=False),
            pages=False,
        ),
        Asked(
            code="genuine",
            number="6",
            title="Is an alert genuine, logged, witnessed and in force?",
            fields=("alert", "entry", "proof"),
            pose=_genuine,
            pages=False,
        ),
        Asked(
            code="looked",
            number="7",
            title="Who looked at a person?",
            fields=("person",),
            pose=partial(_of_person, "looked"),
        ),
        Asked(
            code="lapsed",
            number="8",
            title="Which disclosures rested on an agreement or policy document that had lapsed?",
            fields=("since", "until"),
            pose=_lapsed,
        ),
        Asked(
            code="breach",
            number="10",
            title="A breach: what did a lost key or endpoint expose?",
            fields=("compromised", "subject", "since", "discovered"),
            pose=_breach,
            pages=False,
        ),
    )
}
