"""Prison alerts: what each code states, of which API, and what is never stated."""

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.contract import Translation, UnsupportedEvent
from adapters.nomis_alerts import ADAPTER
from adapters.nomis_alerts.codes import FLAGS, MATTERS, NOT_TOLD, TYPES
from gateway.model.event import CanonicalEvent
from gateway.model.groups import PROVENANCE
from gateway.model.problem import MalformedEvent
from tests.contract.test_adapter import InboundContract
from tests.docs.pages import ROOT, rows

NOMS = "Z0001ZZ"


def old(code: str = "P33", **change: Any) -> dict[str, Any]:
    """An alert of the prison API."""
    return {
        "alertId": 1,
        "offenderNo": NOMS,
        "alertType": TYPES.get(code, "P"),
        "alertCode": code,
        "dateCreated": "2026-01-12",
        "dateExpires": None,
        "expired": False,
        "active": True,
    } | change


def new(code: str = "P33", **change: Any) -> dict[str, Any]:
    """An alert of the alerts API."""
    return {
        "alertUuid": "6a0783ee-024e-4201-8e1f-3ead5fd2492a",
        "prisonNumber": NOMS,
        "alertCode": {"code": code, "description": "", "alertTypeCode": TYPES.get(code, "P")},
        "activeFrom": "2026-01-12",
        "activeTo": None,
        "isActive": True,
        "createdAt": "2026-01-12T14:19:25",
    } | change


ENDED: dict[Any, dict[str, Any]] = {
    old: {"active": False, "expired": True, "dateExpires": "2026-02-01"},
    new: {"isActive": False, "activeTo": "2026-02-01"},
}
SHAPES = pytest.mark.parametrize("shape", [old, new])


def translation(value: object) -> Translation:
    return ADAPTER.translate(json.dumps(value).encode(), source="urn:example:prison")


def translate(value: object) -> CanonicalEvent:
    (event,) = translation(value).events
    return event


def refused(value: object) -> UnsupportedEvent:
    with pytest.raises(UnsupportedEvent) as caught:
        translation(value)
    return caught.value


def malformed(value: object) -> str:
    with pytest.raises(MalformedEvent) as caught:
        translation(value)
    assert not isinstance(caught.value, UnsupportedEvent)
    return str(caught.value)


def stated(event: CanonicalEvent) -> dict[str, dict[str, Any]]:
    return {
        name: {key: value for key, value in group.items() if key not in PROVENANCE}
        for name, group in event.groups.items()
        if name != "identifiers"
    }


class TestNomisAlerts(InboundContract):
    adapter = ADAPTER
    samples = tuple(
        json.dumps(sample).encode()
        for sample in (
            old(alertId=9),
            new(alertUuid="1"),
            old("CC2", alertId=2),
            new("HA", alertUuid="3"),
        )
    )


# The published table (domain facts 6.2), written out once more: code -> kind and facts.
RAISED = "risk.flag_raised"
TABLE: dict[str, tuple[str, dict[str, dict[str, Any]]]] = {
    "P11": (RAISED, {"mappa": {"category": 1}}),
    "P22": (RAISED, {"mappa": {"category": 1, "level": 1}}),
    "P33": (RAISED, {"mappa": {"category": 1, "level": 2}}),
    "P44": (RAISED, {"mappa": {"category": 1, "level": 3}}),
    "P55": (RAISED, {"mappa": {"category": 2}}),
    "P66": (RAISED, {"mappa": {"category": 2, "level": 1}}),
    "P77": (RAISED, {"mappa": {"category": 2, "level": 2}}),
    "P88": (RAISED, {"mappa": {"category": 2, "level": 3}}),
    "P99": (RAISED, {"mappa": {"category": 3, "level": 2}}),
    "PA1": (RAISED, {"mappa": {"category": 3, "level": 3}}),
    "P100": (RAISED, {"mappa": {"category": 4}}),
    "P101": (RAISED, {"mappa": {"category": 4, "level": 1}}),
    "P102": (RAISED, {"mappa": {"category": 4, "level": 2}}),
    "P103": (RAISED, {"mappa": {"category": 4, "level": 3}}),
    "PVN": (RAISED, {}),
    "CPC": (RAISED, {"children": {"pprc": True}}),
    "CPRC": (RAISED, {"children": {"pprc": True}}),
    "CC1": (
        "contact.restricted",
        {"children": {"contact_restrictions": ["Child contact level 1"]}},
    ),
    "CC2": (
        "contact.restricted",
        {"children": {"contact_restrictions": ["Child contact level 2"]}},
    ),
    "CC3": (
        "contact.restricted",
        {"children": {"contact_restrictions": ["Child contact level 3"]}},
    ),
    "CC4": (
        "contact.restricted",
        {"children": {"contact_restrictions": ["Child contact level 4"]}},
    ),
    "RCC": (RAISED, {"children": {"at_risk": True}}),
    "RCS": (RAISED, {"children": {"at_risk": True}}),
    "SC": (RAISED, {"children": {"at_risk": True}}),
    **dict.fromkeys(("RKC", "RKS", "RPB", "RPC", "RST", "RSS"), (RAISED, {})),
    **dict.fromkeys(("RDP", "REG", "RLG", "ROP", "RRV", "RTP", "RYP"), (RAISED, {})),
    "ROM": ("risk.assessed", {"rosh": {"overall": "medium"}}),
    "ROH": ("risk.assessed", {"rosh": {"overall": "high"}}),
    "ROV": ("risk.assessed", {"rosh": {"overall": "very_high"}}),
    "RDV": (RAISED, {"offence": {"domestic_abuse": True}}),
    "RSP": (RAISED, {"offence": {"domestic_abuse": True}}),
    "OHCO": (RAISED, {"offence": {"harassment_or_no_contact": True}}),
    "ONCR": ("contact.restricted", {"offence": {"harassment_or_no_contact": True}}),
    **dict.fromkeys(("SOR", "SONR", "SSHO", "XTACT", "XSC", "XNR"), (RAISED, {})),
    **dict.fromkeys(("XA", "XCA", "XCSEA", "XEL", "XELH"), (RAISED, {})),
    **dict.fromkeys(("XER", "XHT", "XRF", "XSA", "XVL"), (RAISED, {})),
    **dict.fromkeys(
        ("XILLENT", "XLDEPORT", "XSDEPORT"), (RAISED, {"custody": {"immigration_interest": True}})
    ),
    "HA": ("health.concern", {"health_clinical": {"self_harm": "ACCT open"}}),
    "HA1": ("health.concern", {"health_clinical": {"self_harm": "ACCT post-closure"}}),
    "HA2": ("health.concern", {"health_clinical": {"self_harm": "ACCT closed"}}),
    "HC": ("health.concern", {"health_clinical": {"self_harm": "Self-harm, custody"}}),
    "HS": ("health.concern", {"health_clinical": {"self_harm": "Self-harm, community"}}),
    **dict.fromkeys(("DCDO", "DCEO", "DOCGM"), (RAISED, {"handling": {"sar_restrict": True}})),
}
JUDGED = {"CPC", "CPRC", "RCC", "RCS", "SC", "ROM", "ROH", "ROV", "RDV", "RSP"}


def test_the_table_has_every_code_that_states_something() -> None:
    assert set(TABLE) == set(FLAGS)
    assert not set(FLAGS) & set(NOT_TOLD)


@SHAPES
@pytest.mark.parametrize("code", TABLE)
def test_an_active_alert_states_what_its_code_states_and_no_more(shape: Any, code: str) -> None:
    event = translate(shape(code))
    kind, told = TABLE[code]
    which = {"rosh": {"flags": [f"NOMIS:{code}"]}}
    assert (event.kind, stated(event)) == (kind, told or which)
    assert event.groups["identifiers"]["noms"] == NOMS
    assertions = {
        group["assertion"] for name, group in event.groups.items() if name in TABLE[code][1]
    }
    assert assertions <= ({"assessment"} if code in JUDGED else {"fact"})
    assert {group["verified"] for group in event.groups.values()} == {code != "CPRC"}
    assert {group["source_system"] for group in event.groups.values()} == {"NOMIS"}


@SHAPES
@pytest.mark.parametrize("code", TABLE)
def test_an_ended_alert_ends_a_flag_or_is_not_told_and_never_states_the_opposite(
    shape: Any, code: str
) -> None:
    ended = shape(code, **ENDED[shape])
    told_by_others = code in {"ROM", "ROH", "ROV"} or TYPES[code] == "H"
    if told_by_others or (TYPES[code] == "P" and code != "PVN"):
        assert not refused(ended).needs_human
    else:
        event = translate(ended)
        assert (event.kind, stated(event)) == (
            "risk.flag_ended",
            {"rosh": {"flags": [f"NOMIS:{code}"]}},
        )


def test_no_code_states_a_level_of_mappa_that_does_not_exist() -> None:
    mappa: list[Any] = [flag.facts["mappa"] for flag in FLAGS.values() if "mappa" in flag.facts]
    assert len(mappa) == 14
    assert all(one.get("level") in {None, 1, 2, 3} for one in mappa)
    assert not [one for one in mappa if one["category"] == 3 and one.get("level") in {None, 1}]


@SHAPES
@pytest.mark.parametrize("code", sorted(NOT_TOLD))
def test_retired_codes_and_those_of_no_concern_are_not_translated(shape: Any, code: str) -> None:
    for alert in (shape(code), shape(code, **ENDED[shape])):
        error = refused(alert)
        assert not error.needs_human
        assert NOT_TOLD[code] in str(error)


@pytest.mark.parametrize("code", ["P0", "P1", "P2", "P3", "PC1", "PC2", "PC3", "PL1", "PL2", "PL3"])
def test_the_retired_mappa_codes_are_history(code: str) -> None:
    assert "retired" in str(refused(old(code)))


@SHAPES
@pytest.mark.parametrize("type_", sorted(MATTERS))
def test_an_unknown_code_of_a_type_that_matters_waits_for_a_human(shape: Any, type_: str) -> None:
    error = refused(with_type(shape("ZZ9"), type_))
    assert error.needs_human
    assert "ZZ9" not in str(error)


@SHAPES
@pytest.mark.parametrize("type_", ["A", "B", "E", "F", "L", "M", "O", "T", "W"])
def test_an_unknown_code_of_another_type_is_not_translated(shape: Any, type_: str) -> None:
    assert not refused(with_type(shape("ZZ9"), type_)).needs_human


@SHAPES
@pytest.mark.parametrize("type_", ["Q", "", None])
def test_an_unknown_code_of_no_known_type_waits_for_a_human(shape: Any, type_: Any) -> None:
    assert refused(with_type(shape("ZZ9"), type_)).needs_human


@SHAPES
@pytest.mark.parametrize(("code", "type_"), [("P33", "M"), ("RDV", "X"), ("PEEP", "P")])
def test_a_code_under_another_type_waits_for_a_human(shape: Any, code: str, type_: str) -> None:
    assert refused(with_type(shape(code), type_)).needs_human


@SHAPES
def test_a_code_without_its_type_is_known_all_the_same(shape: Any) -> None:
    assert stated(translate(with_type(shape("P33"), None))) == TABLE["P33"][1]


def with_type(alert: dict[str, Any], type_: str | None) -> dict[str, Any]:
    if "prisonNumber" in alert:
        return {**alert, "alertCode": {**alert["alertCode"], "alertTypeCode": type_}}
    return {**alert, "alertType": type_}


@given(active=st.booleans(), expired=st.booleans())
def test_an_alert_is_raised_only_where_it_is_active_and_not_expired(
    active: bool, expired: bool
) -> None:
    alert = old("RDV", active=active, expired=expired, dateExpires="2026-02-01")
    if not (active or expired):
        assert refused(alert).needs_human
    else:
        raised = active and not expired
        assert translate(alert).kind == ("risk.flag_raised" if raised else "risk.flag_ended")


@pytest.mark.parametrize("name", ["active", "expired"])
@pytest.mark.parametrize("value", [None, "perhaps", 1])
def test_whether_it_is_active_must_be_said(name: str, value: Any) -> None:
    assert f"$.{name}:" in malformed(old(**{name: value}))


@pytest.mark.parametrize("name", ["offenderNo", "alertCode", "dateCreated"])
def test_what_an_alert_of_the_prison_api_cannot_do_without(name: str) -> None:
    alert = old()
    del alert[name]
    assert f"$.{name}:" in malformed(alert)


@pytest.mark.parametrize("name", ["alertUuid", "alertCode", "activeFrom", "isActive"])
def test_what_an_alert_of_the_alerts_api_cannot_do_without(name: str) -> None:
    alert = new()
    del alert[name]
    assert f"$.{name}:" in malformed(alert)


@SHAPES
def test_an_ended_alert_that_does_not_say_since_when_waits_for_a_human(shape: Any) -> None:
    ended = {name: value for name, value in ENDED[shape].items() if isinstance(value, bool)}
    assert refused(shape("RDV", **ended)).needs_human


@SHAPES
def test_an_alert_that_ends_before_it_begins_waits_for_a_human(shape: Any) -> None:
    name = "dateExpires" if shape is old else "activeTo"
    assert refused(shape("RDV", **{name: "2026-01-11"})).needs_human
    assert translate(shape("RDV", **{name: "2026-01-12"})).kind == RAISED


@SHAPES
@pytest.mark.parametrize("date", ["2026-02-30", "01/02/2026", "2026-01-12T00:00:00", 20260112])
def test_a_date_in_another_form_is_malformed(shape: Any, date: Any) -> None:
    name = "dateCreated" if shape is old else "activeFrom"
    text = malformed(shape("P33", **{name: date}))
    assert f"$.{name}:" in text
    assert str(date) not in text


@pytest.mark.parametrize(
    ("date", "start"),
    [("2026-01-12", "+00:00"), ("2026-06-12", "+01:00"), ("2026-03-29", "+00:00")],
)
def test_a_date_counts_from_its_start_in_london_and_a_note_says_so(date: str, start: str) -> None:
    made = translation(old(dateCreated=date))
    as_of = made.events[0].groups["mappa"]["as_of"]
    assert str(as_of).replace("Z", "+00:00") == f"{date}T00:00:00{start}"
    (note,) = made.notes
    assert (note.path, "start of that day" in note.reason) == ("$.dateCreated", True)


def test_the_alerts_api_says_when_it_was_recorded() -> None:
    event = translate(new(activeFrom="2025-12-01", createdAt="2026-06-12T14:19:25"))
    assert event.groups["mappa"]["as_of"] == "2026-06-12T14:19:25+01:00"
    assert event.occurred_at is not None
    assert event.occurred_at.date().isoformat() == "2025-12-01"


@SHAPES
def test_a_comment_is_never_carried(shape: Any) -> None:
    alert = shape("RDV") | {"comment" if shape is old else "description": "Jo Example, 1 High St"}
    made = translation(alert)
    assert "Example" not in json.dumps(made.events[0].to_cloudevent())
    assert made.unread == ()


@SHAPES
def test_a_member_nobody_knows_is_reported(shape: Any) -> None:
    assert translation(shape("RDV") | {"somethingNew": 1}).unread == ("$.somethingNew",)


def test_a_list_is_translated_alert_by_alert_and_says_what_it_passed_over() -> None:
    made = translation([old("P33"), old("PEEP", alertId=2), new("CPC")])
    assert [event.kind for event in made.events] == [RAISED, RAISED]
    assert any(note.path.startswith("$[1]") for note in made.notes)
    with pytest.raises(UnsupportedEvent) as caught:
        translation([old("P33"), old("P104", alertId=2)])
    assert caught.value.needs_human


def test_the_reference_page_has_a_row_for_every_code_and_says_what_it_becomes() -> None:
    page = (ROOT / "docs/reference/adapters/nomis_alerts.md").read_text("utf-8")
    found = {codes[0]: cells for cells in rows(page) if (codes := first_code(cells))}
    assert set(found) == set(FLAGS)
    for code, flag in FLAGS.items():
        facts = "; ".join(
            f"`{group}.{member}` {json.dumps(value)}"
            for group, members in flag.facts.items()
            for member, value in members.items()
        )
        assert found[code][1:] == [
            f"`{flag.kind}`",
            facts or "-",
            f"`{flag.end}`" if flag.end else "not told",
        ]
    for code in NOT_TOLD:
        assert f"`{code}`" in page


def first_code(cells: list[str]) -> list[str]:
    return re.findall(r"^`([A-Z0-9]+)`$", cells[0])


@SHAPES
def test_alerts_are_told_apart_by_id_code_person_and_state(shape: Any) -> None:
    id_ = "alertId" if shape is old else "alertUuid"
    noms = "offenderNo" if shape is old else "prisonNumber"
    alerts = [
        shape("RDV"), shape("RSP"), shape("RDV", **{id_: "2"}),
        shape("RDV", **{noms: "Z0002ZZ"}), shape("RDV", **ENDED[shape]),
    ]  # fmt: skip
    assert len({translate(alert).id for alert in alerts}) == len(alerts)
    assert translate(shape("RDV", somethingNew=1)).id == translate(shape("RDV")).id
