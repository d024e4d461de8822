"""Evidence: the questions a data protection officer asks, each answered, provable and to keep."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Final

from aiohttp import web

from gateway.audit.agreement import agreement
from gateway.audit.answer import Answer
from gateway.audit.ropa import ropa
from gateway.audit.subject_access import Undecided
from gateway.clock import day
from gateway.console.own import ConsoleOwn
from gateway.console.page import ConsoleRoute, Given, Shown, Visitor
from gateway.console.pages import answers, evidence_subject
from gateway.console.pages.consulting import WHY, ask, asks_why, justified
from gateway.console.pages.evidence_forms import COMPROMISED, QUESTIONS, Asked
from gateway.console.pages.forms import Problem, Reading
from gateway.model.decision import Reason
from gateway.model.ids import PersonRef
from gateway.model.staff import StaffRole

_DPO: Final[frozenset[StaffRole]] = frozenset(("dpo",))
_PATH: Final = "/console/evidence"
_LAW: Final[Mapping[str, str]] = {
    "ropa": "Records of processing (section 61, Article 30)",
    "agreement": "The schedule of the information-sharing agreement",
}


def routes(own: ConsoleOwn) -> list[ConsoleRoute]:
    """Return the list of questions and the page of each."""
    of_law = _OfLaw(own)

    async def listing(_request: web.Request, _visitor: Visitor) -> Shown:
        values = {"questions": list(QUESTIONS.values()), "law": _LAW}
        return Shown(template="pages/evidence.html", title="Evidence", values=values)

    async def empty(request: web.Request, _visitor: Visitor) -> Shown:
        return _page(own, _asked(request), Reading(said={}), None)

    async def answered(request: web.Request, visitor: Visitor, said: Mapping[str, str]) -> Given:
        return await _answered(own, visitor, _asked(request), Reading(said=said))

    async def law(request: web.Request, _visitor: Visitor) -> Shown:
        return _law_page(await of_law.get(request.match_info["code"]), [])

    async def keep(request: web.Request, _visitor: Visitor, said: Mapping[str, str]) -> Given:
        answer, reading = await of_law.get(request.match_info["code"]), Reading(said=said)
        form = reading.choice("export", answers.EXPORTS, "Choose what to keep it as")
        made = await answers.download(own, answer, form) if form else ""
        if not isinstance(made, str):
            return made
        if made:
            reading.wrong("export", made)
        return _law_page(answer, reading.problems)

    return [
        ConsoleRoute(path=_PATH, roles=_DPO, get=listing, nav="Evidence"),
        ConsoleRoute(path=_PATH + "/{code:ropa|agreement}", roles=_DPO, get=law, post=keep),
        ConsoleRoute(path=_PATH + "/{code:[a-z-]{1,20}}", roles=_DPO, get=empty, post=answered),
    ]


def _asked(request: web.Request) -> Asked:
    found = QUESTIONS.get(request.match_info["code"])
    if found is None:
        raise web.HTTPNotFound
    return found


async def _answered(own: ConsoleOwn, visitor: Visitor, asked: Asked, reading: Reading) -> Given:
    question = asked.pose(own, visitor.scope, reading)
    why = justified(own, reading) if "person" in asked.fields else reading.text(WHY)
    if question is None or reading.problems:
        return _page(own, asked, reading, None)
    try:
        answer = await ask(own, visitor, question, why)
    except Undecided as undecided:
        reading.wrong("decided", undecided.reason.text)
        return _page(own, asked, reading, None)
    if isinstance(answer, Reason):
        reading.wrong(WHY, answer.text)
        return _page(own, asked, reading, None)
    form = reading.text("export", most=3)
    if form in answers.EXPORTS:
        made = await answers.download(own, answer, form)
        if not isinstance(made, str):
            return made
        reading.wrong("export", made)
    return _page(own, asked, reading, answer, person=question.person)


class _OfLaw:
    """What is generated from the rulebook, kept for the day: it takes half a second to make."""

    def __init__(self, own: ConsoleOwn) -> None:
        self._own = own
        self._made: dict[tuple[str, str, date], Answer] = {}

    async def get(self, code: str) -> Answer:
        """Return one of them, as of today."""
        today = day(self._own.now())
        key = (code, self._own.law.rulebook.digest, today)
        if key not in self._made:
            made = await asyncio.to_thread(_of_law, self._own, code, today)
            self._made = {one: kept for one, kept in self._made.items() if one[1:] == key[1:]}
            self._made[key] = made
        return self._made[key]


def _of_law(own: ConsoleOwn, code: str, today: date) -> Answer:
    """Return what is generated from the rulebook: nobody's record is read for it."""
    make = ropa if code == "ropa" else agreement
    return make(own.law.rulebook, today=today)


def _law_page(answer: Answer, errors: Sequence[Problem]) -> Shown:
    values = {
        "found": answers.laid_out(answer, rows=40),
        "errors": errors,
        "exports": answers.EXPORTS,
        "action": f"{_PATH}/{answer.question}",
    }
    return Shown(
        template="pages/evidence_law.html",
        title=answer.title,
        values=values,
        status=422 if errors else 200,
    )


def _page(
    own: ConsoleOwn,
    asked: Asked,
    reading: Reading,
    answer: Answer | None,
    *,
    person: PersonRef | None = None,
) -> Shown:
    said = dict(reading.said)
    if person or not said.get("person", "").startswith("per_"):
        said["person"] = person or ""  # what was typed is not sent back: the reference is
    if answer is None:
        said |= {"entry": "", "proof": ""}  # nor what was pasted, before it is known to be ours
    values = {
        "asked": asked,
        "action": f"{_PATH}/{asked.code}",
        "said": said,
        "errors": reading.problems,
        "problems": reading.by_field,
        "asks_why": asks_why(own),
        "compromised": COMPROMISED,
        "copies": [{"value": one, "text": text} for one, text in evidence_subject.COPIES.items()],
        "grounds": evidence_subject.GROUNDS,
        "rules": [(one, one) for one in sorted(own.law.rulebook.rules)],
        "found": answers.laid_out(answer) if answer else None,
        "exports": answers.EXPORTS,
    }
    return Shown(
        template="pages/evidence_one.html",
        title=asked.title,
        values=values,
        status=422 if reading.problems else 200,
    )
