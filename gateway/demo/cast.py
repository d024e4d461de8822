"""The synthetic agencies, recipients and person of the demonstration. Nobody here exists."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from gateway import clock
from gateway.model.ids import AgencyName, EndpointId, RecipientId
from gateway.model.keyring import confirmed
from gateway.model.party import (
    Agency,
    AssociateDesignation,
    ChannelName,
    Endpoint,
    Recipient,
    RecipientKey,
)
from keys import hpke, jwe
from keys.seal import recipient_key
from keys.self_signed import mail_identity
from keys.signing import SigningKey, generate_shared_secret

AREA: Final = "exampleshire"
PRISON: Final = "EXI"  # an in-reach team is found by the prison it serves
HOUSING: Final = "Exampleshire Council Housing"
DUTY_PHONE: Final = "+447700900123"

Sealing = Literal["hpke", "jwe", "cms", "none"]

# id, organisation, class, role, channels, sealing
_RECIPIENTS: Final[tuple[tuple[str, str, str, str, tuple[ChannelName, ...], Sealing], ...]] = (
    ("police-ppu", "Exampleshire Police", "police", "police_offender_manager",
     ("webhook", "sms"), "hpke"),
    ("probation", "Exampleshire Probation", "probation", "probation_offender_manager",
     ("webhook",), "jwe"),
    ("mappa", "Exampleshire MAPPA", "mappa_coordination", "mappa_coordinator",
     ("email",), "cms"),
    ("in-reach", "HMP Exampleton Healthcare", "prison_healthcare", "mental_health_in_reach",
     ("webhook",), "hpke"),
    ("cmht", "Exampleshire Mental Health Trust", "nhs_mental_health_trust",
     "community_mental_health_team", ("webhook",), "jwe"),
    ("gp", "Example Street Surgery", "gp_practice", "gp_practice", ("email",), "none"),
    ("children", "Exampleshire Children's Services", "childrens_services", "childrens_services",
     ("webhook",), "hpke"),
    ("housing", HOUSING, "local_housing_authority", "housing_authority",
     ("webhook",), "hpke"),
    ("hostel", "Example Hostel Charity", "charity", "accommodation_associate",
     ("webhook",), "hpke"),
)  # fmt: skip

# The forms that some find beside the facts in each alert, as their own systems read them.
_RENDITIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "police-ppu": ("visor:xml",),
    "in-reach": ("systmone:card",),
    "children": ("mash:childrens-notification",),
    "housing": ("housing:suitability-pack",),
}

WEBHOOK_RECIPIENTS: Final = tuple(one[0] for one in _RECIPIENTS if "webhook" in one[4])

# A practice is no s.325(6) body: the Responsible Authority has designated this one, not the hostel.
_DESIGNATED: Final = AssociateDesignation(
    reference="RA-EXAMPLESHIRE-7", designated_on=dt.date(2026, 1, 5)
)

_AGENCIES: Final = (
    ("hmp-exampleton", "prison"),
    ("exampleshire-probation", "probation"),
    ("hmp-exampleton-healthcare", "prison_healthcare"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Poster:
    """An agency with the private key it signs with."""

    agency: Agency
    key: SigningKey = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """A recipient with the private key it opens with, if it has one."""

    recipient: Recipient
    private: bytes | None = field(repr=False)


def make_posters() -> Mapping[str, Poster]:
    """Make the agencies, each with a fresh key."""
    posters = {}
    for name, organisation_class in _AGENCIES:
        key = SigningKey.generate()
        posters[name] = Poster(
            agency=Agency(
                name=AgencyName(name),
                urn=f"urn:example:{name}",
                organisation_class=organisation_class,
                public_keys=(key.public_text,),
            ),
            key=key,
        )
    return posters


def make_readers(hooks: Mapping[str, str]) -> Mapping[str, Reader]:
    """Make the recipients, each with a fresh key; `hooks` gives each webhook's URL by id."""
    readers = {}
    for id_, organisation, organisation_class, role, channels, sealing in _RECIPIENTS:
        private, key = _key_pair(sealing, id_)
        endpoints = tuple(_endpoint(id_, channel, hooks, key) for channel in channels)
        readers[id_] = Reader(
            recipient=Recipient(
                id=RecipientId(id_),
                organisation=organisation,
                organisation_class=organisation_class,
                role=role,
                areas=frozenset({PRISON if id_ == "in-reach" else AREA}),
                endpoints=endpoints,
                associate=_DESIGNATED if id_ == "gp" else None,
                agreement_ref="ISA-EXAMPLESHIRE v1",
                renditions=_RENDITIONS.get(id_, ()),
            ),
            private=private,
        )
    return readers


def mailbox(id_: str) -> str:
    """Return the mailbox of a recipient."""
    return f"{id_}@exampleshire.example.org"


def _endpoint(
    id_: str, channel: ChannelName, hooks: Mapping[str, str], key: RecipientKey | None
) -> Endpoint:
    name = EndpointId(f"{id_}/{channel}")
    keys = (confirmed(key, at=clock.now(), by="demonstration"),) if key else ()
    if channel == "sms":
        return Endpoint(id=name, channel=channel, address=DUTY_PHONE)
    if channel == "email":
        smime: Literal["gcm"] | None = "gcm" if key else None
        return Endpoint(id=name, channel=channel, address=mailbox(id_), keys=keys, smime=smime)
    secret = generate_shared_secret()
    return Endpoint(id=name, channel=channel, address=hooks[id_], keys=keys, signing_secret=secret)


def _key_pair(sealing: Sealing, id_: str) -> tuple[bytes | None, RecipientKey | None]:
    if sealing == "none":
        return None, None
    if sealing == "cms":
        now = clock.now()
        private, public = mail_identity(
            mailbox(id_),
            mailbox=mailbox(id_),
            valid_from=now - dt.timedelta(minutes=5),
            valid_until=now + dt.timedelta(days=30),
        )
    elif sealing == "jwe":
        private, public = jwe.generate("P-256")
    else:
        private, public = hpke.generate()
    return private.encode(), recipient_key(sealing, public)
