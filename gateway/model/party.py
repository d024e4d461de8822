"""Who posts and who is told: agencies, recipients and the endpoints that reach them."""

from dataclasses import dataclass
from datetime import date
from typing import Literal

from gateway.model.ids import AgencyName, EndpointId, RecipientId

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
class RecipientKey:
    """A recipient's public key as the directory holds it. Sealing parses it; nothing else does."""

    form: Literal["hpke", "jwe", "cms"]
    key_id: str
    public: str  # HPKE: thpk_ text; JWE: public JWK JSON; CMS: PEM certificate


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One address of a recipient on one channel, and what may be put on it."""

    id: EndpointId
    channel: ChannelName
    address: str  # https URL, mailbox or E.164 number; never logged
    key: RecipientKey | None = None  # None: only a notice or a pointer may go here
    signing_secret: str | None = None  # webhook: whsec_ shared with the receiver for v1; v1a always
    smime: Literal["gcm"] | None = None  # email: the client's recorded capability


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
