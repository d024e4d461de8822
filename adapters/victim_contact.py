"""Victim liaison forms in: a victim's opting in to contact. The release-area notice to the liaison
officer out.

A request for a licence condition is not a condition in force: it needs a human, and becomes a fact
only when the record that holds the licence states it.
Source: DVCV Act 2004 ss.35-45 (LB08); D43; matrix R14. The forms are our own published contract.
"""

from typing import Final, NoReturn

from adapters.contract import Adapter, Translation
from adapters.kit.referral import Referral, Said, professional, read_referral, reads
from adapters.kit.referral_conference import victim_of
from adapters.kit.referral_form import AllowList, Form, lacks
from gateway.model.alert import Alert
from gateway.model.strict_json import JsonObject

_NAME: Final = "victim_contact"
_REQUEST: Final = "licence-condition-request"
_FORMS: Final = ("opt-in", _REQUEST)
# True: somebody has yet to decide. A decided one is stated by the record that holds the licence.
_DECISIONS: Final = {
    "requested": True, "agreed": False, "refused": False, "withdrawn": False,
}  # fmt: skip
_ABOUT_RELEASE: Final[AllowList] = {
    "custody": ("planned_date", "confirmed_date", "released_at", "cancelled_because"),
    "location": ("home_area", "areas_of_interest"),
    "licence": ("victim_conditions", "no_contact_conditions"),
}
_NOTICE: Final[AllowList] = {
    "identity": ("family_name", "given_names"),
    "identifiers": ("crn",),
    **_ABOUT_RELEASE,
}


def translate(body: bytes, source: str) -> Translation:
    """Return the opting in that one form reports.

    Raises:
        MalformedEvent: the form cannot be read.
        UnsupportedEvent: a request already decided; or needs a human: a request for a condition, a
            victim who does not opt in or no longer does, a code with no known meaning.

    Pure.
    """
    form = read_referral(body, _NAME, "Victim contact scheme", _FORMS)
    if form.form == _REQUEST:
        _refuse_request(form)
    return _opt_in(form, source)


def _opt_in(form: Referral, source: str) -> Translation:
    opted_in = form.members.flag("opted_in")
    if opted_in is None:
        raise form.members.malformed("opted_in", "required")
    if not opted_in:
        # No kind says so: whoever stated the opting in retracts that event.
        reason = "a victim does not opt in, or no longer does"
        raise form.members.unclear("opted_in", reason, event_type=form.event_type)
    officer = professional(form, "liaison_officer")
    victim: JsonObject = {"contact_opted_in": True, "liaison_officer": officer.get("name")}
    said = Said(
        facts={
            "victim": {**victim_of(form.members), **victim},
            "professionals": {"victim_liaison_officer": officer},
        }
    )
    return form.reports("victim.contact_opted_in", source, said)


def _refuse_request(form: Referral) -> NoReturn:
    members = form.members
    members.needed("status")
    if members.code("status", _DECISIONS, event_type=form.event_type):
        reason = "a condition asked for is not in force: the offender manager decides"
        raise members.unclear("status", reason, event_type=form.event_type)
    reason = "decided: the record that holds the licence states what is in force"
    raise members.unsupported("status", reason, event_type=form.event_type)


def _declines(alert: Alert) -> tuple[str, ...]:
    if lacks(alert, _ABOUT_RELEASE):
        return ("no date, area or condition that protects a victim was told",)
    return ()


ADAPTER: Final = Adapter(
    name=_NAME,
    title="Victim contact scheme form",
    inbound=reads(translate),
    outbound=(
        Form(
            name="release-area-notice",
            title="Release-area notice to the victim liaison officer",
            allowed=_NOTICE,
            declines=_declines,
        ).outbound(),
    ),
)
