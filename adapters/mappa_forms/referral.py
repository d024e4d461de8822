"""Reading a MAPPA referral.

A referral asks for a level and decides none: the level referred to is checked, and stated nowhere.
The category is the one the referring agency ticked. Category 3 is a judgement, and stated as one
(CJA 2003 s.325(2)(b): whom the responsible authority considers to be such persons).
"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import chain
from typing import Final

from adapters.contract import Translation
from adapters.kit.csv_text import read_row
from adapters.kit.dates import in_london, rfc3339
from adapters.kit.framing import csv_rows, json_values
from adapters.kit.members import Members
from adapters.kit.statement import Assertion, Statement, canonical_event
from adapters.mappa_forms.columns import (
    DATES,
    FLAGS,
    LEVELS_OF_RISK,
    LISTS,
    NOT_CARRIED,
    OFFICERS,
    TEXTS,
    TICKS,
    TRACE,
)
from gateway.model.strict_json import Json, JsonObject, read_object

EVENT: Final = "mappa-forms.referral"
_JSON_STARTS: Final = (b"{", b"[")
_PERSONAL: Final = ("noms", "crn", "pnc", "cro")
_MARKINGS: Final = {"OFFICIAL": "OFFICIAL", "OFFICIAL SENSITIVE": "OFFICIAL-SENSITIVE"}
_ABOVE: Final = frozenset({"SECRET", "TOP SECRET"})
_WITHDRAWN: Final = frozenset({"RESTRICTED", "CONFIDENTIAL", "PROTECT"})
_LEVELS: Final = {"low": "low", "medium": "medium", "high": "high", "very_high": "very_high"}

Facts = dict[str, JsonObject]


def split(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield referrals: JSON values if the first byte that is not blank begins one, else rows."""
    rest = iter(pieces)
    head = b""
    for piece in rest:
        head += piece
        if head.strip():
            break
    cut = json_values if _is_json(head) else csv_rows
    yield from cut(chain((head,), rest))


def translate(body: bytes, source: str) -> Translation:
    """Return what a referral states: a category, and an assessment of risk.

    Raises:
        MalformedEvent: no form, a member not in its form, or a marking the gateway does not carry.
        UnsupportedEvent: for a human: not one category ticked; category 3 at level 1 or without an
            offence; an address of someone of no fixed abode; a level of risk without a meaning.
    """
    form = Members(read_object(body) if _is_json(body) else read_row(body))
    facts: Facts = {"handling": _handling(form)}
    _copied(form, facts)
    _referred(form, facts)
    _location(form, facts)
    _officers(form, facts)
    as_of = _as_of(form)
    if not facts.get("identifiers", {}).keys() & set(_PERSONAL):
        raise form.malformed("crn", "names nobody: state noms, crn, pnc or cro")
    events = tuple(
        canonical_event("mappa-forms", one, source) for one in _statements(form, facts, as_of)
    )
    return Translation(events=events, unread=form.unread(), notes=form.notes())


def _is_json(body: bytes) -> bool:
    return body.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(_JSON_STARTS)


def _statements(form: Members, facts: Facts, as_of: str) -> Iterator[Statement]:
    name = form.text("form")
    reference = form.text("referral_ref") or ""
    risk = {group: facts.pop(group, {}) for group in ("rosh", "risk_narrative")}
    shared: Facts = {group: facts[group] for group in ("identifiers", "handling")}
    system = name if name in _FORMS else "MAPPA referral"
    category = facts["mappa"]["category"]
    yield Statement(
        kind="mappa.category_changed",
        system=system,
        as_of=as_of,
        facts=facts,
        told_apart_by=(reference, str(category)),
        assertions=_JUDGED | ({"mappa": "assessment"} if category == 3 else {}),
    )
    if any(risk.values()):
        yield Statement(
            kind="risk.assessed",
            system=system,
            as_of=as_of,
            facts=shared | risk,
            told_apart_by=(reference,),
        )


_JUDGED: Final[dict[str, Assertion]] = {"children": "assessment"}
_FORMS: Final = ("MAPPA A", "MAPPA B")


def _as_of(form: Members) -> str:
    day = form.date("referred_on")
    at = form.time("stated_at")
    if day is not None:
        return rfc3339(in_london(datetime.fromisoformat(day)))
    if at is None:
        raise form.malformed("referred_on", "required")
    return at


def _copied(form: Members, facts: Facts) -> None:
    for column, (group, member) in TEXTS.items():
        _put(facts, group, member, form.text(column))
    for column, (group, member) in DATES.items():
        _put(facts, group, member, form.date(column))
    for column, (group, member) in LEVELS_OF_RISK.items():
        # A level that is unknown is never low: there is no such thing as no risk.
        _put(facts, group, member, form.code(column, _LEVELS, event_type=EVENT))
    for column, (group, member) in FLAGS.items():
        _put(facts, group, member, form.flag(column))
    for column, (group, member) in LISTS.items():
        _put(facts, group, member, _listed(form, column))
    form.ignore(*NOT_CARRIED, *TRACE)


def _put(facts: Facts, group: str, member: str, value: Json) -> None:
    if value not in (None, []):
        facts.setdefault(group, {})[member] = value


def _listed(form: Members, name: str) -> list[Json]:
    """Return a JSON list, or the parts of a CSV cell between semicolons."""
    return [part for text in form.texts(name) for one in text.split(";") if (part := one.strip())]


def _referred(form: Members, facts: Facts) -> None:
    ticked = [number for number, name in enumerate(TICKS, start=1) if form.flag(name)]
    if len(ticked) > 1:
        reason = "two categories are ticked, and a person has one at a time"
        raise form.unclear(TICKS[ticked[1] - 1], reason, event_type=EVENT)
    if not ticked:
        raise form.unclear(TICKS[0], "no category is ticked", event_type=EVENT)
    category = ticked[0]
    current = _level(form, "current_level")
    asked = _level(form, "level_referred_to")
    if asked is not None:
        form.note("level_referred_to", "asked for, not decided: stated nowhere")
    if category == 3:
        _category_3(form, facts, current, asked)
    _put(facts, "mappa", "category", category)
    _put(facts, "mappa", "level", current)
    outcome = form.code("index_outcome", {"conviction": True, "caution": None}, event_type=EVENT)
    _put(facts, "offence", "convicted", outcome)


def _category_3(form: Members, facts: Facts, current: int | None, asked: int | None) -> None:
    if 1 in (current, asked):
        name = "level_referred_to" if asked == 1 else "current_level"
        raise form.unclear(name, "category 3 requires level 2 or 3", event_type=EVENT)
    if "index_category" not in facts.get("offence", {}):
        # CJA 2003 s.325(2)(b): by reason of offences committed by them.
        reason = "category 3 requires an offence committed, and none is stated"
        raise form.unclear("index_offence", reason, event_type=EVENT)


def _level(form: Members, name: str) -> int | None:
    level = form.number(name)
    if level not in (None, 1, 2, 3):
        raise form.unclear(name, "not a level of management", event_type=EVENT)
    return level


def _location(form: Members, facts: Facts) -> None:
    homeless = form.flag("no_fixed_abode")
    lines = _listed(form, "approved_release_address")
    postcode = form.text("approved_release_postcode")
    if homeless and (lines or postcode):
        reason = "an address is approved for someone of no fixed abode"
        raise form.unclear("no_fixed_abode", reason, event_type=EVENT)
    if postcode is not None and not lines:
        raise form.malformed("approved_release_address", "required with its postcode")
    if homeless:
        _put(facts, "location", "address_status", "NFA")
    elif lines:
        address: JsonObject = {"lines": lines}
        if postcode is not None:
            address["postcode"] = postcode
        _put(facts, "location", "address_status", "CONFIRMED")
        _put(facts, "location", "address", address)


def _officers(form: Members, facts: Facts) -> None:
    for column, member in OFFICERS.items():
        name, contact = form.text(column), form.text(f"{column}_contact")
        if name is None and contact is not None:
            raise form.malformed(column, "required with a contact")
        if name is not None:
            officer: JsonObject = {"name": name}
            _put(
                facts, "professionals", member, officer | ({"contact": contact} if contact else {})
            )


def _handling(form: Members) -> JsonObject:
    """Return the marking.

    Raises:
        MalformedEvent: above the gateway's ceiling, of a withdrawn scheme, unknown, or none.
    """
    marking = " ".join(form.needed("marking").upper().replace("-", " ").split())
    if marking in _ABOVE:
        reason = "above the ceiling of this gateway: use a system accredited for it"
        raise form.malformed("marking", reason)
    if marking in _WITHDRAWN:
        reason = "a marking of the scheme withdrawn in 2014: the owner marks the form anew"
        raise form.malformed("marking", reason)
    if marking not in _MARKINGS:
        raise form.malformed("marking", "must be OFFICIAL or OFFICIAL-SENSITIVE")
    return {"marking": _MARKINGS[marking]}
