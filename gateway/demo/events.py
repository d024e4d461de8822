"""The posts of the demonstration, in order: every one as its agency's own system sends it."""

import datetime as dt
from dataclasses import dataclass
from typing import Final

from gateway.demo.health_record import care_team
from gateway.demo.messages import (
    CRN,
    FAMILY_NAME,
    NEW_STREET,
    NHS_NUMBER,
    NOMS,
    RELEASE_BOARD,
    STREET,
    TRIGGERS,
    assessment,
    corrected,
    planned,
    registration,
    released,
)

# Marks that must be found nowhere but inside sealed content.
CANARIES: Final = (NOMS, CRN, NHS_NUMBER, FAMILY_NAME, STREET, NEW_STREET, TRIGGERS)

HMPPS: Final = "hmpps_domain_events"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One message of the story."""

    title: str
    agency: str
    adapter: str
    body: bytes


def story(now: dt.datetime) -> tuple[Step, ...]:
    """Return the messages in order. Release is today, at sentence end, with no licence."""
    prison, probation = "hmp-exampleton", "exampleshire-probation"
    steps = (
        ("abscond, sent as released", prison, HMPPS, released(now, "Z0002ZZ", "UAL")),
        ("death, sent as released", prison, HMPPS, released(now, "Z0003ZZ", "DEC")),
        ("record merge, sent as released", prison, HMPPS, released(now, "Z0004ZZ", "MRG")),
        ("GP and CMHT, in SystmOne", "hmp-exampleton-healthcare", "systmone", care_team(now)),
        ("MAPPA category 2, level 3, in nDelius", probation, "ndelius", registration(now)),
        ("risk of serious harm, in OASys", probation, "oasys", assessment(now)),
        ("release planned, no licence", prison, RELEASE_BOARD, planned(now)),
        ("release", prison, HMPPS, released(now, NOMS, "NCS")),
        ("the address is corrected", prison, RELEASE_BOARD, corrected(now)),
    )
    return tuple(
        Step(title=title, agency=agency, adapter=adapter, body=body)
        for title, agency, adapter, body in steps
    )
