"""Disclose: what is sealed, what is only announced, and what a bad key leads to."""

import base64
import dataclasses
import datetime as dt
import hashlib
import hmac
import itertools
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.alert import UNSAID, months_after
from gateway.candidates import Candidates
from gateway.decide import decide
from gateway.demo.cast import AREA, make_readers
from gateway.disclose import Disclosing, Revision, Told, disclose, recall
from gateway.disclosure_log.canonical import canonical_json
from gateway.instance import load_law
from gateway.known import with_event
from gateway.links import Links
from gateway.model.decision import Permit, Reason, Refusal, Withheld
from gateway.model.event import Event
from gateway.model.groups import GROUP_NAMES
from gateway.model.ids import AgencyName, AlertId, EventRef, PersonRef
from gateway.model.keyring import HeldKey, RecipientKey, confirmed
from gateway.model.party import Recipient
from gateway.model.person import Person, StatedGroup
from gateway.model.reference import reference
from gateway.model.strict_json import JsonObject
from keys.cms import MailSigner
from keys.seal import open_sealed
from tests import canaries
from tests.gateway_in_process import planned_release

NOW = dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC)
LINKS = Links(key=bytes(range(32)), public_url="https://gateway.example.org")
LAW = load_law()
READERS = make_readers({name: f"https://{name}.example.org/hook" for name in (
    "police-ppu", "probation", "in-reach", "cmht", "children", "housing", "hostel")})  # fmt: skip


def happened(kind: str = "release.planned") -> Event:
    return Event(
        ref=EventRef("evt_1"),
        agency=AgencyName("hmp-exampleton"),
        person=PersonRef("per_1"),
        kind=kind,
        occurred_at=NOW,
        received_at=NOW,
        groups=planned_release()["data"],
    )


def context(signer: MailSigner | None = None) -> Disclosing:
    counter = itertools.count(1)
    return Disclosing(
        instance="throughgate.example/test",
        new_id=lambda prefix: f"{prefix}_{next(counter):032x}",
        random_bytes=lambda length: b"\x07" * length,
        now=NOW,
        mail_signer=signer,
        links=LINKS,
    )


def decisions(recipients: list[Recipient], event: Event) -> list[Permit | Refusal]:
    return decide(
        event,
        with_event(Person(ref=event.person), event),
        before=None,
        candidates=Candidates(recipients),
        rulebook=LAW.rulebook,
        classes={AgencyName("hmp-exampleton"): "prison"},
        today=NOW.date(),
    )


def tell(recipient: Recipient, signer: MailSigner | None = None) -> Told:
    event = happened()
    [permit] = decisions([recipient], event)
    assert isinstance(permit, Permit)
    person = with_event(Person(ref=event.person), event)
    return disclose(permit, event, person, recipient, context(signer))


def with_keys(recipient: Recipient, *keys: HeldKey) -> Recipient:
    endpoints = [dataclasses.replace(one, keys=keys) for one in recipient.endpoints]
    return dataclasses.replace(recipient, endpoints=tuple(endpoints))


def test_a_webhook_gets_the_view_sealed_and_a_phone_gets_a_reference() -> None:
    reader = READERS["police-ppu"]
    told = tell(reader.recipient)
    hook, text = told.disclosures
    assert (hook.form, text.form) == ("sealed", "pointer")
    link = LINKS.pick_up(text.alert, text.endpoint, 0)
    assert text.sealed == f"{reference(hook.alert)}\n{link}".encode()
    assert told.refusals == ()
    content = orjson.loads(open_sealed(hook.sealed, reader.private or b""))
    assert content["alert"]["message_id"] == hook.alert == text.alert
    assert content["alert"]["facts"]["identity"]["family_name"] == canaries.NAME
    assert orjson.loads(told.alert.content + b"}")["alert"] == content["alert"]
    assert LINKS.is_answer(content["answer"]["token"], hook.alert)
    assert (hook.key_id, text.key_id) == (reader.recipient.endpoints[0].keys[0].key.key_id, None)


def test_the_entry_names_members_but_no_value_and_ties_to_the_content() -> None:
    reader = READERS["police-ppu"]
    told = tell(reader.recipient)
    for disclosure in told.disclosures:
        assert canaries.found_in(disclosure.entry.decode()) == []
    content = orjson.loads(open_sealed(told.disclosures[0].sealed, reader.private or b""))
    assert base64.b64decode(content["entry"]) == told.disclosures[0].entry
    logged = orjson.loads(told.disclosures[0].entry)
    key = base64.b64decode(content["digest_key"])
    mac = hmac.new(key, canonical_json(content["alert"]), hashlib.sha256).hexdigest()
    assert logged["payload_mac"] == mac
    members = {path for grant in logged["grants"] for path in grant["members"]}
    shown = {
        f"{group}.{member}"
        for group, facts in content["alert"]["facts"].items()
        for member in facts
        if member not in {"as_of", "assertion", "source_system", "verified"}
    }
    assert shown == members


def test_nothing_outside_the_sealed_bytes_shows_the_person() -> None:
    for reader in (READERS["police-ppu"], READERS["probation"]):
        for disclosure in tell(reader.recipient).disclosures:
            shown = repr(dataclasses.replace(disclosure)) + disclosure.sealed.decode("latin-1")
            assert canaries.found_in(shown) == []


NONSENSE = RecipientKey(form="hpke", key_id="k", public="thpk_nonsense")
GOOD = READERS["probation"].recipient.endpoints[0].keys[0]
DAY = dt.timedelta(days=1)


@pytest.mark.parametrize(
    ("code", "keys"),
    [
        ("no-key", ()),
        ("length", (confirmed(NONSENSE, at=NOW, by="DPO-EXAMPLE"),)),
        ("unconfirmed", (dataclasses.replace(GOOD, confirmed_at=None),)),
        ("expired", (dataclasses.replace(GOOD, valid_until=NOW - DAY),)),
        ("not-yet-valid", (dataclasses.replace(GOOD, valid_from=NOW + DAY),)),
        ("revoked", (dataclasses.replace(GOOD, revoked_at=NOW),)),
        ("unvouched", (dataclasses.replace(GOOD, needs_vouching=True),)),
        (
            "unvouched",
            (dataclasses.replace(GOOD, needs_vouching=True, vouched_until=NOW - DAY),),
        ),
    ],
)
def test_without_a_usable_key_only_a_content_free_notice_leaves_and_a_refusal_says_why(
    code: str, keys: tuple[HeldKey, ...]
) -> None:
    told = tell(with_keys(READERS["probation"].recipient, *keys))
    [disclosure] = told.disclosures
    assert (disclosure.form, disclosure.key_id) == ("notice", None)
    assert canaries.found_in(disclosure.sealed.decode()) == []
    [refusal] = told.refusals
    assert refusal.reasons[0].code == f"key-{code}"


def test_a_confirmed_key_is_used_though_another_waits_to_be_confirmed() -> None:
    newer = dataclasses.replace(GOOD, key=NONSENSE, confirmed_at=None)
    [disclosure] = tell(with_keys(READERS["probation"].recipient, GOOD, newer)).disclosures
    assert (disclosure.form, disclosure.key_id) == ("sealed", GOOD.key.key_id)


def test_mail_falls_back_to_a_notice_when_it_cannot_be_sealed() -> None:
    told = tell(READERS["mappa"].recipient, signer=None)  # nothing to sign with
    [disclosure] = told.disclosures
    assert disclosure.form == "notice"
    assert b"It is not in this email." in disclosure.sealed
    assert canaries.found_in(disclosure.sealed.decode()) == []
    assert told.refusals[0].reasons[0].code.startswith("key-")
    assert orjson.loads(disclosure.entry)["form"] == "notice"


def test_the_acknowledgement_deadline_is_the_rules() -> None:
    told = tell(READERS["police-ppu"].recipient)
    assert told.alert.acknowledge_within == dt.timedelta(days=2)
    assert told.alert.acknowledge_by == NOW + dt.timedelta(days=2)


def test_a_kind_no_rule_names_is_one_refusal_to_nobody_in_particular() -> None:
    recipients = [reader.recipient for reader in READERS.values()]
    for kind in ("person.linked", "person.merged", "event.corrected"):
        [refusal] = decisions(recipients, happened(kind))
        assert isinstance(refusal, Refusal)
        assert (refusal.recipient, refusal.reasons[0].code) == ("*", "no-rule")


def test_recipients_of_other_areas_are_not_candidates() -> None:
    elsewhere = dataclasses.replace(READERS["police-ppu"].recipient, areas=frozenset({"elsewhere"}))
    assert decisions([elsewhere], happened()) == []
    assert AREA in READERS["police-ppu"].recipient.areas


def test_who_the_record_names_is_a_candidate_wherever_they_are() -> None:
    event = happened()
    event.groups["health_routing"] = {  # type: ignore[index]  # the test's own copy
        "mental_health_team": {"name": "Exampleshire Mental Health Trust"}
    }
    cmht = dataclasses.replace(READERS["cmht"].recipient, areas=frozenset({"elsewhere"}))
    [permit] = decisions([cmht], event)
    assert isinstance(permit, Permit)


def test_in_reach_is_the_team_of_the_holding_prison_and_no_other() -> None:
    own = READERS["in-reach"].recipient
    [permit] = decisions([own], happened())
    assert isinstance(permit, Permit)
    for areas in ({AREA}, {"EXJ", AREA}, set[str]()):
        other = dataclasses.replace(own, areas=frozenset(areas))
        assert not any(isinstance(one, Permit) for one in decisions([other], happened()))


def test_an_error_while_deciding_is_a_refusal_that_says_so() -> None:
    broken = dataclasses.replace(READERS["police-ppu"].recipient, organisation_class="no-such")
    [refusal] = decisions([broken], happened())
    assert isinstance(refusal, Refusal)
    assert refusal.reasons


@pytest.mark.parametrize("name", sorted(READERS))
def test_every_view_is_within_the_permit(name: str) -> None:
    event = happened()
    for decision in decisions([READERS[name].recipient], event):
        if isinstance(decision, Permit):
            assert set(decision.groups) <= set(GROUP_NAMES)
            assert set(decision.groups) <= set(event.groups)


def read(told: Told, private: bytes | None) -> dict[str, Any]:
    content = orjson.loads(open_sealed(told.disclosures[0].sealed, private or b""))
    alert: dict[str, Any] = content["alert"]
    return alert


def test_an_alert_carries_what_its_reader_needs_to_judge_it() -> None:
    """DPA 2018 s.38(2), (3) and (5)(b); domain facts 9.1."""
    reader = READERS["police-ppu"]
    alert = read(tell(reader.recipient), reader.private)
    assert alert["message_type"] == "NOTIFY"
    assert alert["supersedes"] is None
    assert alert["recipient_type"] in {"FA", "FI"}
    assert alert["marking"] == "OFFICIAL-SENSITIVE"
    assert alert["subject_category"] == "UNKNOWN"
    assert alert["review_due"] == "2027-05-20"
    assert alert["ack_required_by"]
    assert {one["name"] for one in alert["groups"]} == set(alert["facts"])
    for group in alert["groups"]:
        assert GROUP_NAMES[int(group["code"].removeprefix("G")) - 1] == group["name"]
        assert (group["assertion"], group["source_system"]) == ("FACT", "NOMIS")
        assert (group["verified"], group["controller"]) == (True, "hmp-exampleton")
        assert group["completeness"] in {"COMPLETE", "MINIMISED", "NOT_STATED"}
    for grant in alert["grants"]:
        assert grant["legal_basis_id"]
        assert grant.keys() >= {"condition", "policy_document", "decided_by", "citation"}


@pytest.mark.parametrize(
    ("convicted", "category"), [(True, "CONVICTED"), (False, "SUSPECT"), (None, "UNKNOWN")]
)
def test_the_kind_of_subject_is_named(convicted: bool | None, category: str) -> None:
    stated: JsonObject = {} if convicted is None else {"convicted": convicted}
    offence = StatedGroup(members=stated, controller=AgencyName("hmp-exampleton"), as_of=NOW)
    alert = alert_about({"offence": offence}, permit())
    assert alert["subject_category"] == category


def test_groups_whose_mere_existence_tells_something_are_never_named_as_withheld() -> None:
    alert = alert_about({}, permit(*GROUP_NAMES))
    named = {GROUP_NAMES[int(code.removeprefix("G")) - 1] for code in alert["withheld_groups"]}
    assert named == set(GROUP_NAMES) - UNSAID - {"custody"}
    assert {"victim", "children", "health_clinical", "handling"} <= UNSAID
    assert {"risk_narrative", "licence", "health_routing"} <= UNSAID


def test_a_group_given_in_part_says_so_unless_that_would_tell_something() -> None:
    custody = StatedGroup(
        members={"prison": "EXI", "planned_date": "2027-01-01"},
        controller=AgencyName("hmp-exampleton"),
        as_of=NOW,
    )
    licence = dataclasses.replace(
        custody, members={"conditions": ["x"], "electronic_monitoring": True}
    )
    one = permit(members=("custody.prison", "licence.electronic_monitoring"))
    alert = alert_about({"custody": custody, "licence": licence}, one)
    assert {group["name"]: group["completeness"] for group in alert["groups"]} == {
        "custody": "MINIMISED",
        "licence": "NOT_STATED",
    }
    whole = permit(members=("custody.prison", "custody.planned_date"))
    [group] = alert_about({"custody": custody}, whole)["groups"]
    assert group["completeness"] == "COMPLETE"


def permit(*withheld: str, members: tuple[str, ...] = ("custody.prison",)) -> Permit:
    """Return the police's permit with these members and withheld groups in place of its own."""
    [made] = decisions([READERS["police-ppu"].recipient], happened())
    assert isinstance(made, Permit)
    grant = dataclasses.replace(made.grants[0], members=tuple(sorted(members)))
    reason = Reason(code="no-need", text="Not needed.")
    return dataclasses.replace(
        made,
        grants=(grant,),
        withheld=tuple(Withheld(group=group, reason=reason) for group in withheld),
    )


def alert_about(facts: dict[str, StatedGroup], made: Permit) -> dict[str, Any]:
    reader = READERS["police-ppu"]
    person = Person(ref=PersonRef("per_1"), facts=facts)
    return read(disclose(made, happened(), person, reader.recipient, context()), reader.private)


def test_a_recall_names_what_to_disregard_and_why_and_tells_nothing() -> None:
    reader = READERS["police-ppu"]
    revision = Revision(message="RECALL", supersedes=AlertId("alt_0"), revised_by=EventRef("evt_2"))
    told = recall(
        happened(), reader.recipient, "wrong-merge", context(), revision, LAW.rulebook.digest
    )
    assert {one.channel for one in told.disclosures} == {"webhook", "sms"}
    alert = read(told, reader.private)
    assert (alert["message_type"], alert["supersedes"]) == ("RECALL", "alt_0")
    assert alert["reason"] == "wrong-merge"
    assert not {"facts", "grants", "groups", "withheld_groups"} & alert.keys()
    assert told.alert.urgent
    for one in told.disclosures:
        logged = orjson.loads(one.entry)
        assert (logged["message"], logged["supersedes"]) == ("RECALL", "alt_0")
        assert (logged["revised_by"], logged["reason"]) == ("evt_2", "wrong-merge")
        assert (logged["grants"], logged["basis"]) == ([], "DPA 2018 s.38(5)(c)")


@given(st.dates(dt.date(2000, 1, 1), dt.date(2100, 1, 1)), st.integers(0, 60))
def test_months_after_is_the_same_day_or_the_months_last(day: dt.date, months: int) -> None:
    later = months_after(day, months)
    assert (later.year * 12 + later.month) - (day.year * 12 + day.month) == months
    assert later.day == day.day or (later + dt.timedelta(days=1)).day == 1


def test_references_are_short_opaque_and_differ() -> None:
    one, two = (AlertId("alt_" + digit * 32) for digit in "ab")
    assert reference(one) == "AAA-AAA-AAA-AAA"
    assert reference(one) != reference(two)
