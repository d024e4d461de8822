"""What the log's codes mean, in a sentence a data protection officer can put in a letter."""

from collections.abc import Mapping
from typing import Final

REASONS: Final[Mapping[str, str]] = {  # why a recipient was told nothing, or not of a group
    "no-rule": "No rule tells this role of this kind of event in a case of this class.",
    "outside-area": "A rule would, but the person's areas are not among those this recipient"
    " serves.",
    "area-unknown": "A rule would, but nobody has stated where the person will be.",
    "not-recorded-carer": "A rule would, but this is not the practice or team recorded as caring"
    " for the person.",
    "lodges-elsewhere": "A rule would, but the recorded accommodation is another provider's.",
    "forbidden": "A rule of the rulebook forbids it.",
    "forbidden-group": "A rule of the rulebook holds this part back from this role.",
    "human-decision": "Only a named person may decide that this role is told.",
    "role-not-held": "An organisation of this class does not hold this role.",
    "sender-may-not-rely": "The legal basis gives the controller of the facts no power to"
    " disclose.",
    "route-not-open": "The legal basis opens no route from that controller to this recipient.",
    "associate-not-designated": "The recipient may be told only as a designated Associate (CJA 2003"
    " s.325(4A)(c)), and no designation is recorded.",
    "associate-not-in-force": "The recipient's designation does not cover that day (CJA 2003"
    " s.325(4A)(c)).",
    "no-power": "The law named gives no power to disclose.",
    "not-a-mappa-person": "No MAPPA category is stated, so CJA 2003 s.325(2) is not met.",
    "not-convicted": "The person is stated not to be convicted, so CJA 2003 s.325(2) is not met.",
    "no-risk-to-children": "The legal basis needs a stated risk to children.",
    "no-adult-at-risk": "The legal basis needs a stated risk to a known adult.",
    "not-a-restricted-patient": "The legal basis needs a hospital order with restrictions.",
    "victim-not-opted-in": "No victim is recorded as having asked for contact.",
    "not-homeless-within-56-days": "The legal basis needs homelessness now or within 56 days.",
    "housing-consent-missing": "The person's consents to a homelessness referral are not recorded.",
    "authority-not-chosen": "The person chose another housing authority.",
    "human-only": "The legal basis is a person's to rely on, never a rule's.",
    "no-sensitive-condition": "The legal basis states no condition for sensitive processing (DPA"
    " 2018 s.35(5)).",
    "policy-document-missing": "No appropriate policy document of the controller covered the"
    " condition that day (DPA 2018 ss.35(5) and 42).",
    "no-need": "No rule that applied gives this role any of this part.",
    "minimised": "This role is given only what it needs of this part.",
    "nothing-to-disclose": "A rule applied, but none of the facts it names were held.",
    "evaluation-error": "Deciding failed, so nothing was disclosed.",
    "revises-an-earlier-event": "A correction tells nobody by itself: what it says is told as the"
    " event it revises.",
    "revises-nothing": "It corrects or retracts something that no longer stood.",
    "undoes-an-untold-movement": "The movement was undone before anybody was told of it.",
    "recipient-gone": "The recipient was no longer in the directory.",
    "event-retracted": "The event had been retracted.",
    "erased": "The person's record was erased.",
}
MESSAGES: Final[Mapping[str, str]] = {  # what an alert is, as one is told
    "NOTIFY": "told",
    "UPDATE": "told newer information",
    "CORRECTION": "sent a correction",
    "RECALL": "sent a recall",
    "CHASE": "reminded that an alert is unanswered",
    "TEST": "sent a test",
}
READINGS: Final[Mapping[str, str]] = {  # what a consultation read
    "log": "entries of the log",
    "timeline": "the person's timeline",
    "record": "the person's record",
    "decision": "why a task was decided as it was",
    "justification": "why somebody else had looked",
    "alert": "an alert, at its pick-up page or by their system",
    "duties": "what is owed about people",
    "events": "events, to replay them under another rulebook",
    "statistics": "events, to count them",
    "audit.told": "the log: what a recipient was told",
    "audit.who-knows": "the log: who was told",
    "audit.refused": "the log: why somebody was not told",
    "audit.rule": "the log: what left by one rule",
    "audit.merge": "the log: what a merge touched",
    "audit.genuine": "the log: whether an alert is genuine",
    "audit.looked": "the log: who looked",
    "audit.breach": "the log: what a breach exposed",
    "audit.lapsed": "the log: disclosures on lapsed documents",
    "audit.disclosures": "the log: to whom the person's facts went, for the person",
}
RECALLED: Final[Mapping[str, str]] = {  # why an alert was put right
    "retracted": "the sender took it back",
    "corrected-no-longer-entitled": "on the corrected facts they were not to be told",
    "wrong-merge": "it was about somebody else",
    "reversed": "what it told of was undone",
}
