"""The shape of every entry a catalogue may hold. A key not named here is refused."""

from collections.abc import Mapping
from datetime import date
from functools import cached_property
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from gateway.model.decision import Regime
from gateway.model.ids import BasisId

Line = Annotated[str, StringConstraints(min_length=1, max_length=300)]
Word = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")]

TestName = Literal[
    "adult_at_risk",
    "chosen_authority_is_recipient",
    "convicted_or_category",
    "homeless_within_56_days",
    "housing_consent",
    "mappa_category_known",
    "restricted_patient",
    "risk_to_children",
    "victim_opted_in",
]

ANY: Final = "*"
ANYONE: Final = "anyone"  # every class the catalogue lists
ASSOCIATE: Final = "associate"  # a standing a recipient has by designation, never by class


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Reserved(_Entry):
    """Members that no rule may give to a role outside these."""

    members: tuple[str, ...]  # ("*",) is the whole group
    roles: frozenset[Word]


class GroupEntry(_Entry):
    """One field group, its named parts, and who alone may ever have some of it."""

    name: Word
    title: Line
    sensitive: bool
    members: Annotated[tuple[Word, ...], Field(min_length=1)]
    forms: Mapping[Word, tuple[Word, ...]] = Field(default_factory=dict)
    reserved: tuple[Reserved, ...] = ()


class RoleEntry(_Entry):
    """One recipient role."""

    codes: Annotated[tuple[Line, ...], Field(min_length=1)]
    title: Line
    held_by: frozenset[Word]


class Route(_Entry):
    """From any of these to any of those: standings, flags, classes, "anyone" or "associate"."""

    from_: Annotated[frozenset[Word], Field(alias="from", min_length=1)]
    to: Annotated[frozenset[Word], Field(min_length=1)]


class BasisEntry(_Entry):
    """One legal basis, and what must hold before a disclosure may rest on it."""

    citation: Line
    power: bool  # False: law that matters here, but opens no disclosure; no rule may name it
    regime: Regime
    condition: str  # empty: none, so no sensitive group goes on this basis
    routes: tuple[Route, ...]
    purposes: frozenset[Word]  # that a rule relying on it may have
    tests: tuple[TestName, ...]  # in the order they are put
    members: tuple[str, ...]  # "group.member" paths, or ("*",)
    human_only: bool
    instead: tuple[BasisId, ...]  # to look to where a test fails
    source: Line
    verified: Literal["V", "G"]

    @cached_property
    def only(self) -> frozenset[str] | None:
        """The only paths that may go on this basis, or None for any."""
        return None if self.members == (ANY,) else frozenset(self.members)


class OrganisationEntry(_Entry):
    """What a class of organisation is in law, and what it posts."""

    title: Line
    standing: frozenset[Literal["responsible_authority", "duty_to_cooperate"]]
    s11_body: bool
    oma_s14: Literal["core", "listed", "none"]
    relevant_authority: bool
    housing_referrer: bool
    controller: bool
    country: Literal["GB"]
    kinds: tuple[str, ...]

    def standings(self, name: str) -> frozenset[str]:
        """Return every word a route may know this class by, its own name included. Pure."""
        flags = {
            "s11_body": self.s11_body,
            "oma_core": self.oma_s14 == "core",
            "oma_listed": self.oma_s14 == "listed",
            "relevant_authority": self.relevant_authority,
            "housing_referrer": self.housing_referrer,
        }
        return frozenset(
            {name, ANYONE, *self.standing, *(flag for flag, on in flags.items() if on)}
        )


FLAGS: Final = frozenset(
    {
        "responsible_authority",
        "duty_to_cooperate",
        "s11_body",
        "oma_core",
        "oma_listed",
        "relevant_authority",
        "housing_referrer",
        ANYONE,
        ASSOCIATE,
    }
)


class AgreementEntry(_Entry):
    """One information-sharing agreement."""

    reference: Line
    title: Line
    version: Line
    parties: Annotated[frozenset[Word], Field(min_length=2)]  # organisation classes
    bases: Annotated[frozenset[BasisId], Field(min_length=1)]
    review_date: date  # a late review is reported; it does not put the agreement out of force
    begins_on: date | None = None
    ends_on: date | None = None
    source: Line


class PolicyDocumentEntry(_Entry):
    """One appropriate policy document (DPA 2018 s.42; Sch 1 Part 4)."""

    reference: Line
    title: Line
    controller_classes: Annotated[frozenset[Word], Field(min_length=1)]
    conditions: Annotated[frozenset[Line], Field(min_length=1)]
    retention: Line
    review_date: date  # a late review is reported; it does not put the document out of force
    expires_on: date | None = None
    source: Line

    def covers(self, organisation_class: str, condition: str, today: date) -> bool:
        """Return whether it is in force for this controller and condition. Pure."""
        return (
            organisation_class in self.controller_classes
            and condition in self.conditions
            and (self.expires_on is None or today <= self.expires_on)
        )


class HandlingCode(_Entry):
    """One handling code of the intelligence report."""

    meaning: Line
    conditional: bool  # the conditions must be stated, and can only narrow who is told


class Grades(_Entry):
    """The 3x5x2 intelligence grading."""

    sources: Mapping[Literal["1", "2", "3"], Line]
    intelligence: Mapping[Literal["A", "B", "C", "D", "E"], Line]
    handling: Mapping[Literal["P", "C"], HandlingCode]


class HandlingEntry(_Entry):
    """Markings the gateway carries and refuses, and what a grade means."""

    ceiling: Line
    markings: Annotated[tuple[Line, ...], Field(min_length=1)]  # accepted, lowest first
    refused: Mapping[Line, Line]  # marking -> why
    grades: Grades
    source: Line
