"""What a prison's alert codes state, and no more than that.

A code is a flag on a prison's record. It has no words of its own here: the comment beside it may
name a victim, and is never carried. Where no group has room for what a code says, the code itself
is told, for the recipient to look it up.
Source: hmpps-alerts-api reference data of production, 20 February 2024; domain facts 6.2.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from adapters.kit.statement import Assertion
from gateway.model.strict_json import JsonObject

RAISED: Final = "risk.flag_raised"
ENDED: Final = "risk.flag_ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class Flag:
    """What an alert with one code states while it is active, and what its end states."""

    type_: str  # the alert type the code belongs to
    kind: str = RAISED
    facts: Mapping[str, JsonObject] = field(default_factory=dict)
    assertions: Mapping[str, Assertion] = field(default_factory=dict)
    verified: bool = True  # False: the code itself says that it may yet be taken back
    # None: that it ended is not told. The end of an alert is no finding that nobody is at risk, and
    # prisons close alerts when they let people go: it never states the opposite of a fact.
    end: str | None = ENDED
    why_no_end: str = ""  # where `end` is None

    def stated(self, code: str, *, active: bool) -> Mapping[str, JsonObject]:
        """Return the facts of an alert with this code: those of the code itself while it is
        active; where no group has room for them, or it has ended, which flag it is."""
        return self.facts if active and self.facts else {"rosh": {"flags": [f"NOMIS:{code}"]}}

    @property
    def asserted(self) -> Mapping[str, Assertion]:
        """How each group is asserted: that there is a flag is a fact, whatever it flags."""
        return self.assertions if "rosh" in self.facts else {"rosh": "fact", **self.assertions}


@dataclass(frozen=True, slots=True, kw_only=True)
class NotTold:
    """A code of which nothing is told."""

    reason: str
    needs_human: bool = False


def look_up(code: str, type_: str | None) -> Flag | NotTold:
    """Return what an alert code states, or why nothing is told of it.

    Args:
        code: As sent, without outer spaces.
        type_: The alert type stated beside it, None where none is.

    Pure.
    """
    known = TYPES.get(code)
    if known is None:
        if type_ is None or type_ in MATTERS or type_ not in _OTHER_TYPES:
            return NotTold(reason="not a code with a known meaning", needs_human=True)
        return NotTold(reason="an alert of this type is no public-protection matter")
    if type_ not in {None, known}:
        return NotTold(
            reason="the alert type is not the one this code belongs to", needs_human=True
        )
    return FLAGS.get(code) or NotTold(reason=NOT_TOLD[code])


def _mappa(category: int, level: int | None) -> Flag:
    # The level is still to be confirmed six months before release: none is stated then.
    stated: JsonObject = {"category": category}
    if level is not None:
        stated["level"] = level
    return Flag(
        type_="P",
        facts={"mappa": stated},
        end=None,
        why_no_end="the end of a prison's alert does not say that management under MAPPA ended",
    )


_CHILDREN: Final[Mapping[str, JsonObject]] = {"children": {"at_risk": True}}
_JUDGED: Final[Mapping[str, Assertion]] = {"children": "assessment"}


def _risk(*codes: str) -> dict[str, Flag]:
    """Flags that say that there is a risk to somebody, of no level: only that is told."""
    return {code: Flag(type_="R") for code in codes}


def _rosh(overall: str) -> Flag:
    return Flag(
        type_="R",
        kind="risk.assessed",
        facts={"rosh": {"overall": overall}},
        end=None,
        why_no_end="another assessment takes its place, and states its own level",
    )


def _child_contact(level: int) -> Flag:
    return Flag(
        type_="C",
        kind="contact.restricted",
        facts={"children": {"contact_restrictions": [f"Child contact level {level}"]}},
    )


def _self_harm(summary: str) -> Flag:
    return Flag(
        type_="H",
        kind="health.concern",
        facts={"health_clinical": {"self_harm": summary}},
        end=None,
        why_no_end="prison healthcare's own record says how a person is",
    )


_ABUSE: Final = Flag(
    type_="R",
    facts={"offence": {"domestic_abuse": True}},
    assertions={"offence": "assessment"},
)
_HARASSMENT: Final[Mapping[str, JsonObject]] = {"offence": {"harassment_or_no_contact": True}}
_IMMIGRATION: Final = Flag(type_="X", facts={"custody": {"immigration_interest": True}})
_DO_NOT_SHARE: Final = Flag(type_="D", facts={"handling": {"sar_restrict": True}})

FLAGS: Final[Mapping[str, Flag]] = MappingProxyType(
    {
        "P11": _mappa(1, None), "P22": _mappa(1, 1), "P33": _mappa(1, 2), "P44": _mappa(1, 3),
        "P55": _mappa(2, None), "P66": _mappa(2, 1), "P77": _mappa(2, 2), "P88": _mappa(2, 3),
        "P99": _mappa(3, 2), "PA1": _mappa(3, 3),
        "P100": _mappa(4, None), "P101": _mappa(4, 1), "P102": _mappa(4, 2), "P103": _mappa(4, 3),
        "PVN": Flag(type_="P"),  # a ViSOR nominal; its reference is not in the code
        "CPC": Flag(type_="C", facts={"children": {"pprc": True}}, assertions=_JUDGED),
        # A potential PPRC: to be told of at once, and it may yet be taken back.
        "CPRC": Flag(
            type_="C", facts={"children": {"pprc": True}}, assertions=_JUDGED, verified=False
        ),
        "CC1": _child_contact(1), "CC2": _child_contact(2),
        "CC3": _child_contact(3), "CC4": _child_contact(4),
        "RCC": Flag(type_="R", facts=_CHILDREN, assertions=_JUDGED),
        "RCS": Flag(type_="R", facts=_CHILDREN, assertions=_JUDGED),
        "SC": Flag(type_="S", facts=_CHILDREN, assertions=_JUDGED),
        # Known adult, public, staff: there is room for a level, and these codes have none.
        **_risk("RKC", "RKS", "RPB", "RPC", "RST", "RSS"),
        # Disabled, ethnic groups, LGB, older, religious, transgender, younger people.
        **_risk("RDP", "REG", "RLG", "ROP", "RRV", "RTP", "RYP"),
        "ROM": _rosh("medium"), "ROH": _rosh("high"), "ROV": _rosh("very_high"),
        "RDV": _ABUSE, "RSP": _ABUSE,
        "OHCO": Flag(type_="O", facts=_HARASSMENT),
        "ONCR": Flag(type_="O", kind="contact.restricted", facts=_HARASSMENT),
        # Hints at category 1 or 4, of which none is stated. SSHO may be either of two orders.
        "SOR": Flag(type_="S"), "SONR": Flag(type_="S"), "SSHO": Flag(type_="S"),
        "XTACT": Flag(type_="X"), "XSC": Flag(type_="X"),
        "XNR": Flag(type_="X"),  # not for release; no date and no cancellation is stated
        # Danger to people, told to police today: arsonist, chemical attacker, escape lists and
        # risk, hostage taker, risk to females, staff assaulter, violent, child sexual exploitation.
        **{
            code: Flag(type_="X")
            for code in ("XA", "XCA", "XCSEA", "XEL", "XELH", "XER", "XHT", "XRF", "XSA", "XVL")
        },
        "XILLENT": _IMMIGRATION, "XLDEPORT": _IMMIGRATION, "XSDEPORT": _IMMIGRATION,
        "HA": _self_harm("ACCT open"),
        "HA1": _self_harm("ACCT post-closure"),
        "HA2": _self_harm("ACCT closed"),
        "HC": _self_harm("Self-harm, custody"),
        "HS": _self_harm("Self-harm, community"),
        "DCDO": _DO_NOT_SHARE, "DCEO": _DO_NOT_SHARE, "DOCGM": _DO_NOT_SHARE,
    }
)  # fmt: skip

_RETIRED: Final = "a retired code: what it said is history"
_REGIME: Final = "concerns life in prison, not the public's protection"

# reason -> alert type -> codes
_PASSED_OVER: Final[Mapping[str, Mapping[str, str]]] = {
    _RETIRED: {
        "C": "C1 C2 C3 C4",
        "H": "SH",
        "L": "LFC21 LFC25 LPQAA",
        "N": "NP NSTPO NSTRO NV",
        "O": "OHA OTBR",
        "P": "P0 P1 P2 P3 PC1 PC2 PC3 PL1 PL2 PL3",
        "R": "RCDR RDO RVR",
        "S": "SO SR",
        "U": "UPIU UPMD UPMP URCU URS USU",
        "X": "SA XCC XCH XCOL XCOR XOCGN XSO",
    },
    _REGIME: {
        "B": "BECTER",
        "E": "ECA ECA2 ECH ECH2 EPO EPO2",
        "O": "CSIP OCVM OFNA OFR OIOM OISFL OPPO ORFW OURX OVI PTD",
        "R": "RAIC RCON RCP RDBS RHI RLO RME RNO121 ROTL RR46 RR46A RROTL SROTL "
        "TIERA TIERB TIERC TIERCT TIERD TIERDT",
        "T": "TAH TAP TCPA TG TM TPR TSE",
        "V": "AAR V45 V46 V49G V49P VI VIP VJOP VLES VOP VU",
        "W": "WO",
        "X": "CA HPI SE XAB XACS XB XC XCCI XCDP XCDV XCI XCIC XCO XCOP XCU XD XEAN XEBM XFO "
        "XGANG XIS XIT XN XP XPHR XPOI XR XTMS XXRAY XYA",
    },
    "who the person is or what care they have, not whom they may harm": {
        "A": "ADSC AS",
        "F": "F1",
        "L": "LCE",
        "M": "HID MAS MEP MFL MHT MSI MSP PEEP PGWCP",
        "O": "OCYP",
    },
}


def _passed_over() -> Iterator[tuple[str, str, str]]:
    for reason, by_type in _PASSED_OVER.items():
        for type_, codes in by_type.items():
            for code in codes.split():
                yield code, type_, reason


NOT_TOLD: Final[Mapping[str, str]] = {code: reason for code, _, reason in _passed_over()}
TYPES: Final[Mapping[str, str]] = {code: flag.type_ for code, flag in FLAGS.items()} | {
    code: type_ for code, type_, _ in _passed_over()
}

# Of these an unknown code may well concern someone who must be told of.
MATTERS: Final = frozenset("PCRSVXHD")
_OTHER_TYPES: Final = frozenset("ABEFLMNOTUW")
