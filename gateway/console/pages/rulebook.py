"""The rulebook: who may be told what, each rule's text, its versions, and trying another one."""

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from aiohttp import web

from gateway.adoption import configured_texts
from gateway.audit.asking import Asking
from gateway.console.own import ConsoleOwn
from gateway.console.page import ConsoleRoute, Given, Shown, Visitor
from gateway.console.pages import words
from gateway.console.pages.consulting import read
from gateway.console.pages.forms import Reading
from gateway.console.pages.matrices import Matrices, letters
from gateway.console.pages.replaying import PERSONS, replayed
from gateway.console.pages.rule_texts import text_of
from gateway.model.decision import Reason
from gateway.model.kinds import KINDS
from gateway.model.staff import StaffRole
from gateway.pages.words import happened
from gateway.store import rulebooks
from gateway.store.log_index import Query, search
from policies.problem import BadRulebook
from policies.review.difference import Difference, compare
from policies.review.matrix import titles
from policies.rulebook import load_rulebook

_ROLES: Final[frozenset[StaffRole]] = frozenset(("dpo", "coordinator"))
_PATH: Final = "/console/rulebook"
_CONFIGURED: Final = "configured"
_VERSIONS: Final = 50
_SHOWN_RULES: Final = 60
LEGEND: Final[Mapping[str, str]] = {
    "Y": "all of the group",
    "S": "some of it",
    "C": "more in some cases than in others",
    "H": "only by a person’s decision",
    "-": "never",
}
_PERIODS: Final[Mapping[str, str]] = {"1": "1 day", "7": "7 days", "31": "31 days"}


def routes(own: ConsoleOwn) -> list[ConsoleRoute]:
    """Return the pages of the rulebook."""
    matrices = Matrices()

    async def show(request: web.Request, _visitor: Visitor) -> Shown:
        return _matrix(own, matrices, request.query.get("kind", ""))

    async def rule(request: web.Request, _visitor: Visitor) -> Shown:
        return _rule(own, request.query.get("id", ""))

    async def versions(_request: web.Request, visitor: Visitor) -> Shown:
        return await _versions(own, visitor, Reading(said={}))

    async def compared(_request: web.Request, visitor: Visitor, said: Mapping[str, str]) -> Given:
        return await _compared(own, visitor, Reading(said=said))

    return [
        ConsoleRoute(path=_PATH, roles=_ROLES, get=show, nav="Rulebook"),
        ConsoleRoute(path=_PATH + "/rule", roles=_ROLES, get=rule),
        ConsoleRoute(path=_PATH + "/versions", roles=_ROLES, get=versions, post=compared),
    ]


def _matrix(own: ConsoleOwn, matrices: Matrices, kind: str) -> Shown:
    rulebook = own.law.rulebook
    kinds = sorted(rulebook.kinds & KINDS)
    if kind and kind not in kinds:
        raise web.HTTPNotFound
    working = matrices.get(rulebook, kind) if kind else None
    roles = {name: one.title for name, one in own.law.catalogues.roles.items()}
    values = {
        "digest": rulebook.digest,
        "kinds": [(one, f"{happened(one)} ({one})") for one in kinds],
        "kind": kind,
        "working": working,
        "groups": list(titles(own.law.catalogues).values()),
        "rows": letters(working.done, roles) if working and working.done else [],
        "legend": LEGEND,
        "rules": [
            (one.id, one.purpose.replace("_", " ") or one.reason.replace("-", " "))
            for one in sorted(rulebook.rules.values(), key=lambda one: one.id)
            if not kind or kind in one.kinds
        ]
        if kind
        else [],
        "count": len(rulebook.rules),
    }
    return Shown(template="pages/rulebook.html", title="Rulebook", values=values)


def _rule(own: ConsoleOwn, id_: str) -> Shown:
    found = next((one for one in own.law.rulebook.rules.values() if one.id == id_), None)
    if found is None:
        raise web.HTTPNotFound
    files = rulebooks.texts_of(own.store.reader, own.law.rulebook.digest)
    bases = own.law.catalogues.bases
    values = {
        "rule": found,
        "bases": [f"{bases[one].citation} ({one})" for one in found.bases if one in bases],
        "groups": [
            (name, ", ".join(path.partition(".")[2] for _, path in members))
            for name, members in found.groups
        ],
        "text": text_of(files, id_) if files else None,
    }
    return Shown(template="pages/rule.html", title=f"Rule {id_}", values=values)


async def _versions(own: ConsoleOwn, visitor: Visitor, reading: Reading) -> Shown:
    return await _versions_page(own, visitor, reading, {})


def _in_force(asking: Asking) -> list[tuple[str, str, str]]:
    """Return which rulebook came into force when and by whom, the newest first."""
    found = search(asking.reader, Query(terms=(("op", "rulebook"),)), limit=_VERSIONS)
    rows = [
        (str(one["digest"]), words.when_logged(one["at"]), str(one.get("actor", "")))
        for _, one in found.entries
    ]
    first = search(asking.reader, Query(terms=(("op", "genesis"),)), limit=1)
    return rows + [
        (str(one["rulebook"]), words.when_logged(one["at"]), "at the start")
        for _, one in first.entries
    ]


async def _versions_page(
    own: ConsoleOwn, visitor: Visitor, reading: Reading, more: Mapping[str, object]
) -> Shown:
    history = await read(own, visitor, "rulebooks", _in_force)
    if isinstance(history, Reason):
        reading.wrong("old", history.text)
        history = []
    kept = [
        str(digest)
        for (digest,) in own.store.reader.execute(
            "SELECT digest FROM rulebook ORDER BY noted_at DESC LIMIT ?", (_VERSIONS,)
        )
    ]
    now = own.law.rulebook.digest
    choices = [(one, one[:16] + (", in force now" if one == now else "")) for one in kept]
    values = {
        "history": history,
        "now": now,
        "choices": [*choices, (_CONFIGURED, "The configured one, not adopted yet or the same")],
        "periods": _PERIODS,
        "two_person": own.config.policy.adoption == "two-person",
        "persons": PERSONS,
        "said": reading.said,
        "errors": reading.problems,
        "problems": reading.by_field,
        **more,
    }
    return Shown(
        template="pages/rulebook_versions.html",
        title="Versions of the rulebook",
        values=values,
        status=422 if reading.problems else 200,
    )


async def _compared(own: ConsoleOwn, visitor: Visitor, reading: Reading) -> Given:
    what = reading.choice("do", {"diff": "", "replay": ""}, "Choose what to do")
    old = _files(own, reading, "old") if what == "diff" else None
    new = _files(own, reading, "new")
    days = reading.choice("period", _PERIODS, "Choose how far back") if what == "replay" else ""
    if reading.problems or new is None:
        return await _versions_page(own, visitor, reading, {})
    try:
        if old is not None:
            found = await asyncio.to_thread(compare, old, new)
            return await _versions_page(own, visitor, reading, {"diff": _said(found)})
        return await _replayed(own, visitor, reading, new, int(days))
    except BadRulebook as error:
        where = f"{error.file}, {error.position}" if error.position else error.file
        reading.wrong("new", f"It does not hold together: {where}: {error.code}")
        return await _versions_page(own, visitor, reading, {})


async def _replayed(
    own: ConsoleOwn, visitor: Visitor, reading: Reading, files: Mapping[str, str], days: int
) -> Shown:
    refused = await read(own, visitor, "replay", lambda _asking: None)
    if isinstance(refused, Reason):
        reading.wrong("new", refused.text)
        return await _versions_page(own, visitor, reading, {})
    other = await asyncio.to_thread(load_rulebook, files)
    since = own.now() - timedelta(days=days)
    found = await asyncio.to_thread(replayed, own.config, own.law.rulebook, other, since)
    return await _versions_page(own, visitor, reading, {"replay": found})


def _files(own: ConsoleOwn, reading: Reading, name: str) -> Mapping[str, str] | None:
    chosen = reading.needed(name, "Choose a version", most=64)
    if not chosen:
        return None
    if chosen == _CONFIGURED:
        try:
            return configured_texts(own.config)
        except BadRulebook:
            reading.wrong(name, "The configured rulebook cannot be read")
            return None
    found = rulebooks.texts_of(own.store.reader, chosen)
    if found is None:
        reading.wrong(name, "Choose a version that was kept")
    return found


def _said(found: Difference) -> Mapping[str, object]:
    return {
        "old": found.old.digest,
        "new": found.new.digest,
        "same": found.same,
        "files": found.files,
        "rules": found.rules[:_SHOWN_RULES],
        "more": max(len(found.rules) - _SHOWN_RULES, 0),
        "kinds": len(found.kinds),
    }
