"""What referrals to a conference of agencies have in common, and the forms it sends out.

A victim is a third party: that there is one, the relation, the area and who already knows go in,
and nothing that names anyone (D38, D43). What is told in words is a risk narrative, which no rule
lets out without a human (minimisation rule 3.4(6)).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from adapters.contract import Adapter, Translation
from adapters.kit.members import Members
from adapters.kit.referral import (
    LEVELS,
    Referral,
    Said,
    area_of,
    read_consent,
    read_referral,
    reads,
)
from adapters.kit.referral_form import (
    CONTACT,
    NAMES,
    NOT_STATED,
    AllowList,
    Form,
    return_by,
    unless_about,
)
from gateway.model.alert import Alert
from gateway.model.strict_json import Json, JsonObject

_LEVELS_OF: Final = (
    "overall", "children", "public", "known_adult", "staff", "prisoners", "imminence",
)  # fmt: skip
_COMMUNITY: Final = ("children", "public", "known_adult", "staff")
_RANKS: Final = {level: rank for rank, level in enumerate(LEVELS)}
_LONGEST: Final = 3800  # characters; the ground in words stands before it

# Whom the question is about, and no more: each agency answers from its own records.
_WHO: Final[AllowList] = {
    "identity": NAMES,
    "identifiers": ("pnc",),
    "location": ("home_area",),
    "handling": ("agreement_ref",),
}
# Whatever of this changed since the conference was first told. Never a victim: members know theirs.
_CHANGED: Final[AllowList] = {
    "identity": NAMES,
    "identifiers": ("pnc",),
    "custody": (
        "prison",
        "release_type",
        "planned_date",
        "confirmed_date",
        "released_at",
        "licence",
    ),
    "mappa": ("category", "level"),
    "rosh": ("known_adult", "imminence", "assessed_on"),
    "licence": ("no_contact_conditions",),
    "location": ("address_status", "home_area", "areas_of_interest"),
    "children": ("at_risk",),
    "professionals": CONTACT,
    "handling": ("agreement_ref",),
}


def rosh_of(risk: Members, event_type: str) -> JsonObject:
    """Return the levels of risk that a form states, each by whom it is to.

    Raises:
        UnsupportedEvent: needs a human: a level with no known meaning, or an overall one below that
            for someone in the community.
    """
    stated = {name: risk.code(name, LEVELS, event_type=event_type) for name in _LEVELS_OF}
    overall = stated["overall"]
    if overall and _RANKS[overall] < max(_RANKS[stated[who] or overall] for who in _COMMUNITY):
        raise risk.unclear("overall", "below the level for someone", event_type=event_type)
    levels: JsonObject = {**stated}
    # A day by itself is no level: without one, nothing was assessed.
    assessed_on = risk.date("assessed_on")
    return levels | {"assessed_on": assessed_on} if any(levels.values()) else {}


def narrative_of(risk: Members, grounds: Mapping[str, str], event_type: str) -> JsonObject:
    """Return the ground of referral in words, what the referrer wrote of it, and triggers.

    Raises:
        MalformedEvent: no ground stated.
        UnsupportedEvent: needs a human: a ground with no known meaning.
    """
    risk.needed("ground")
    ground = risk.code("ground", grounds, event_type=event_type)
    written = risk.text("narrative", at_most=_LONGEST)
    nature = f"Ground of referral: {ground}." + (f" {written}" if written else "")
    return {"nature": nature, "triggers": risk.text("triggers")}


def risk_of(referral: Referral) -> Members:
    """Return the part of a referral that says why it was made.

    Raises:
        MalformedEvent: there is no such part.
    """
    risk = referral.members.object("risk")
    if risk is None:
        raise referral.members.malformed("risk", "required")
    return risk


def victim_of(members: Members, *, of_abuse: bool = False) -> Mapping[str, Json]:
    """Return what may be known of there being a victim.

    Args:
        members: Of the form.
        of_abuse: Whether it is of domestic abuse, where the relation to the victim is stated, or
            why it cannot be (D38).

    Raises:
        MalformedEvent: of abuse, and neither is.
    """
    victim = members.object("victim")
    if victim is None:
        if of_abuse:
            raise members.malformed("victim", "required")
        return {}
    relationship = victim.text("relationship", at_most=200)
    if victim.text("relationship_unknown_because") is None and of_abuse and relationship is None:
        raise victim.malformed("relationship", "required, or why it is not known")
    # A third party's particulars stay on the conference's own form.
    victim.ignore(
        "name", "date_of_birth", "address", "postcode", "telephone", "safe_contact", "views"
    )
    return {
        "recorded": victim.flag("recorded"),
        "relationship": relationship,
        "address_area": victim.text("address_area", at_most=200),
        "known_to": list(victim.texts("known_to")),
    }


def children_of(members: Members) -> Mapping[str, Json]:
    """Return what may be known of there being children at risk."""
    children = members.object("children")
    if children is None:
        return {}
    children.ignore("names", "dates_of_birth", "schools")  # third parties, as above
    return {"at_risk": children.flag("at_risk"), "known_to": list(children.texts("known_to"))}


def research_request(title: str, kind: str, questions: tuple[str, ...]) -> Form:
    """Return a conference's form that asks a member agency what it holds on the person."""

    def asks(alert: Alert) -> JsonObject:
        return {"questions": list(questions), "return_by": return_by(alert)}

    return Form(
        name="research-request",
        title=f"{title}: research request",
        allowed=_WHO,
        declines=unless_about(frozenset({kind}), f"a referral to {title}"),
        adds=asks,
    )


def outcome(title: str) -> Form:
    """Return a conference's note of what was updated, for its actions to be written on."""

    def declines(alert: Alert) -> tuple[str, ...]:
        if alert.message == "NOTIFY":
            return ("nothing of it was told before: this form is for what an update changed",)
        return ()

    def to_complete(_alert: Alert) -> JsonObject:
        # Asked for and not given: an empty list could be read as a decision that nothing be done.
        return {"actions": NOT_STATED, "to_complete": ["action", "agency", "due", "outcome"]}

    return Form(
        name="outcome",
        title=f"{title}: actions and outcome",
        allowed=_CHANGED,
        declines=declines,
        adds=to_complete,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Conference:
    """A conference of agencies: what is referred to it, and what it asks them."""

    name: str  # of the adapter; of the form, with ``-referral``
    title: str
    kind: str  # of the event that a referral is
    grounds: Mapping[str, str]  # why it is asked to look: no level of risk of serious harm
    questions: tuple[str, ...]  # to every agency
    of_abuse: bool = False  # always of domestic abuse; otherwise as the form says

    def translate(self, body: bytes, source: str) -> Translation:
        """Return the referral that one form reports.

        Raises:
            MalformedEvent: the form cannot be read.
            UnsupportedEvent: needs a human: a code with no known meaning, consent refused without
                a reason to go on.

        Pure.
        """
        form = read_referral(body, self.name, self.title, (f"{self.name}-referral",))
        members = form.members
        read_consent(form)
        risk = risk_of(form)
        members.ignore("conference_on")  # when it sits is the conference's own calendar
        abuse = self.of_abuse or members.flag("domestic_abuse")
        said = Said(
            facts={
                "offence": {"domestic_abuse": abuse, "convicted": members.flag("convicted")},
                "rosh": rosh_of(risk, form.event_type),
                "risk_narrative": narrative_of(risk, self.grounds, form.event_type),
                "victim": victim_of(members, of_abuse=abuse is True),
                "children": children_of(members),
                "location": area_of(form),
            },
            # Reported here, and found by no court.
            assertions={"offence": "assessment", "children": "assessment"},
        )
        return form.reports(self.kind, source, said)

    def adapter(self) -> Adapter:
        """Return the adapter of its referral form."""
        return Adapter(
            name=self.name,
            title=f"{self.title} referral form",
            inbound=reads(self.translate),
            outbound=(
                research_request(self.title, self.kind, self.questions).outbound(),
                outcome(self.title).outbound(),
            ),
        )
