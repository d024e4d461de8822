"""What each agency's own system sends, in its own form. Nobody here exists."""

import csv
import datetime as dt
import io
from typing import Final

import orjson

from gateway.demo.cast import AREA, HOUSING, PRISON

NOMS: Final = "Z0001ZZ"
CRN: Final = "Z000001"
NHS_NUMBER: Final = "9990000018"
FAMILY_NAME: Final = "Specimen-Quartz"
STREET: Final = "14 Nowhere Lane"
NEW_STREET: Final = "3 Elsewhere Row"
TRIGGERS: Final = "Whittlestone Fictional, if approached"

RELEASE_BOARD: Final = "release_board"

# The prison's own spreadsheet of releases: one line a change, read by a mapping and no program.
RELEASE_BOARD_MAPPING: Final = f"""\
name = "{RELEASE_BOARD}"
title = "Release board of HMP Exampleton"
format = "csv"
system = "Release board"
told_apart_by = ["Line"]
kind = {{ fixed = "release.planned" }}
time = {{ column = "Entered" }}
provenance = {{ verified = true }}
correction = {{ column = "Corrects line" }}

[[field]]
column = "Prison number"
to = "identifiers.noms"
required = true

[[field]]
column = "Surname"
to = "identity.family_name"

[[field]]
column = "Forenames"
to = "identity.given_names"

[[field]]
column = "Born"
to = "identity.date_of_birth"
form = "DD/MM/YYYY"

[[field]]
column = "Prison"
to = "custody.prison"

[[field]]
column = "Release type"
to = "custody.release_type"
codes = {{ "SED, no licence" = "SED_NO_LICENCE", "CRD" = "CONDITIONAL" }}

[[field]]
column = "Release date"
to = "custody.planned_date"
form = "DD/MM/YYYY"

[[field]]
column = "Sentence expires"
to = "custody.sentence_expiry_date"
form = "DD/MM/YYYY"

[[field]]
column = "On licence"
to = "custody.licence"

[[field]]
column = "Risk to children"
to = "children.at_risk"

[[field]]
column = "Contact with children"
to = "children.contact_restrictions"
separator = ";"

[[field]]
column = "Victim recorded"
to = "victim.recorded"

[[field]]
column = "Victim's area"
to = "victim.address_area"

[[field]]
column = "Address is"
to = "location.address_status"
codes = {{ P = "PROPOSED", C = "CONFIRMED", N = "NFA" }}

[[field]]
column = ["Address 1", "Address 2"]
to = "location.address.lines"

[[field]]
column = "Postcode"
to = "location.address.postcode"

[[field]]
column = "Area"
to = "location.home_area"

[[field]]
column = "Agrees to referral"
to = "location.housing_referral.consent_to_referral"

[[field]]
column = "Agrees to contact"
to = "location.housing_referral.consent_to_contact"

[[field]]
column = "Council chosen"
to = "location.housing_referral.chosen_authority"
"""


def released(now: dt.datetime, noms: str, code: str) -> bytes:
    """Return a released message of HMPPS in its envelope, with this movement reason code."""
    event_type = "prison-offender-events.prisoner.released"
    message: dict[str, object] = {
        "eventType": event_type,
        "additionalInformation": {
            "nomsNumber": noms,
            "reason": "RELEASED",
            "details": f"Movement reason code {code}",
            "nomisMovementReasonCode": code,
            "currentLocation": "OUTSIDE_PRISON",
            "prisonId": PRISON,
            "currentPrisonStatus": "NOT_UNDER_PRISON_CARE",
        },
        "version": 1,
        "occurredAt": now.isoformat(),
        "publishedAt": now.isoformat(),
        "description": "A prisoner has been released from prison",
        "personReference": {"identifiers": [{"type": "NOMS", "value": noms}]},
    }
    return _sns(message, event_type, now)


def registration(now: dt.datetime) -> bytes:
    """Return a MAPPA registration as nDelius gives it: category 2, level 3."""
    return orjson.dumps(
        {
            "crn": CRN,
            "noms": NOMS,
            "asOf": now.isoformat(),
            "registrations": [
                {
                    "registerTypeCode": "MAPP",
                    "registerTypeDescription": "MAPPA",
                    "registrationId": "1000000001",
                    "registrationDate": "Fri Jun 14 00:00:00 BST 2024",
                    "createdDateAndTime": "Fri Jun 14 09:06:52 BST 2024",
                    "registrationCategoryCode": "M2",
                    "registrationCategoryDescription": "MAPPA Cat 2",
                    "registrationLevelCode": "M3",
                    "registrationLevelDescription": "MAPPA Level 3",
                }
            ],
        }
    )


def assessment(now: dt.datetime) -> bytes:
    """Return a summary of the risk of serious harm as OASys gives it."""
    return orjson.dumps(
        {
            "crn": CRN,
            "noms": NOMS,
            "assessmentId": "999000001",
            "assessedOn": (now - dt.timedelta(days=1)).date().isoformat(),
            "summary": {
                "whoIsAtRisk": "Members of the public; staff.",
                "riskIncreaseFactors": TRIGGERS,
                "overallRiskLevel": "VERY_HIGH",
                "riskInCommunity": {
                    "HIGH": ["Public", "Known adult"],
                    "MEDIUM": ["Children", "Staff"],
                },
            },
        }
    )


def release_line(now: dt.datetime, line: int, **cells: str) -> bytes:
    """Return one line of the release board under its heading."""
    stated = {"Line": str(line), "Entered": now.isoformat(), "Prison number": NOMS, **cells}
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, stated)
    writer.writeheader()
    writer.writerow(stated)
    return out.getvalue().encode()


def planned(now: dt.datetime) -> bytes:
    """Return the release as the board has it: today, at sentence end, with no licence."""
    return release_line(
        now,
        1,
        **{
            "Surname": FAMILY_NAME,
            "Forenames": "Synthetic",
            "Born": "01/01/1980",
            "Prison": PRISON,
            "Release type": "SED, no licence",
            "Release date": f"{now:%d/%m/%Y}",
            "Sentence expires": f"{now:%d/%m/%Y}",
            "On licence": "no",
            "Risk to children": "yes",
            "Contact with children": "No unsupervised contact",
            "Victim recorded": "yes",
            "Victim's area": "Nowhere Vale",
            **_address("P", STREET),
        },
    )


def corrected(now: dt.datetime) -> bytes:
    """Return the line that puts the address of the first one right."""
    return release_line(now, 2, **{"Corrects line": "1", **_address("C", NEW_STREET)})


def _address(status: str, street: str) -> dict[str, str]:
    return {
        "Address is": status,
        "Address 1": street,
        "Address 2": "Exampleton",
        "Postcode": "ZZ99 3WZ",
        "Area": AREA,
        "Agrees to referral": "yes",
        "Agrees to contact": "yes",
        "Council chosen": HOUSING,
    }


def _sns(message: dict[str, object], event_type: str, now: dt.datetime) -> bytes:
    """Wrap a domain event as it comes out of the topic."""
    return orjson.dumps(
        {
            "Type": "Notification",
            "MessageId": "00000000-0000-4000-8000-000000000001",
            "TopicArn": "arn:aws:sns:eu-west-2:000000000000:example-domain-events",
            "Message": orjson.dumps(message).decode(),
            "Timestamp": now.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "SignatureVersion": "1",
            "Signature": "",
            "SigningCertURL": "",
            "UnsubscribeURL": "",
            "MessageAttributes": {"eventType": {"Type": "String", "Value": event_type}},
        }
    )
