"""One disclosure: what was told and withheld, by which rule as it then stood, and its proof."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson
from aiohttp import web

from gateway.audit.asking import Asking
from gateway.console.own import ConsoleOwn
from gateway.console.page import ConsoleRoute, Download, Given, Shown, Visitor
from gateway.console.pages import proofs, stories, words
from gateway.console.pages.consulting import WHY, asks_why, justified, read
from gateway.console.pages.forms import Reading
from gateway.console.pages.rule_texts import text_of
from gateway.console.pages.scoping import covers
from gateway.model.decision import Reason
from gateway.model.ids import AlertId, PersonRef, RecipientId
from gateway.model.reference import reference
from gateway.model.staff import StaffRole
from gateway.pages.words import GROUPS, member
from gateway.store import alerts
from gateway.store.log_index import Query, search
from gateway.store.rulebooks import texts_of
from gateway.trusted_witnesses import witness_keys

_DPO: Final[frozenset[StaffRole]] = frozenset(("dpo",))
_PATH: Final = r"/console/disclosures/{index:[0-9]{1,15}}"
_STORY: Final = 200  # entries about one alert that are shown
_FOLLOWED: Final = 20  # alerts that put one another right
_REGIMES: Final = {"P3": "DPA 2018 Part 3", "GDPR": "UK GDPR with DPA 2018 Part 2"}
_Entry = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """What was told of one group."""

    title: str
    members: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """One rule that let something be told, as it stood then."""

    rule: str
    basis: str
    law: str
    regime: str
    purpose: str
    groups: tuple[Group, ...]
    for_action: bool
    decided_by: str
    text: str | None  # of the rule at that version


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """One group that was kept back, and why."""

    title: str
    why: str
    rule: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One line of what became of it."""

    index: int
    at: str
    what: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """One alert of the same chain, or one that took this one's place."""

    reference: str
    what: str
    recipient: str
    state: str
    at: str


def routes(own: ConsoleOwn) -> list[ConsoleRoute]:
    """Return the page of one disclosure, and its proof to keep."""

    async def show(request: web.Request, visitor: Visitor) -> Given:
        index, entry = _entry(own, visitor, request)
        if asks_why(own):
            return _why(index, Reading(said={}))
        return await _shown(own, visitor, index, entry, Reading(said={}))

    async def justify(request: web.Request, visitor: Visitor, said: Mapping[str, str]) -> Given:
        index, entry = _entry(own, visitor, request)
        return await _shown(own, visitor, index, entry, Reading(said=said))

    async def proof(request: web.Request, visitor: Visitor) -> Given:
        index, _ = _entry(own, visitor, request)
        found = proofs.prove(own.store.reader, index, _body(own, index), own.verifiers)
        if found is None:
            raise web.HTTPNotFound
        return Download(
            name=f"entry-{index}.tlog-proof",
            content_type="text/plain; charset=utf-8",
            body=found.text.encode(),
        )

    return [
        ConsoleRoute(path=_PATH, roles=_DPO, get=show, post=justify),
        ConsoleRoute(path=_PATH + "/proof", roles=_DPO, get=proof),
    ]


def _entry(own: ConsoleOwn, visitor: Visitor, request: web.Request) -> tuple[int, _Entry]:
    """Return a disclosure that is the visitor's to see, unshown; else there is no such page."""
    index = int(request.match_info["index"])
    body = own.store.reader.execute("SELECT body FROM log_entry WHERE idx = ?", (index,)).get
    entry = orjson.loads(body) if body is not None else {}
    if entry.get("op") != "disclosure" or not covers(own, visitor.scope, entry):
        raise web.HTTPNotFound
    return index, entry


def _body(own: ConsoleOwn, index: int) -> bytes:
    found = own.store.reader.execute("SELECT body FROM log_entry WHERE idx = ?", (index,)).get
    return bytes(found)


def _why(index: int, reading: Reading) -> Shown:
    values = {
        "index": index,
        "action": f"/console/disclosures/{index}",
        "errors": reading.problems,
        "problems": reading.by_field,
    }
    return Shown(
        template="pages/why.html",
        title=f"Disclosure {index}",
        values=values,
        status=422 if reading.problems else 200,
    )


async def _shown(
    own: ConsoleOwn, visitor: Visitor, index: int, entry: _Entry, reading: Reading
) -> Given:
    why = justified(own, reading)
    if reading.problems:
        return _why(index, reading)
    values = await read(
        own,
        visitor,
        "disclosure",
        lambda asking: _values(own, asking, index, entry),
        person=PersonRef(entry["person"]),
        recipient=RecipientId(entry["recipient"]),
        about={"alert": entry["alert"], "event": entry["event"]},
        why=why,
    )
    if isinstance(values, Reason):
        reading.wrong(WHY, values.text)
        return _why(index, reading)
    return Shown(
        template="pages/disclosure.html",
        title=f"Disclosure {index}",
        values={**values, WHY: why},
    )


def _values(own: ConsoleOwn, asking: Asking, index: int, entry: _Entry) -> dict[str, object]:
    alert = AlertId(entry["alert"])
    files = texts_of(asking.reader, entry["rulebook"])
    row = alerts.find(asking.reader, alert)
    proof = proofs.prove(
        asking.reader, index, _body(own, index), own.verifiers, witness_keys(own.config)
    )
    return {
        "index": index,
        "entry": entry,
        "reference": reference(alert),
        "said": reading_of(entry, alert),
        "grounds": [_ground(own, one, files) for one in entry.get("grants", [])],
        "withheld": [_held(one) for one in entry.get("withheld", [])],
        "rulebook_kept": files is not None,
        "rulebook_now": entry["rulebook"] == own.law.rulebook.digest,
        "proof": proof,
        "state": words.ALERT_STATES[alerts.state(asking.reader, row, own.now())] if row else "",
        "story": list(_story(asking, alert)),
        "chain": [_link(own, asking, one) for one in alerts.chain(asking.reader, row)]
        if row
        else [],
        "person": entry["person"],
        "asks_why": asks_why(own),
        "when_logged": words.when_logged,
    }


def reading_of(entry: _Entry, alert: AlertId) -> list[str]:
    """Return a disclosure in plain English. Pure."""
    message = str(entry.get("message", "NOTIFY"))
    role = str(entry.get("role", "")).replace("_", " ")
    kind = words.MESSAGES.get(message, message).lower()
    article = "an" if kind[0] in "au" else "a"
    first = (
        f"On {words.when_logged(entry['at'])}, {entry.get('actor')} sent {article} {kind},"
        f" reference {reference(alert)}, to {entry['recipient']} ({role}) over"
        f" {entry['channel']}."
    )
    form = str(entry.get("form"))
    said = [first, _FORMS.get(form, f"It left as: {form}.")]
    if entry.get("grants"):
        rules = ", ".join(dict.fromkeys(one["rule"] for one in entry["grants"]))
        said.append(f"It rested on: {rules}.")
    else:
        said.append("It told nothing about anybody by itself.")
    if entry.get("supersedes"):
        said.append(f"It took the place of alert {reference(AlertId(entry['supersedes']))}.")
    if entry.get("acknowledge_by"):
        said.append(f"An answer was due by {words.when_logged(entry['acknowledge_by'])}.")
    if entry.get("exercise"):
        said.append("It was an exercise, about nobody.")
    return said


_FORMS: Final[Mapping[str, str]] = {
    "sealed": "Its content was sealed to the recipient’s own key.",
    "notice": "Only a notice without content left: the content is collected by a link.",
    "pointer": "Only a reference and a link left: the content is collected by the link.",
}


def _ground(own: ConsoleOwn, grant: _Entry, files: Mapping[str, str] | None) -> Ground:
    basis = own.law.catalogues.bases.get(grant["basis"])
    by_group: dict[str, list[str]] = {}
    for path in grant.get("members", []):
        group, _, name = path.partition(".")
        by_group.setdefault(group, []).append(member(name))
    return Ground(
        rule=grant["rule"],
        basis=grant["basis"],
        law=basis.citation if basis else "",
        regime=_REGIMES.get(grant.get("regime", ""), ""),
        purpose=str(grant.get("purpose", "")).replace("_", " "),
        groups=tuple(
            Group(title=GROUPS.get(group, group), members=", ".join(names))
            for group, names in by_group.items()
        ),
        for_action=bool(grant.get("for_action")),
        decided_by=str(grant.get("decided_by", "")).replace("_", " "),
        text=text_of(files, grant["rule"]) if files else None,
    )


def _held(held: _Entry) -> Held:
    group = str(held.get("group", ""))
    return Held(
        title=GROUPS.get(group, group),
        why=str(held.get("code", "")).replace("-", " "),
        rule=str(held.get("rule", "")),
    )


def _story(asking: Asking, alert: AlertId) -> Iterator[Told]:
    """Yield what the log says of an alert after it was decided, and of what put that right or took
    it back, the oldest first."""
    found: dict[int, Any] = {}
    following: list[AlertId] = [alert]
    for one in following:  # grows as it goes
        entries = search(asking.reader, Query(terms=(("alert", one),)), limit=_STORY).entries
        found |= dict(entries)
        later = (AlertId(each["alert"]) for _, each in entries if each.get("supersedes") == one)
        following += [each for each in dict.fromkeys(later) if each not in following]
        if len(following) > _FOLLOWED:
            break
    for index, entry in sorted(found.items()):
        if asking.sees(entry):
            yield Told(
                index=index,
                at=words.when_logged(entry["at"]),
                what=words.OPERATIONS.get(entry["op"], entry["op"]),
                text=stories.sentence(entry),
            )


def _link(own: ConsoleOwn, asking: Asking, row: alerts.AlertRow) -> Link:
    return Link(
        reference=reference(row.id),
        what=words.MESSAGES.get(row.message, row.message),
        recipient=row.recipient,
        state=words.ALERT_STATES[alerts.state(asking.reader, row, own.now())],
        at=words.when(row.decided_at),
    )
