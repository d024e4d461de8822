"""ViSOR-style nominals, XML or CSV, of whichever system the record itself names.

No public interface exists for ViSOR or for MAPPS, which is to follow it: this is our own published
contract, ``docs/reference/adapters/visor.md``. What `system` says is where the facts come from.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import chain
from typing import Final

from adapters.contract import Adapter, Inbound, Outbound, Translation, UnsupportedEvent
from adapters.kit.framing import csv_rows
from adapters.kit.grading import is_confirmed
from adapters.kit.members import Members
from adapters.kit.statement import Statement, canonical_event
from adapters.kit.xml_text import read_xml, xml_records
from adapters.visor import codes
from adapters.visor.export import CSV, XML, render_csv, render_xml
from adapters.visor.flat import read_flat
from adapters.visor.nominal import EVENT_TYPE, category_of, facts_of
from gateway.model.strict_json import JsonObject

_RECORD: Final = "nominal"
_BLANK: Final = b" \t\r\n\xef\xbb\xbf"


def translate(body: bytes, source: str) -> Translation:
    """Return what one nominal reports, one event per report.

    Raises:
        MalformedEvent: not a nominal, or a member is not in its form.
        UnsupportedEvent: it reports nothing that happened; or, for a human, something unclear.

    Pure.
    """
    nominal = Members(_read(body))
    reports = _reports(nominal)
    facts = facts_of(nominal)
    recorded = nominal.time("recordedAt")
    if recorded is None:
        raise nominal.malformed("recordedAt", "required")
    grade = facts["handling"]["grade"]
    statement = Statement(
        kind="",  # each report has its own
        system=nominal.needed("system"),
        as_of=recorded,
        occurred_at=nominal.time("occurredAt"),
        facts=facts,
        verified=is_confirmed(grade if isinstance(grade, str) else None),
        assertions={"children": "assessment"},  # that a child is at risk is somebody's judgement
    )
    events = tuple(
        canonical_event("visor", _reported(nominal, report, statement), source)
        for report in reports
    )
    return Translation(events=events, unread=nominal.unread(), notes=nominal.notes())


def split(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield nominals, from XML or CSV: see `adapters.kit.framing`."""
    waiting = iter(pieces)
    head = b""
    for piece in waiting:
        head += piece
        if head.lstrip(_BLANK):
            break
    cut = xml_records(_RECORD) if _is_xml(head) else csv_rows
    yield from cut(chain((head,), waiting))


def _is_xml(body: bytes) -> bool:
    return body.lstrip(_BLANK)[:1] == b"<"


def _read(body: bytes) -> JsonObject:
    return read_xml(body)[1] if _is_xml(body) else read_flat(body)


def _reports(nominal: Members) -> tuple[str, ...]:
    """Return what happened, in the order stated and each once.

    Raises:
        UnsupportedEvent: nothing did; or one that needs a human.
    """
    stated = tuple(dict.fromkeys(nominal.texts("report")))
    for report in stated:
        if report in codes.FOR_A_HUMAN:
            raise nominal.unclear("report", codes.FOR_A_HUMAN[report], event_type=EVENT_TYPE)
        if report not in codes.REPORTS and report not in codes.NOTHING_HAPPENED:
            reason = "not a report with a known meaning"
            raise nominal.unclear("report", reason, event_type=EVENT_TYPE)
    happened = tuple(report for report in stated if report in codes.REPORTS)
    if not happened:
        raise _nothing_happened(nominal)
    return happened


def _nothing_happened(nominal: Members) -> UnsupportedEvent:
    reason = "reports nothing that happened: a copy of the record as it stands"
    return nominal.unsupported("report", reason, event_type=EVENT_TYPE)


def _reported(nominal: Members, report: str, whole: Statement) -> Statement:
    """Return what the record says with one report of it."""
    kind = codes.REPORTS[report]
    mappa = whole.facts["mappa"]
    category = category_of(nominal, mappa["category"], ending=kind in codes.ENDING)
    if kind == "mappa.category_changed" and category is None:
        raise nominal.unclear("mappaCategory", "changed, and not stated", event_type=EVENT_TYPE)
    return replace(
        whole,
        kind=kind,
        facts={**whole.facts, "mappa": {**mappa, "category": category}},
        told_apart_by=(str(whole.facts["identifiers"]["visor_ref"] or ""), report),
    )


ADAPTER: Final = Adapter(
    name="visor",
    title="ViSOR-style nominal (ViSOR, MAPPS)",
    inbound=Inbound(media_types=(XML, CSV), translate=translate, split=split),
    outbound=(
        Outbound(form="xml", media_type=XML, render=render_xml),
        Outbound(form="csv", media_type=CSV, render=render_csv),
    ),
)
