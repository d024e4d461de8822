"""ODOC referral forms in, research requests and outcome notes out.

An Other Dangerous Offenders Conference takes people who are dangerous and outside MAPPA.
Source: D39; matrix R13. The form is our own published contract.
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

_NAME: Final = "odoc"
_KIND: Final = "conference.odoc_referred"
_GROUNDS: Final = {
    "violence": "a risk of serious violence",
    "sexual_harm": "a risk of sexual harm",
    "weapons": "a risk from access to weapons",
    "stalking": "a risk of stalking or harassment",
    "professional_judgement": "the referrer's professional judgement",
}
_QUESTIONS: Final = (
    "Is the person known to you, and under which other names or addresses?",
    "What contact have you had with them in the last 12 months, and what came of it?",
    "What do you hold on violence, weapons, threats, stalking or breaches of orders?",
    "Who may be at risk, and do they or their household already have support?",
    "Is there ground for MAPPA Category 3: an offence, and a risk that needs several agencies?",
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
    form = read_referral(body, _NAME, "ODOC", ("odoc-referral",))
    read_consent(form)
    risk = risk_of(form)
    abuse = form.members.flag("domestic_abuse")
    form.members.ignore("conference_on")  # when it sits is the conference's own calendar
    said = Said(
        facts={
            "offence": {
                "domestic_abuse": abuse,
                "convicted": form.members.flag("convicted"),
            },
            "rosh": rosh_of(risk, form.event_type),
            "risk_narrative": narrative_of(risk, _GROUNDS, form.event_type),
            "victim": victim_of(form.members, of_abuse=abuse is True),
            "children": children_of(form.members),
            "location": area_of(form),
        },
        assertions={"offence": "assessment", "children": "assessment"},
    )
    return form.reports(_KIND, source, said)


ADAPTER: Final = Adapter(
    name=_NAME,
    title="ODOC referral form",
    inbound=reads(translate),
    outbound=(
        research_request("ODOC", _KIND, _QUESTIONS).outbound(),
        outcome("ODOC").outbound(),
    ),
)
