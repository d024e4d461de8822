"""The audit of the auditors: who signed in, and who looked at what."""

from collections.abc import Mapping
from typing import Final

from aiohttp import web

from gateway.audit.answer import Answer, Column
from gateway.audit.asking import Asking, Question
from gateway.audit.questions import posed
from gateway.console.own import ConsoleOwn
from gateway.console.page import ConsoleRoute, Given, Shown, Visitor
from gateway.console.pages import answers
from gateway.console.pages.consulting import WHY, ask
from gateway.console.pages.forms import Reading
from gateway.model.decision import Reason
from gateway.model.staff import Staff, StaffId, StaffRole
from gateway.store.engine import Connection
from gateway.store.log_index import Query, search
from gateway.store.sessions import staff_of

_DPO: Final[frozenset[StaffRole]] = frozenset(("dpo",))
_PATH: Final = "/console/auditors"
_PAGE: Final = 50
_EXPORTED: Final = 1000
_COLUMNS: Final = (
    Column(name="entry", title="Entry", kind="entry"),
    Column(name="at", title="When", kind="time"),
    Column(name="staff", title="Who", kind="ref"),
    Column(name="means", title="By"),
    Column(name="outcome", title="What"),
)


def routes(own: ConsoleOwn) -> list[ConsoleRoute]:
    """Return the page of those who look."""

    async def empty(_request: web.Request, visitor: Visitor) -> Shown:
        return _page(own, visitor, Reading(said={}), None)

    async def answered(_request: web.Request, visitor: Visitor, said: Mapping[str, str]) -> Given:
        return await _answered(own, visitor, Reading(said=said))

    return [
        ConsoleRoute(path=_PATH, roles=_DPO, get=empty, post=answered, nav="Audit of the auditors")
    ]


async def _answered(own: ConsoleOwn, visitor: Visitor, reading: Reading) -> Given:
    seen = {one.id: one.id for one in seen_staff(own.store.reader, visitor)}
    about = reading.choice("about", {"looked": "", "sign-ins": ""}, "Choose what to look up")
    staff = reading.text("staff")
    if (about == "looked" or staff) and staff not in seen:
        reading.wrong("staff", "Choose whose")
    after = reading.text("after", most=20)
    form = reading.text("export", most=3)
    if reading.problems:
        return _page(own, visitor, reading, None)
    page = int(after) if after.isascii() and after.isdigit() else None
    limit = _EXPORTED if form in answers.EXPORTS else _PAGE
    question = (
        posed("looked", staff=StaffId(staff), after=page, limit=limit)
        if about == "looked"
        else _sign_ins([staff] if staff else list(seen), page, limit)
    )
    answer = await ask(own, visitor, question, reading.text(WHY))
    if isinstance(answer, Reason):
        reading.wrong("about", answer.text)
        return _page(own, visitor, reading, None)
    if form in answers.EXPORTS:
        made = await answers.download(own, answer, form)
        if not isinstance(made, str):
            return made
        reading.wrong("export", made)
    return _page(own, visitor, reading, answer)


def seen_staff(connection: Connection, visitor: Visitor) -> list[Staff]:
    """Return whose doings a visitor may see: those who act for a controller of theirs."""
    rows = connection.execute("SELECT body FROM staff ORDER BY id").fetchall()
    scope = visitor.scope
    return [
        one
        for one in (staff_of(str(body)) for (body,) in rows)
        if scope.everything
        or one.id == visitor.staff
        or one.agencies & scope.agencies
        or one.organisations & scope.organisations
    ]


def _sign_ins(staff: list[str], after: int | None, limit: int) -> Question:
    def answered(asking: Asking) -> Answer:
        query = Query(terms=(("op", "sign-in"),), any_of=(tuple(("actor", one) for one in staff),))
        found = search(asking.reader, query, after=after, limit=limit)
        size, checkpoint = asking.checkpoint
        count = len(found.entries)
        return Answer(
            question="sign-ins",
            title="Who signed in?",
            asked={},
            reading=(f"{count} sign-ins and sign-outs." if count else "Nobody signed in.",),
            columns=_COLUMNS,
            rows=tuple(
                (
                    index,
                    str(one["at"]),
                    one.get("staff") or "nobody proved who",
                    one.get("means"),
                    str(one.get("outcome", "")).replace("-", " "),
                )
                for index, one in found.entries
            ),
            entries=tuple(sorted(index for index, _ in found.entries)),
            size=size,
            checkpoint=checkpoint,
            next_page=None if found.next is None else str(found.next),
        )

    about = {"staff": staff[0]} if len(staff) == 1 else {}
    return Question(code="sign-ins", ask=answered, about=about)


def _page(own: ConsoleOwn, visitor: Visitor, reading: Reading, answer: Answer | None) -> Shown:
    staff = seen_staff(own.store.reader, visitor)
    values = {
        "said": reading.said,
        "errors": reading.problems,
        "problems": reading.by_field,
        "staff": [(one.id, f"{one.id} ({', '.join(sorted(one.roles))})") for one in staff],
        "found": answers.laid_out(answer) if answer else None,
        "exports": answers.EXPORTS,
    }
    return Shown(
        template="pages/auditors.html",
        title="Audit of the auditors",
        values=values,
        status=422 if reading.problems else 200,
    )
