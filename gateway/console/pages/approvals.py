"""What takes two: erasing a person, going on past a gap in the log, another rulebook."""

import asyncio
from collections.abc import Mapping
from typing import Final, Literal

from aiohttp import web

from gateway.approving import Approving, NotFromHere
from gateway.console.own import ConsoleOwn
from gateway.console.page import ConsoleRoute, Given, Moved, Shown, Visitor
from gateway.console.pages import words
from gateway.console.pages.forms import Reading
from gateway.console.pages.persons import named
from gateway.console.pages.scoping import covers_person
from gateway.model.ids import PersonRef
from gateway.model.staff import ApprovalId, StaffRole
from gateway.standing import acknowledging
from gateway.store import approvals, epoch
from gateway.store.approvals import Approval, Verdict
from gateway.store.erasure import NobodyKnown
from gateway.store.group_commit import Unit
from policies.problem import BadRulebook

_DPO: Final[frozenset[StaffRole]] = frozenset(("dpo",))
_PATH: Final = "/console/approvals"
_DECIDED: Final = 50
KINDS: Final[Mapping[str, str]] = {
    "erasure": "Erase a person",
    "gap": "Go on past a gap in the log",
    "rulebook": "Put a rulebook in force",
}
REASONS: Final[Mapping[str, str]] = {
    "retention-ended": "The time to keep it has ended",
    "data-subject-request": "The person asked, and it is owed",
    "court-order": "A court ordered it",
    "received-in-error": "It should never have been received",
}
_GAP_REASONS: Final[Mapping[str, str]] = {
    "restored-from-backup": "The database was restored from a backup",
    "disk-lost": "A disk was lost",
}
_VERDICTS: Final[Mapping[Verdict, str]] = {
    "own": "You proposed it: it takes a second person",
    "closed": "It was decided before, otherwise or by somebody else",
    "lapsed": "Nobody decided it in time. Propose it again",
    "gone": "What it is about is no longer there, or has changed since. Propose it again",
    "unknown": "There is no such proposal",
}
_DONE: Final[Mapping[str, str]] = {
    "proposed": "Proposed. Nothing is done until a second person approves it.",
    "approved": "Approved, and carried out.",
    "declined": "Declined. Nothing was done.",
    "repeated": "That was decided before.",
}


def routes(own: ConsoleOwn) -> list[ConsoleRoute]:
    """Return the page of proposals, and its forms."""

    async def show(request: web.Request, visitor: Visitor) -> Shown:
        return _page(own, visitor, Reading(said={}), done=request.query.get("done", ""))

    async def propose(_request: web.Request, visitor: Visitor, said: Mapping[str, str]) -> Given:
        return await _propose(own, visitor, Reading(said=said))

    async def again(request: web.Request, visitor: Visitor) -> Shown:
        return _one(own, visitor, request.match_info["approval"], Reading(said={}))

    async def decide(request: web.Request, visitor: Visitor, said: Mapping[str, str]) -> Given:
        return await _decide(own, visitor, request.match_info["approval"], Reading(said=said))

    return [
        ConsoleRoute(path=_PATH, roles=_DPO, get=show, post=propose, nav="Approvals"),
        ConsoleRoute(
            path=_PATH + "/{approval:apr_[0-9a-f]{32}}",
            roles=_DPO,
            get=again,
            post=decide,
            fresh=True,
        ),
    ]


def approving(own: ConsoleOwn) -> Approving:
    """Return what proposes and carries out."""
    return Approving(
        config=own.config,
        sealed=own.store.sealed,
        now=own.now,
        new_id=own.new_id,
        gap=acknowledging(own.config.instance.name, own.now),
    )


async def _propose(own: ConsoleOwn, visitor: Visitor, reading: Reading) -> Given:
    kind = reading.choice("kind", KINDS, "Choose what you propose")
    unit: Unit[ApprovalId] | None = None
    if kind == "erasure":
        unit = _erasure(own, visitor, reading)
    elif kind == "gap":
        unit = _gap(own, visitor, reading)
    elif kind == "rulebook":
        unit = await asyncio.to_thread(_rulebook, own, visitor, reading)
    if unit is not None and not reading.problems:
        try:
            await own.store.commit(unit)
        except NobodyKnown:
            reading.wrong("person", "Nobody you can see has that reference or identifier")
    if reading.problems:
        return _page(own, visitor, reading)
    return Moved(to=f"{_PATH}?done=proposed")


def _erasure(own: ConsoleOwn, visitor: Visitor, reading: Reading) -> Unit[ApprovalId] | None:
    typed = reading.needed("person", "Enter the person’s reference or an identifier")
    reason = reading.choice("reason", REASONS, "Choose why they are erased")
    person = named(own, typed) if typed else None
    if typed and (person is None or not covers_person(own, visitor.scope, person)):
        reading.wrong("person", "Nobody you can see has that reference or identifier")
    if person is None or reading.problems:
        return None
    return approving(own).propose_erasure(person, reason=reason, by=visitor.staff)


def _gap(own: ConsoleOwn, visitor: Visitor, reading: Reading) -> Unit[ApprovalId] | None:
    missing = epoch.behind_of(own.store.reader)
    reason = reading.choice("gap-reason", _GAP_REASONS, "Choose how the gap came about")
    if missing is None:
        reading.wrong("kind", "The log is whole: there is no gap to acknowledge")
    if missing is None or reading.problems:
        return None
    return approving(own).propose_gap(missing.size, reason=reason, by=visitor.staff)


def _rulebook(own: ConsoleOwn, visitor: Visitor, reading: Reading) -> Unit[ApprovalId] | None:
    try:
        digest, unit = approving(own).propose_rulebook(by=visitor.staff)
    except BadRulebook:
        reading.wrong("kind", "The configured rulebook does not hold together. Run `policy check`")
        return None
    if digest == own.law.rulebook.digest:
        reading.wrong("kind", "The configured rulebook is the one in force")
        return None
    return unit


async def _decide(own: ConsoleOwn, visitor: Visitor, id_: str, reading: Reading) -> Given:
    said = reading.choice(
        "decision", {"approved": "", "declined": ""}, "Choose whether you approve"
    )
    if reading.problems:
        return _one(own, visitor, id_, reading)
    _seen(own, visitor, id_)
    decision: Literal["approved", "declined"] = "approved" if said == "approved" else "declined"
    deciding = approving(own)
    try:
        decided = await own.store.commit(deciding.decide(id_, decision, by=visitor.staff))
    except NotFromHere:
        reading.wrong("decision", "This cannot be approved from here")
        return _one(own, visitor, id_, reading)
    if decided.verdict in _VERDICTS:
        reading.wrong("decision", _VERDICTS[decided.verdict])
        return _one(own, visitor, id_, reading)
    await asyncio.to_thread(deciding.fold, decided)
    return Moved(to=f"{_PATH}?done={decided.verdict}")


def _seen(own: ConsoleOwn, visitor: Visitor, id_: str) -> Approval:
    found = approvals.approval_by_id(own.store.reader, id_)
    if found is None or not _theirs(own, visitor, found):
        raise web.HTTPNotFound
    return found


def _theirs(own: ConsoleOwn, visitor: Visitor, one: Approval) -> bool:
    """Return whether a proposal is a visitor's to see: of the log or the law, anybody's; of a
    person, those whose controllers know them."""
    return one.kind != "erasure" or covers_person(own, visitor.scope, PersonRef(one.subject))


def _row(one: Approval) -> dict[str, str]:
    reasons = {**REASONS, **_GAP_REASONS, "adoption": "Proposed for adoption"}
    return {
        "id": one.id,
        "kind": KINDS[one.kind],
        "subject": one.subject,
        "reason": reasons.get(one.reason, one.reason.replace("-", " ")),
        "by": one.proposed_by,
        "at": words.when(one.proposed_at),
        "until": words.when(one.lapses_at()),
        "state": words.TASK_STATES[one.state],
        "decided": f"{words.when(one.decided_at)}, by {one.decided_by}" if one.decided_at else "",
    }


def _one(own: ConsoleOwn, visitor: Visitor, id_: str, reading: Reading) -> Shown:
    found = _seen(own, visitor, id_)
    values = {
        "one": _row(found),
        "open": found.state == "open",
        "own": found.proposed_by == visitor.staff,
        "errors": reading.problems,
        "problems": reading.by_field,
    }
    return Shown(
        template="pages/approval.html",
        title=KINDS[found.kind],
        values=values,
        status=422 if reading.problems else 200,
    )


def _page(own: ConsoleOwn, visitor: Visitor, reading: Reading, *, done: str = "") -> Shown:
    connection = own.store.reader
    open_ones = approvals.open_approvals(connection, now=own.now())
    decided = [one for one in approvals.every_approval(connection) if one.state != "open"]
    said = dict(reading.said)
    if not said.get("person", "").startswith("per_"):
        said["person"] = ""
    values = {
        "open": [_row(one) for one in open_ones if _theirs(own, visitor, one)],
        "decided": [_row(one) for one in decided[-_DECIDED:] if _theirs(own, visitor, one)][::-1],
        "kinds": KINDS,
        "reasons": REASONS,
        "gap_reasons": _GAP_REASONS,
        "behind": epoch.behind_of(connection),
        "log_size": epoch.marks_of(connection).size,
        "two_person": own.config.policy.adoption == "two-person",
        "said": said,
        "errors": reading.problems,
        "problems": reading.by_field,
        "done": _DONE.get(done, ""),
    }
    return Shown(
        template="pages/approvals.html",
        title="Approvals",
        values=values,
        status=422 if reading.problems else 200,
    )
