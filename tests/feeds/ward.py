"""A small adapter of a made-up ward's HL7 v2 messages, installed as an agency would install one.

A03 is a planned release; A34 needs a human; A02 is none of our business; the rest is malformed.
"""

from pathlib import Path

import pytest

from tests import canaries
from tests.adapters.test_registry import install

MODULE = """
from adapters.contract import Adapter, Inbound, Translation, UnsupportedEvent
from gateway.model.event import parse_cloudevent
from gateway.model.problem import MalformedEvent, Problem

def translate(body, source):
    field = body[3:4].decode()
    segments = [line.split(field) for line in body.decode("utf-8", "replace").split("\\r")]
    header = segments[0]
    people = [one for one in segments if one[0] == "PID"]
    what = header[8].split(body[4:5].decode())[1] if len(header) > 9 else ""
    if what in ("A02", "A34"):
        raise UnsupportedEvent(
            Problem(path="$.MSH-9", reason="not translated"), event_type="adt.a02",
            needs_human=what == "A34",
        )
    if what != "A03" or len(people) != 1 or len(people[0]) < 6:
        raise MalformedEvent(Problem(path="$.PID", reason="exactly one, with PID-3 and PID-5"))
    stated = {"assertion": "fact", "as_of": "2026-03-02T09:00:00+00:00",
              "source_system": "WARD", "verified": True}
    return Translation(events=(parse_cloudevent({
        "specversion": "1.0", "id": header[9], "source": source,
        "type": "org.throughgate.release.planned.v1", "time": "2026-03-02T09:00:00+00:00",
        "data": {
            "identity": {"family_name": people[0][5], **stated},
            "identifiers": {"noms": people[0][3], **stated},
            "custody": {"prison": "EXI", "release_type": "SED_NO_LICENCE",
                        "planned_date": "2026-04-20", "licence": False, **stated},
            "mappa": {"category": 2, "level": 1, **stated},
            "location": {"home_area": "AREA", "address_status": "CONFIRMED", **stated},
        },
    }),))

ADAPTER = Adapter(name="ward_adt", title="Ward", inbound=Inbound(
    media_types=("x-application/hl7-v2+er7",), translate=translate))
"""


def install_ward(folder: Path, monkeypatch: pytest.MonkeyPatch, *, area: str) -> None:
    """Install the adapter for this process and those it starts."""
    folder.mkdir()
    install(folder, "ward_adt_pkg", "ward_adt", MODULE.replace("AREA", area))
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setenv("PYTHONPATH", str(folder))


def adt(
    control_id: str = "evt-1",
    *,
    event: str = "A03",
    noms: str = canaries.NOMS,
    version: str = "2.4",
    conditions: str = "",
    delimiters: str = "|^~\\&",
) -> bytes:
    """Return a message; `conditions` is MSH-15 and MSH-16, as in "AL|NE"."""
    text = (
        f"MSH|^~\\&|WARD|EXI^Z99901|THROUGHGATE|GW|20260302090000||ADT^{event}^ADT_{event}"
        f"|{control_id}|P|{version}|||{conditions}\r"
        f"EVN|{event}|20260302090000\r"
        f"PID|1||{noms}||{canaries.NAME}\r"
    )
    for usual, one in zip("|^~\\&", delimiters, strict=True):
        text = text.replace(usual, one)
    return text.encode()
