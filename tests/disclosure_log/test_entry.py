"""Entries: exact bytes, nothing personal, nothing ill-formed."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from gateway.disclosure_log import entry
from gateway.disclosure_log.entry import Entry
from gateway.disclosure_log.fsck import entry_flaw
from gateway.model.decision import Grant, Reason, Withheld
from gateway.model.ids import (
    AgencyName,
    AlertId,
    BasisId,
    EndpointId,
    EventRef,
    PersonRef,
    ReceiptId,
    RecipientId,
    RuleId,
    TaskId,
)
from gateway.model.staff import ApprovalId
from gateway.model.strict_json import read_object

AT = datetime(2026, 3, 1, 9, 30, 0, 123_999, UTC)

EVENT, PERSON, ALERT = EventRef("evt_1"), PersonRef("per_1"), AlertId("alt_1")
RECIPIENT, ENDPOINT = RecipientId("childrens-leeds"), EndpointId("childrens-leeds/webhook")
AGENCY = AgencyName("prison")

GRANT = Grant(
    rule=RuleId("children-six-weeks"),
    basis=BasisId("LB06"),
    citation="Criminal Justice Act 2003 s.325",
    regime="P3",
    condition="safeguarding",
    purpose="safeguarding_children",
    members=("custody.planned_date", "identifiers.crn"),
    for_action=True,
    acknowledge_within=timedelta(days=2),
)
REASON = Reason(code="no-rule", text="No rule lets a landlord learn this.", rule=RuleId("r1"))


def disclosed(*, agreement: str | None = "ISA-1", deadline: datetime | None = AT) -> Entry:
    return entry.disclosure(
        at=AT,
        alert=ALERT,
        event=EVENT,
        person=PERSON,
        recipient=RECIPIENT,
        role="childrens_services",
        endpoint=ENDPOINT,
        channel="webhook",
        form="sealed",
        grants=[GRANT],
        withheld=[
            Withheld(group="victim", reason=REASON),
            Withheld(group="offence", reason=Reason(code="no-need", text="Not needed.")),
        ],
        rulebook="ab" * 32,
        payload_mac="cd" * 32,
        agreement=agreement,
        actor="prison",
        acknowledge_by=deadline,
    )


EVERY = [
    entry.genesis(at=AT, origin="log.example.org", rulebook="ab" * 32),
    entry.collection(
        at=AT,
        event=EVENT,
        person=PERSON,
        agency=AGENCY,
        kind="release.planned",
        receipt=ReceiptId("rcp_1"),
        body_mac="ef" * 32,
    ),
    entry.combination(
        at=AT, person=PERSON, identifiers=["noms", "crn"], agency=AGENCY, event=EVENT
    ),
    entry.alteration(at=AT, event=EVENT, person=PERSON, agency=AGENCY, corrects=EventRef("evt_0")),
    entry.consultation(at=AT, what="log", start=0, end=256),
    disclosed(),
    entry.refusal(
        at=AT,
        event=EVENT,
        person=PERSON,
        recipient=RECIPIENT,
        role="landlord",
        reasons=[REASON],
        rulebook="ab" * 32,
    ),
    entry.decision(
        at=AT,
        task=TaskId("tsk_1"),
        person=PERSON,
        event=EVENT,
        recipient=RECIPIENT,
        rule=RuleId("r1"),
        outcome="approved",
        decider="mappa-chair-1",
    ),
    entry.attempt(
        at=AT,
        alert=ALERT,
        endpoint=ENDPOINT,
        channel="webhook",
        number=1,
        outcome="deferred",
        reason="http-503",
    ),
    entry.acknowledgement(
        at=AT, alert=ALERT, recipient=RECIPIENT, answer="rejected", means="link", reason="not-ours"
    ),
    entry.receipt(
        at=AT, alert=ALERT, endpoint=ENDPOINT, channel="email", state="failed", code="dsn-5.1.1"
    ),
    entry.sealing(
        at=AT,
        alert=ALERT,
        endpoint=ENDPOINT,
        channel="webhook",
        form="notice",
        reason="key-revoked",
        key_id=None,
    ),
    entry.escalation(
        at=AT,
        alert=ALERT,
        recipient=RECIPIENT,
        rung=1,
        to="nobody",
        reason="unanswered",
    ),
    entry.erasure(at=AT, person=PERSON, actor="dpo", reason="retention-ended"),
    entry.security(at=AT, code="replayed", agency=AGENCY),
    entry.directory(at=AT, action="add", subject=RECIPIENT, actor="operator", digest="12" * 32),
    entry.rulebook(at=AT, digest="ab" * 32, actor="operator"),
    entry.approval(
        at=AT,
        approval=ApprovalId("apr_1"),
        kind="gap",
        subject="12",
        state="proposed",
        by="dpo-01",
        reason="restored",
    ),
    entry.gap(
        at=AT,
        size=10,
        known_size=12,
        known_root=bytes(32),
        origin="log.example.org/2",
        proposed_by="dpo-01",
        approved_by="dpo-02",
        reason="restored",
    ),
    entry.log_key(at=AT, action="added", verifier="log.example.org+0+A", by="operator-01"),
    entry.sign_in(at=AT, staff=None, means="passkey", outcome="refused"),
]


@pytest.mark.parametrize("one", EVERY, ids=lambda one: one.op)
def test_every_operation_encodes_to_an_entry_the_audit_accepts(one: Entry) -> None:
    body = one.encode()
    assert entry_flaw(body) is None
    value = read_object(body)
    assert (value["v"], value["op"], value["at"]) == (1, one.op, "2026-03-01T09:30:00.123Z")
    assert None not in value.values()


def test_every_operation_of_the_log_has_its_function() -> None:
    assert {one.op for one in EVERY} == entry.OPERATIONS


def test_a_disclosure_is_exactly_these_bytes() -> None:
    assert disclosed().encode() == (
        b'{"acknowledge_by":"2026-03-01T09:30:00.123Z","actor":"prison","agreement":"ISA-1",'
        b'"alert":"alt_1","at":"2026-03-01T09:30:00.123Z","channel":"webhook",'
        b'"endpoint":"childrens-leeds/webhook","event":"evt_1","form":"sealed","grants":['
        b'{"acknowledge_within_s":172800,"basis":"LB06","condition":"safeguarding",'
        b'"for_action":true,"members":["custody.planned_date","identifiers.crn"],'
        b'"purpose":"safeguarding_children","regime":"P3","rule":"children-six-weeks"}],'
        b'"message":"NOTIFY","op":"disclosure","payload_mac":"'
        + b"cd"
        * 32
        + b'","person":"per_1",'
        b'"recipient":"childrens-leeds","role":"childrens_services","rulebook":"'
        + b"ab"
        * 32
        + b'","v":1,"withheld":[{"code":"no-rule","group":"victim","rule":"r1"},'
        b'{"code":"no-need","group":"offence"}]}'
    )


def test_reasons_enter_as_codes_and_never_as_sentences() -> None:
    for one in EVERY:
        assert b"landlord learn" not in one.encode()


def test_what_is_not_stated_is_left_out() -> None:
    value = read_object(disclosed(agreement=None, deadline=None).encode())
    assert "agreement" not in value
    assert "acknowledge_by" not in value
    tried = entry.attempt(
        at=AT,
        alert=ALERT,
        endpoint=ENDPOINT,
        channel="sms",
        number=1,
        outcome="accepted",
        reason=None,
    )
    assert b"reason" not in tried.encode()


def test_kinds_of_identifier_are_in_one_order() -> None:
    assert b'"identifiers":["crn","noms"]' in EVERY[2].encode()


def test_times_are_utc_in_milliseconds_whatever_the_zone() -> None:
    zone = timezone(timedelta(hours=1))
    assert entry.timestamp(datetime(2026, 7, 1, 0, 30, tzinfo=zone)) == "2026-06-30T23:30:00.000Z"
    assert entry.timestamp(datetime(1, 1, 1, tzinfo=UTC)) == "0001-01-01T00:00:00.000Z"


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="aware"):
        entry.security(at=datetime(2026, 3, 1), code="x", agency=None)  # noqa: DTZ001


@pytest.mark.parametrize("nested", ["x" * 301, ["x" * 301], {"a": {"b": ["x" * 301]}}])
def test_a_text_long_enough_for_a_narrative_is_refused(nested: object) -> None:
    with pytest.raises(ValueError, match="300"):
        Entry(op="security", at=AT, fields={"code": nested})  # type: ignore[dict-item]
    with pytest.raises(ValueError, match="300"):
        entry.erasure(at=AT, person=PERSON, actor="dpo", reason="x" * 301)
    assert entry.erasure(at=AT, person=PERSON, actor="dpo", reason="x" * 300).encode()


@pytest.mark.parametrize("name", ["v", "op", "at"])
def test_no_field_hides_what_the_entry_is(name: str) -> None:
    with pytest.raises(ValueError, match="rename"):
        Entry(op="security", at=AT, fields={name: "x"})


def test_an_unknown_operation_is_refused() -> None:
    with pytest.raises(ValueError, match="operation"):
        Entry(op="deletion", at=AT, fields={})


def test_an_entry_too_long_for_a_bundle_is_refused() -> None:
    fits = Entry(op="security", at=AT, fields={"list": ["x" * 300] * 200})
    assert len(fits.encode()) < 65_536
    with pytest.raises(ValueError, match="65535"):
        Entry(op="security", at=AT, fields={"list": ["x" * 300] * 220}).encode()


def test_a_text_that_is_not_unicode_is_refused() -> None:
    with pytest.raises(ValueError, match="canonical"):
        entry.security(at=AT, code="\ud800", agency=None).encode()


def test_a_mailbox_cannot_become_an_id() -> None:
    with pytest.raises(ValueError, match="mailbox"):
        entry.directory(
            at=AT, action="add", subject="jo@example.org", actor="operator", digest="12" * 32
        )


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "entry-not-json"),
        (b"[]", "entry-not-json"),
        (b'{"v":1,"v":1}', "entry-not-json"),
        (b'{"op":"security", "v":1}', "entry-not-canonical"),
        (b'{"v":1,"op":"security"}', "entry-not-canonical"),
        (b'{"at":"x","op":"security","v":1}\n', "entry-not-canonical"),
        (b'{"at":"x","op":"security","v":1.0}', "entry-not-canonical"),
        (b'{"at":"x","op":"security","v":2}', "entry-version"),
        (b'{"at":"x","op":"security","v":true}', "entry-version"),
        (b'{"at":1,"op":"security","v":1}', "entry-version"),
        (b'{"op":"security","v":1}', "entry-version"),
        (b'{"at":"x","op":"deletion","v":1}', "entry-operation"),
        (b'{"at":"x","op":["security"],"v":1}', "entry-operation"),
        (b'{"at":"x","v":1}', "entry-operation"),
    ],
)
def test_the_audit_names_what_is_wrong_with_an_entry(body: bytes, code: str) -> None:
    assert entry_flaw(body) == code
