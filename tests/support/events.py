"""Release events about distinct synthetic persons that the police rule permits."""

import datetime as dt
from typing import Any

import orjson

from gateway.demo.cast import AREA
from gateway.model.kinds import type_of

URN = "urn:example:hmp-exampleton"  # of the cast's prison
MARK = "Canary-Fathomless"  # in every person's name: may appear nowhere in plain sight

_AS_OF = dt.datetime(2026, 3, 2, 9, 0, tzinfo=dt.UTC)


def noms(person: int) -> str:
    """Return the prison number of the nth synthetic person: Z0000ZZ, Z0001ZZ, ..."""
    block, number = divmod(person, 10_000)
    second, first = divmod(block, 26)
    return f"Z{number:04d}{chr(ord('Z') - second)}{chr(ord('Z') - first)}"


def release(person: int, *, id_: str | None = None, kind: str = "release.planned") -> bytes:
    """Return a structured CloudEvent: planned release of a person in category 2 at level 1.

    The same arguments give the same bytes: posting them again is the same request.
    """
    return orjson.dumps(release_members(person, id_=id_, kind=kind))


def release_members(
    person: int, *, id_: str | None = None, kind: str = "release.planned"
) -> dict[str, Any]:
    """Return the event of `release` before it becomes bytes."""
    as_of = _AS_OF.isoformat()
    stated = {"assertion": "fact", "as_of": as_of, "source_system": "NOMIS", "verified": True}
    return {
        "specversion": "1.0",
        "id": id_ or f"release-{person}",
        "source": URN,
        "type": type_of(kind),
        "time": as_of,
        "datacontenttype": "application/json",
        "data": {
            "identity": {"family_name": f"{MARK}-{person}", **stated},
            "identifiers": {"noms": noms(person), **stated},
            "custody": {
                "prison": "EXI",
                "release_type": "SED_NO_LICENCE",
                "planned_date": "2026-04-20",
                "licence": False,
                **stated,
            },
            "mappa": {"category": 2, "level": 1, **stated},
            "location": {"home_area": AREA, "address_status": "CONFIRMED", **stated},
        },
    }
