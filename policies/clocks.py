"""The clocks: what each duty is reckoned from, by when it is due, and what shows it was done.

Every word a clock may use is in a closed list here; what the words mean is computed by
`gateway.duties.reckoning`. Strict: a key or word not named here is refused.
"""

import re
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from datetime import timedelta
from typing import Annotated, Final, Literal, NewType

from pydantic import (
    BaseModel,
    ConfigDict,
    StringConstraints,
    model_validator,
)

from gateway.model.kinds import KINDS, OWN_KINDS
from policies.problem import BadRulebook
from policies.strict_toml import read

CLOCKS_FILE: Final = "clocks.toml"
DEFAULT_WARNING: Final = "P14D"

ClockId = NewType("ClockId", str)  # C1, C2, ...

Line = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Note = Annotated[str, StringConstraints(min_length=1, max_length=500)]
Word = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")]
Kind = Annotated[str, StringConstraints(pattern=r"^[a-z]+\.[a-z_]+$")]

# What must hold of the person's facts, as known on the day, for a clock to run.
Condition = Literal[
    "category_1_or_2",
    "harassment",  # harassment measures or a request for no contact
    "high_risk",  # high or very high risk of serious harm to anybody in the community
    "homeless_with_consent",  # within 56 days of release, and consents to be referred
    "indefinite_notification",
    "level_2",
    "level_2_or_3",
    "level_3",
    "mappa_case",  # a category is known
    "no_licence",
    "risk_to_children",
    "victim_recorded",
]

# The date a deadline is reckoned from.
Anchor = Literal[
    "aware",  # the day the conditions came to hold
    "change",  # the day a change of the release date takes effect
    "eligibility_end",  # of notification in category 1, else of the licence
    "event",  # the day of the latest event of `starts`
    "notification_from",
    "order_limit",  # the next day on which an order, a part of it, or monitoring ends
    "release",
    "sentence_expiry",
    "sentenced",
]

# What an event must state besides being of the right kind.
Statement = Literal["notification_from", "offender_manager", "release_date", "victim_contact"]

Tag = Literal["V", "G", "P"]


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Offset(_Entry):
    """A distance in one unit, negative for before. Months clip to the end of a shorter month."""

    days: int | None = None
    working_days: int | None = None
    weeks: int | None = None
    months: int | None = None
    years: int | None = None

    @model_validator(mode="after")
    def _one_unit(self) -> "Offset":
        if len(self.model_fields_set) != 1:
            raise ValueError("give exactly one of days, working_days, weeks, months, years")
        return self


class Met(_Entry):
    """What shows that a duty was done: events; consultations; or that a role was told."""

    kinds: tuple[Kind, ...] = ()
    by: frozenset[Word] = frozenset()  # organisation classes that may show it; empty: any
    states: Statement | None = None
    counted: Literal["received", "done"] = "done"  # the day the gateway got it, or it was done
    within: Offset | None = None  # before the deadline: what was done earlier has gone stale
    consulted: frozenset[Literal["police", "probation"]] = frozenset()
    told: Word | None = None  # a role the gateway has told of this release, or a human decided on

    @model_validator(mode="after")
    def _one_way(self) -> "Met":
        ways = [bool(self.kinds), bool(self.consulted), self.told is not None]
        if sum(ways) != 1:
            raise ValueError("give exactly one of kinds, consulted, told")
        if self.within is not None and not _backward(self.within):
            raise ValueError("within is before the deadline: give a negative offset")
        return self


class Clock(_Entry):
    """One duty: who owes what to whom, and by when. One not automated says what happens instead."""

    title: Line
    automated: bool
    owner: Word  # a role, or who owes it where the gateway keeps no clock
    to: tuple[Word, ...] = ()
    copy_to: tuple[Word, ...] = ()
    source: Note
    verified: Tag  # V: the text was read; G: general knowledge; P: our proposal
    note: Note | None = None
    anchor: Anchor | None = None
    starts: tuple[Kind, ...] = ()
    when: frozenset[Condition] = frozenset()
    offset: Offset | None = None
    offset_under_18: Offset | None = None  # for who was under 18 on the date reckoned from
    warn_before: Annotated[str, StringConstraints(pattern=r"^P[0-9]{1,3}D$")] = DEFAULT_WARNING
    priority_when: frozenset[Condition] = frozenset()
    breach: bool = True  # False: a reminder; nobody is late
    met: Met | None = None

    @model_validator(mode="after")
    def _whole(self) -> "Clock":
        reckoned = self.anchor is not None and self.offset is not None and self.met is not None
        if self.automated != reckoned:
            raise ValueError("an automated clock has anchor, offset and met; no other has them")
        if not self.automated and self.note is None:
            raise ValueError("a clock that is not automated says in note what happens instead")
        if bool(self.starts) != (self.anchor == "event"):
            raise ValueError("starts goes with the anchor event")
        unknown = {*self.starts, *(self.met.kinds if self.met else ())} - (KINDS - OWN_KINDS)
        if unknown:
            raise ValueError("a kind no agency posts")
        return self

    @property
    def warning(self) -> timedelta:
        """How long before the deadline its owner is warned."""
        return timedelta(days=int(re.sub(r"\D", "", self.warn_before)))


Clocks = Mapping[ClockId, Clock]

_Id = Annotated[ClockId, StringConstraints(pattern=r"^C[1-9][0-9]?$")]


def load_clocks(text: str, *, roles: AbstractSet[str], file: str = CLOCKS_FILE) -> Clocks:
    """Read the clocks, in the order of the file.

    Args:
        text: TOML.
        roles: Names in the catalogue of roles: an automated clock may name no other.
        file: For the words of a refusal.

    Raises:
        BadRulebook: not TOML, a key or word unknown, or a role not in the catalogue.

    Pure.
    """
    clocks = read(dict[_Id, Clock], file, text)
    for name, clock in clocks.items():
        told = (clock.met.told,) if clock.met and clock.met.told else ()
        if clock.automated and not roles >= {clock.owner, *clock.to, *clock.copy_to, *told}:
            raise BadRulebook("role-unknown", file=file, position=name)
    return clocks


def _backward(offset: Offset) -> bool:
    return all(number < 0 for number in offset.model_dump(exclude_none=True).values())
