"""ODOC referral forms in, research requests and outcome notes out.

An Other Dangerous Offenders Conference takes people who are dangerous and outside MAPPA.
Source: D39; matrix R13. The form is our own published contract.
"""

from typing import Final

from adapters.contract import Adapter
from adapters.kit.referral_conference import Conference

ADAPTER: Final[Adapter] = Conference(
    name="odoc",
    title="ODOC",
    kind="conference.odoc_referred",
    grounds={
        "violence": "a risk of serious violence",
        "sexual_harm": "a risk of sexual harm",
        "weapons": "a risk from access to weapons",
        "stalking": "a risk of stalking or harassment",
        "professional_judgement": "the referrer's professional judgement",
    },
    questions=(
        "Is the person known to you, and under which other names or addresses?",
        "What contact have you had with them in the last 12 months, and what came of it?",
        "What do you hold on violence, weapons, threats, stalking or breaches of orders?",
        "Who may be at risk, and do they or their household already have support?",
        "Is there ground for MAPPA Category 3: an offence, and a risk that needs several agencies?",
        "What do you propose to do, and what must the others know before they act?",
    ),
).adapter()
