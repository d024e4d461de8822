"""Who posts and who is told: agencies, recipients and the endpoints that reach them."""

from dataclasses import dataclass
from datetime import date, time
from typing import Literal

from gateway.model.ids import AgencyName, EndpointId, RecipientId
from gateway.model.keyring import HeldKey, RecipientKey

__all__ = [
    "Agency",
    "AssociateDesignation",
    "ChannelName",
    "Endpoint",
    "Form",
    "QuietHours",
    "Recipient",
    "RecipientKey",
]

ChannelName = Literal["webhook", "email", "sms", "mesh"]
Form = Literal["sealed", "notice", "pointer"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Agency:
    """An organisation that posts events; the controller of what it posts."""

    name: AgencyName
    urn: str  # CloudEvents source of everything it posts
    organisation_class: str  # key of policies/organisations.toml: prison, probation, police, ...
    public_keys: tuple[str, ...]  # whpk_... (Ed25519) or whsec_... (shared); any may verify
    kinds: tuple[str, ...] = ("*",)  # fnmatch patterns of the kinds it may post
    active: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class AssociateDesignation:
    """The Responsible Authority's record that this body may contribute (s.325(4A)(c))."""

    reference: str
    designated_on: date
    ends_on: date | None = None

    def in_force(self, today: date) -> bool:
        """Return whether the designation covers this day. Pure."""
        return self.designated_on <= today and (self.ends_on is None or today <= self.ends_on)


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One address of a recipient on one channel, and what may be put on it."""

    id: EndpointId
    channel: ChannelName
    address: str  # https URL, mailbox or E.164 number; never logged
    keys: tuple[HeldKey, ...] = ()  # none usable: only a notice or a pointer may go here
    signing_secret: str | None = None  # webhook: whsec_ shared with the receiver for v1; v1a always
    smime: Literal["gcm", "cbc"] | None = None  # email: the client's recorded capability
    cbc_accepted: str | None = None  # where that agency accepted the weaker cipher; with "cbc"
    trust: Literal["anchor", "confirmed"] = "confirmed"  # certificates: by chain too, or by hand
    route: str | None = None  # email: the named transport rule that alone may carry it
    step: int = 1  # 1: at once; n: when the ones before failed or nobody answered
    exercise: bool = False  # for exercises, and for nothing else
    per_minute: int | None = None  # the most its owner takes
    batches: int = 1  # webhook: the most alerts it takes in one post, when several wait
    batch_bytes: int = 1_000_000  # and the longest such post


@dataclass(frozen=True, slots=True, kw_only=True)
class QuietHours:
    """When routine mail and texts wait, by the clock in London. Imminent risk never does."""

    begin: time
    end: time  # before `begin`: of the next morning


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    """A role at an organisation that may be told, with every endpoint that reaches it."""

    id: RecipientId
    organisation: str
    organisation_class: str  # key of policies/organisations.toml
    role: str  # key of policies/roles.toml: police_offender_manager, ...
    areas: frozenset[str]  # empty: every area
    endpoints: tuple[Endpoint, ...]
    associate: AssociateDesignation | None = None
    country: str = "GB"  # ISO 3166-1 alpha-2
    agreement_ref: str | None = None
    manager: RecipientId | None = None  # told when a duty this recipient owns is missed
    renditions: tuple[str, ...] = ()  # forms of its own to find in each alert, "adapter:form"
    deputies: tuple[RecipientId, ...] = ()  # who is told next when nobody answers, in this order
    duty_desk: RecipientId | None = None  # and last
    standby: bool = False  # told only when another's alert is unanswered, never first
    quiet: QuietHours | None = None
    digest: time | None = None  # routine notices for information wait for this hour, as one
