"""SystmOne, prison healthcare (HJIS): FHIR R4 UK Core, HL7 v2.4 ITK ADT and a CSV release summary.

No interface of SystmOne is published; see docs/reference/adapters/systmone.md for these forms.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from adapters.contract import Adapter, Inbound, Outbound, Translation
from adapters.kit.csv_text import read_row
from adapters.kit.fhir_text import json_resource, read_resource
from adapters.kit.framing import csv_rows, json_values, whole
from adapters.kit.hl7_text import HEADERS, messages
from adapters.systmone.adt import translate_adt
from adapters.systmone.adt_a03 import HL7, render_a03
from adapters.systmone.adw import FHIR_DSTU2, render_discharge, render_withdrawal
from adapters.systmone.card import render_card
from adapters.systmone.communication import render_communication
from adapters.systmone.fhir import translate_fhir
from adapters.systmone.summary import translate_summary
from adapters.systmone.told import FHIR_JSON
from gateway.model.strict_json import read_object

_MARK: Final = b"\xef\xbb\xbf \t\r\n"


def translate(body: bytes, source: str) -> Translation:
    """Return what one message reports, whichever of the forms it is in; the bytes tell.

    Raises:
        MalformedEvent, UnsupportedEvent: see the form's own reader.

    Pure.
    """
    start = body.lstrip(_MARK)[:3]
    if start[:1] == b"{":
        value = read_object(body)
        if "resourceType" in value:
            return translate_fhir(json_resource(value), source)
        return translate_summary(value, source)
    if start[:1] == b"<":
        return translate_fhir(read_resource(body), source)
    if start in HEADERS:
        return translate_adt(body, source)
    return translate_summary(read_row(body), source)


def split(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield whole messages: JSON values, one XML document, HL7 messages or rows of CSV."""
    rest = iter(pieces)
    start = b""
    for piece in rest:
        start += piece
        if len(start.lstrip(_MARK)) >= len(b"MSH"):
            break
    first = start.lstrip(_MARK)[:3]
    every = _chain(start, rest)
    if first[:1] in (b"{", b"["):
        yield from json_values(every)
    elif first[:1] == b"<":
        yield from whole(every)
    elif first in HEADERS:
        yield from messages(every)
    else:
        yield from csv_rows(every)


def _chain(start: bytes, rest: Iterable[bytes]) -> Iterator[bytes]:
    yield start
    yield from rest


ADAPTER: Final = Adapter(
    name="systmone",
    title="SystmOne, prison healthcare (FHIR R4 UK Core, HL7 v2.4 ADT, CSV)",
    inbound=Inbound(
        media_types=(
            "application/fhir+json",
            "application/fhir+xml",
            "text/csv",
            "x-application/hl7-v2+er7",
        ),
        translate=translate,
        split=split,
    ),
    outbound=(
        Outbound(form="card", media_type=FHIR_JSON, render=render_card),
        Outbound(form="communication", media_type=FHIR_JSON, render=render_communication),
        Outbound(form="adw-discharge", media_type=FHIR_DSTU2, render=render_discharge),
        Outbound(form="adw-withdrawal", media_type=FHIR_DSTU2, render=render_withdrawal),
        Outbound(form="adt-a03", media_type=HL7, render=render_a03),
    ),
)
