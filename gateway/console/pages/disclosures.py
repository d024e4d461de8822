"""Disclosures: found by person, recipient, rule, basis and date; shown a page at a time, by key."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any, Final

from aiohttp import web

from gateway.audit.answer import Answer, Column
from gateway.audit.asking import Asking, Question
from gateway.audit.scope import Scope
from gateway.clock import begins
from gateway.console.own import ConsoleOwn
from gateway.console.page import ConsoleRoute, Given, Shown, Visitor
from gateway.console.pages import answers, words
from gateway.console.pages.consulting import WHY, ask, asks_why, justified
from gateway.console.pages.forms import Reading
from gateway.console.pages.persons import named
from gateway.console.pages.scoping import covers_person
from gateway.model.decision import Reason
from gateway.model.ids import PersonRef, RecipientId
from gateway.model.staff import StaffRole
from gateway.store.log_index import Found, Term, search

_DPO: Final[frozenset[StaffRole]] = frozenset(("dpo",))
_PATH: Final = "/console/disclosures"
_PAGE: Final = 25
_EXPORTED: Final = 1000  # rows of one file
_LISTED: Final = 100  # recipients to choose from; more are typed
_NOBODY: Final = Found()

COLUMNS: Final = (
    Column(name="entry", title="Entry", kind="entry"),
    Column(name="at", title="When", kind="time"),
    Column(name="message", title="What"),
    Column(name="recipient", title="To", kind="ref"),
    Column(name="role", title="Role"),
    Column(name="person", title="About", kind="ref"),
    Column(name="rules", title="Rules", kind="list"),
    Column(name="bases", title="Bases", kind="list"),
    Column(name="channel", title="Channel"),
    Column(name="alert", title="Alert", kind="ref"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What somebody searches for: references only, the person already found."""

    person: PersonRef | None = None
    recipient: str = ""
    rule: str = ""
    basis: str = ""
    since: date | None = None
    until: date | None = None
    after: int | None = None
    unknown: bool = False  # a person was asked for whom nobody knows, or who is not theirs to see

    @property
    def about(self) -> dict[str, str]:
        """What the log is told it was asked of."""
        stated = {
            "recipient": self.recipient,
            "rule": self.rule,
            "basis": self.basis,
            "since": self.since.isoformat() if self.since else "",
            "until": self.until.isoformat() if self.until else "",
        }
        return {name: value for name, value in stated.items() if value}


def routes(own: ConsoleOwn) -> list[ConsoleRoute]:
    """Return the search."""

    async def empty(_request: web.Request, _visitor: Visitor) -> Shown:
        return _page(own, Reading(said={}), None, None)

    async def found(_request: web.Request, visitor: Visitor, said: Mapping[str, str]) -> Given:
        return await _searched(own, visitor, Reading(said=said))

    return [ConsoleRoute(path=_PATH, roles=_DPO, get=empty, post=found, nav="Disclosures")]


async def _searched(own: ConsoleOwn, visitor: Visitor, reading: Reading) -> Given:
    wanted = _wanted(own, visitor.scope, reading)
    why = justified(own, reading)
    form = reading.text("export", most=3)
    if reading.problems:
        return _page(own, reading, None, None)
    limit = _EXPORTED if form in answers.EXPORTS else _PAGE
    question = Question(
        code="disclosures-export" if form in answers.EXPORTS else "disclosures",
        ask=lambda asking: _answered(asking, wanted, limit),
        person=wanted.person,
        recipient=RecipientId(wanted.recipient) if wanted.recipient else None,
        about=wanted.about,
    )
    answer = await ask(own, visitor, question, why)
    if isinstance(answer, Reason):
        reading.wrong(WHY, answer.text)
        return _page(own, reading, None, None)
    if form in answers.EXPORTS:
        made = await answers.download(own, answer, form)
        if not isinstance(made, str):
            return made
        reading.wrong("export", made)
    return _page(own, reading, wanted, answer)


def _wanted(own: ConsoleOwn, scope: Scope, reading: Reading) -> Wanted:
    typed = reading.text("person")
    person = named(own, typed) if typed else None
    if person is not None and not covers_person(own, scope, person):
        person = None
    after = reading.text("after", most=20)
    wanted = Wanted(
        person=person,
        recipient=reading.text("recipient", most=128),
        rule=reading.text("rule", most=128),
        basis=reading.text("basis", most=32),
        since=reading.day("since", "The first day"),
        until=reading.day("until", "The last day"),
        after=int(after) if after.isascii() and after.isdigit() else None,
        unknown=bool(typed) and person is None,
    )
    if wanted.since and wanted.until and wanted.since > wanted.until:
        reading.wrong("until-day", "The last day must be the same as or after the first day")
    return wanted


def _answered(asking: Asking, wanted: Wanted, limit: int) -> Answer:
    query = asking.query(
        *_terms(wanted),
        since=begins(wanted.since) if wanted.since else None,
        until=begins(wanted.until + timedelta(days=1)) if wanted.until else None,
    )
    about = (asking.about(wanted.person),) if wanted.person else ()
    query = replace(query, any_of=(*query.any_of, *about))
    found = (
        _NOBODY if wanted.unknown else search(asking.reader, query, after=wanted.after, limit=limit)
    )
    size, checkpoint = asking.checkpoint
    count = len(found.entries)
    said = "1 disclosure" if count == 1 else f"{count} disclosures"
    more = " There are more." if found.next is not None else ""
    return Answer(
        question="disclosures",
        title="What was disclosed",
        asked=wanted.about | ({"person": wanted.person} if wanted.person else {}),
        reading=(f"{said} found.{more}" if count else "Nothing was found.",),
        columns=COLUMNS,
        rows=tuple(_row(index, entry) for index, entry in found.entries),
        entries=tuple(sorted(index for index, _ in found.entries)),
        size=size,
        checkpoint=checkpoint,
        next_page=None if found.next is None else str(found.next),
    )


def _terms(wanted: Wanted) -> list[Term]:
    stated = {
        "recipient": wanted.recipient,
        "rule": wanted.rule,
        "basis": wanted.basis,
    }
    return [("op", "disclosure"), *((what, value) for what, value in stated.items() if value)]


def _row(index: int, entry: Mapping[str, Any]) -> tuple[str | int | None, ...]:
    grants = entry.get("grants", [])
    message = str(entry.get("message", ""))
    return (
        index,
        str(entry["at"]),
        words.MESSAGES.get(message, message),
        entry.get("recipient"),
        str(entry.get("role", "")).replace("_", " "),
        entry.get("person"),
        "; ".join(dict.fromkeys(one["rule"] for one in grants)),
        "; ".join(dict.fromkeys(one["basis"] for one in grants)),
        entry.get("channel"),
        entry.get("alert"),
    )


def _page(own: ConsoleOwn, reading: Reading, wanted: Wanted | None, answer: Answer | None) -> Shown:
    # What was typed for a person is not sent back: the reference it was found by is.
    said = dict(reading.said)
    said["person"] = wanted.person or "" if wanted else ""
    values = {
        "said": said,
        "errors": reading.problems,
        "problems": reading.by_field,
        "asks_why": asks_why(own),
        "choices": _choices(own),
        "found": answers.laid_out(answer) if answer else None,
        "unknown": bool(wanted and wanted.unknown),
        "exports": answers.EXPORTS,
    }
    return Shown(
        template="pages/disclosures.html",
        title="Disclosures",
        values=values,
        status=422 if reading.problems else 200,
    )


def _choices(own: ConsoleOwn) -> dict[str, list[tuple[str, str]]]:
    """Return what may be chosen from; no recipients where they are too many for a list."""
    bases = own.law.catalogues.bases
    recipients = sorted(own.directory.recipients)
    return {
        "rules": [(one, one) for one in sorted(own.law.rulebook.rules)],
        "bases": [(one, f"{one}: {bases[one].citation}") for one in sorted(bases)],
        "recipients": [(one, one) for one in recipients] if len(recipients) <= _LISTED else [],
    }
