"""PNC-style flag file: one row per flag raised or ended, and what may be shown on a front screen.

No public interface exists for the Police National Computer, or for what replaces it: this is our
own published contract, ``docs/reference/adapters/pnc.md``. Warning signals are two-letter codes of
which no verified list is public: they are passed on as they stand and never given a meaning.
"""

import re
from typing import Final

from adapters.contract import Adapter, Inbound, NotRendered, Outbound, Rendition, Translation
from adapters.kit.csv_text import read_row, write_rows
from adapters.kit.framing import csv_rows
from adapters.kit.grading import handling_of, is_confirmed
from adapters.kit.members import Members
from adapters.kit.police_person import (
    happened_at,
    identifiers_of,
    identity_of,
    person_told,
    provenance_lines,
    traced,
)
from adapters.kit.statement import Statement, canonical_event
from gateway.model.alert import Alert
from gateway.model.strict_json import Json, JsonObject

_CSV: Final = "text/csv"
_EVENT_TYPE: Final = "pnc.flag"
_VISOR_RECORD: Final = "VISOR_RECORD"
_WARNING_SIGNAL: Final = "WARNING_SIGNAL"
_FLAGS: Final = {one: one for one in (_VISOR_RECORD, _WARNING_SIGNAL)}
_RAISED: Final = "risk.flag_raised"
_ENDED: Final = "risk.flag_ended"
_RECORD: Final = "VISOR:RECORD"
_CHANGES: Final = {"RAISED": _RAISED, "ENDED": _ENDED}
_SIGNAL: Final = re.compile(r"[A-Z]{2}")
_LISTS: Final = ("warningSignals", "alias")

_COLUMNS: Final = (
    "system", "recordedAt", "change", "visorRecord", "visorRef", "pncId", "croNumber",
    "warningSignals", "familyName", "givenNames", "dateOfBirth", "mappaCategory", "mappaLevel",
    "marking", "grading", "conditions",
    "alertId", "message", "supersedes", "caseRef", "kind", "recipient", "for", "acknowledgeBy",
    "reviewDue", "subjectCategory", "reason", "stated",
)  # fmt: skip
_GROUPS: Final = frozenset({"identity", "identifiers", "mappa", "rosh"})


def translate(body: bytes, source: str) -> Translation:
    """Return that a flag was raised or ended.

    Raises:
        MalformedEvent: not a row of the published columns, or a cell is not in its form.
        UnsupportedEvent: for a human: a code with no known meaning, or cells that contradict.

    Pure.
    """
    row = Members(_split_lists(read_row(body)))
    flag, kind = _what(row)
    signals = _signals(row)
    _agree(row, flag, kind, signals)
    handling = handling_of(row, event_type=_EVENT_TYPE)
    grade = handling["grade"]
    recorded = row.time("recordedAt")
    if recorded is None:
        raise row.malformed("recordedAt", "required")
    raised = [f"PNC:{one}" for one in signals] or [_RECORD]
    statement = Statement(
        kind=kind,
        system=row.needed("system"),
        as_of=recorded,
        occurred_at=row.time("changedAt"),
        facts={
            "identity": identity_of(row, event_type=_EVENT_TYPE),
            "identifiers": identifiers_of(row),
            "rosh": {"flags": list[Json](raised)},
            "handling": handling,
        },
        told_apart_by=(flag, *signals),
        verified=is_confirmed(grade if isinstance(grade, str) else None),
        assertions={"rosh": "fact"},
    )
    event = canonical_event("pnc", statement, source)
    return Translation(events=(event,), unread=row.unread(), notes=row.notes())


def _split_lists(row: JsonObject) -> JsonObject:
    lists: JsonObject = {
        name: [one.strip() for one in str(row[name]).split(";")] for name in _LISTS if name in row
    }
    return row | lists


def _what(row: Members) -> tuple[str, str]:
    flag = row.code("flag", _FLAGS, event_type=_EVENT_TYPE)
    kind = row.code("change", _CHANGES, event_type=_EVENT_TYPE)
    for name, value in (("flag", flag), ("change", kind)):
        if value is None:
            raise row.malformed(name, "required")
    return flag or "", kind or ""


def _signals(row: Members) -> tuple[str, ...]:
    signals = tuple(sorted(set(row.texts("warningSignals"))))
    if not all(_SIGNAL.fullmatch(one) for one in signals):
        raise row.malformed("warningSignals", "each is two capitals, with semicolons between")
    if signals:
        row.note("warningSignals", "passed on as codes: no list of their meanings is verified")
    return signals


def _agree(row: Members, flag: str, kind: str, signals: tuple[str, ...]) -> None:
    present = row.flag("visorRecord")
    if flag == _VISOR_RECORD and present is (kind == _ENDED):
        reason = "contradicts the change that is stated"
        raise row.unclear("visorRecord", reason, event_type=_EVENT_TYPE)
    if flag == _WARNING_SIGNAL and not signals:
        reason = "a signal changed, and none is stated"
        raise row.unclear("warningSignals", reason, event_type=_EVENT_TYPE)


def render(alert: Alert) -> Rendition | NotRendered:
    """Return the flags told, one row: that a ViSOR record exists, warning signals, MAPPA category
    and level.

    A cell is empty where the recipient was not told: never "no". Never raises. Pure.
    """
    if alert.message == "RECALL":
        return _rendition(traced(alert) | {"system": alert.source, "change": "WITHDRAWN"})
    person = person_told(alert)
    if not {"pncId", "croNumber"} & set(person):
        return NotRendered(reasons=("names nobody by PNC id or CRO number",))
    told = alert.texts("rosh", "flags")
    signals = [one.removeprefix("PNC:") for one in told if one.startswith("PNC:")]
    flags: dict[str, Json] = {
        "visorRecord": True if _has_record(person, told, alert.kind) else None,
        "warningSignals": "; ".join(signals) or None,
        "mappaCategory": alert.fact("mappa", "category"),
        "mappaLevel": alert.fact("mappa", "level"),
    }
    if not any(flags.values()):
        return NotRendered(
            reasons=("tells of no ViSOR record, warning signal, MAPPA category or level",)
        )
    changes = {kind: change for change, kind in _CHANGES.items()}
    return _rendition(
        person
        | flags
        | traced(alert)
        | {
            "system": alert.source,
            "recordedAt": happened_at(alert),
            "change": changes.get(alert.kind, "CURRENT"),
            "stated": "; ".join(provenance_lines(alert, _GROUPS)),
        }
    )


def _has_record(person: JsonObject, flags: tuple[str, ...], kind: str) -> bool:
    return "visorRef" in person or (_RECORD in flags and kind != _ENDED)


def _rendition(told: JsonObject) -> Rendition:
    cells = [told.get(name) for name in _COLUMNS]
    row = [one if isinstance(one, str | int) else None for one in cells]
    body = write_rows(_COLUMNS, [row])
    return Rendition(media_type=_CSV, file_name="pnc-flags.csv", body=body)


ADAPTER: Final = Adapter(
    name="pnc",
    title="PNC-style flags",
    inbound=Inbound(media_types=(_CSV,), translate=translate, split=csv_rows),
    outbound=(Outbound(form="flags", media_type=_CSV, render=render),),
)
