"""MARAC referral forms in, research requests and outcome notes out.

A multi-agency risk assessment conference takes victims of domestic abuse at high risk. The person
an event is about is the one who puts them at risk.
Source: D38, D39; matrix R13. The form is our own published contract.
"""

from typing import Final

from adapters.contract import Adapter
from adapters.kit.referral_conference import Conference

ADAPTER: Final[Adapter] = Conference(
    name="marac",
    title="MARAC",
    kind="conference.marac_referred",
    grounds={
        "visible_high_risk": "visible high risk",
        "professional_judgement": "the referrer's professional judgement",
        "escalation": "potential escalation",
    },
    questions=(
        "Is the person known to you, and under which other names or addresses?",
        "What contact have you had with them in the last 12 months, and what came of it?",
        "What do you hold on abuse, threats, stalking, weapons or breaches of orders?",
        "Are children or adults with care needs in any household they live in or visit?",
        "What do you propose to do, and what must the others know before they act?",
    ),
    of_abuse=True,
).adapter()
