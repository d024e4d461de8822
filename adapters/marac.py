"""MARAC referral forms in, research requests and outcome notes out.

A multi-agency risk assessment conference takes victims of domestic abuse at high risk. The person
an event is about is the one who puts them at risk.
Source: D38, D39; matrix R13. The form is our own published contract.
"""

from typing import Final

from adapters.contract import Adapter, Translation
from adapters.kit.referral import Said, area_of, read_consent, read_referral, reads
from adapters.kit.referral_conference import (
    children_of,
    narrative_of,
    outcome,
    research_request,
    risk_of,
    rosh_of,
    victim_of,
)

_NAME: Final = "marac"
_KIND: Final = "conference.marac_referred"
# A ground says why a conference is asked to look. It is no level of risk of serious harm.
_GROUNDS: Final = {
    "visible_high_risk": "visible high risk",
    "professional_judgement": "the referrer's professional judgement",
    "escalation": "potential escalation",
}
_QUESTIONS: Final = (
    "Is the person known to you, and under which other names or addresses?",
    "What contact have you had with them in the last 12 months, and what came of it?",
    "What do you hold on abuse, threats, stalking, weapons or breaches of orders?",
    "Are children or adults with care needs in any household they live in or visit?",
    "What do you propose to do, and what must the others know before they act?",
)


def translate(body: bytes, source: str) -> Translation:
    """Return the referral that one form reports.

    Raises:
        MalformedEvent: the form cannot be read.
        UnsupportedEvent: needs a human: a code with no known meaning, consent refused without a
            reason to go on.

    Pure.
    """
    form = read_referral(body, _NAME, "MARAC", ("marac-referral",))
    read_consent(form)
    risk = risk_of(form)
    form.members.ignore("conference_on")  # when it sits is the conference's own calendar
    said = Said(
        facts={
            "offence": {"domestic_abuse": True, "convicted": form.members.flag("convicted")},
            "rosh": rosh_of(risk, form.event_type),
            "risk_narrative": narrative_of(risk, _GROUNDS, form.event_type),
            "victim": victim_of(form.members, of_abuse=True),
            "children": children_of(form.members),
            "location": area_of(form),
        },
        # Reported here, and found by no court.
        assertions={"offence": "assessment", "children": "assessment"},
    )
    return form.reports(_KIND, source, said)


ADAPTER: Final = Adapter(
    name=_NAME,
    title="MARAC referral form",
    inbound=reads(translate),
    outbound=(
        research_request("MARAC", _KIND, _QUESTIONS).outbound(),
        outcome("MARAC").outbound(),
    ),
)
