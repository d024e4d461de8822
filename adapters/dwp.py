"""The restrictions notice to Jobcentre Plus, out. Written, never read.

What work and internet use someone is not to be placed in, and whom to ask: no offence, no risk.
Source: CJA 2003 s.325(6)(b); matrix R20. The form is our own published contract.
"""

from typing import Final

from adapters.contract import Adapter
from adapters.kit.referral_form import CONTACT, NOT_STATED, AllowList, Form
from gateway.model.alert import Alert
from gateway.model.strict_json import JsonObject

_NOTICE: Final[AllowList] = {
    "identity": ("family_name", "given_names", "date_of_birth"),
    "identifiers": ("nino",),
    "licence": ("employment_conditions",),
    "custody": ("planned_date", "confirmed_date", "released_at"),
    "professionals": CONTACT,
    "handling": ("agreement_ref",),
}


def _declines(alert: Alert) -> tuple[str, ...]:
    # An update may well say that there are none any more; a first notice of none says nothing.
    if alert.message == "NOTIFY" and not alert.texts("licence", "employment_conditions"):
        return ("no condition on employment or the internet was told",)
    return ()


def _restrictions(alert: Alert) -> JsonObject:
    told = alert.texts("licence", "employment_conditions")
    return {} if told else {"restrictions": NOT_STATED}


ADAPTER: Final = Adapter(
    name="dwp",
    title="Restrictions notice to Jobcentre Plus",
    outbound=(
        Form(
            name="restrictions-notice",
            title="Restrictions notice to Jobcentre Plus",
            allowed=_NOTICE,
            declines=_declines,
            adds=_restrictions,
        ).outbound(),
    ),
)
