"""Housing: duty to refer, accommodation referral, booking in; the suitability pack out."""

import json

import pytest

from adapters.housing import ADAPTER
from tests.adapters.referral_samples import (
    GONE,
    as_table,
    changed,
    content,
    declined,
    event,
    kept,
    malformed_at,
    needs_human,
    of_no_concern,
    refused,
    stated,
    translated,
)
from tests.contract.test_adapter import AdapterContract

DUTY = kept("housing", "duty-to-refer.in.json")
REFERRAL = kept("housing", "referral.in.json")
BOOKING = changed(
    {name: REFERRAL[name] for name in ("reference", "made_at", "sender", "person")},
    form="cas-booking",
    service="CAS1",
    status="booked",
    premises={"name": "Example House"},
    happened_at="2026-02-02T09:00:00Z",
)
RELEASE = kept("housing", "release.alert.json")


class TestHousing(AdapterContract):
    adapter = ADAPTER


def test_a_duty_to_refer_carries_consents_choice_and_contact_and_no_more() -> None:
    one = event(ADAPTER, DUTY)
    assert one.kind == "accommodation.referred"
    assert stated(one, "location") == {
        "housing_referral": {
            "consent_to_referral": True,
            "consent_to_contact": True,
            "chosen_authority": "Example Borough Council",
            "contact": "07700 900124",
        },
        "address_status": "NFA",
        "home_area": "Example Borough",
    }
    assert set(one.groups) == {"identity", "identifiers", "handling", "location"}


@pytest.mark.parametrize("consent", ["to_referral", "to_contact"])
def test_without_either_consent_nothing_is_referred(consent: str) -> None:
    form = changed(DUTY, **{f"consent__{consent}": False})
    assert of_no_concern(ADAPTER, form) == f"$.consent.{consent}"
    assert "s.213B" in str(refused(ADAPTER, form))


def test_a_row_without_consent_costs_no_other_row_and_reports_nothing() -> None:
    other = changed(DUTY, consent__to_referral=False, person__family_name="Marker")
    translation = translated(ADAPTER, as_table(other, DUTY))
    assert translation.events == (event(ADAPTER, DUTY),)
    assert "$[0].consent.to_referral" in [note.path for note in translation.notes]
    assert "Marker" not in str(translation)


@pytest.mark.parametrize(
    "member",
    ["consent", "consent__to_referral", "consent__to_contact", "consent__chosen_authority"],
)
def test_a_consent_or_choice_not_stated_is_never_assumed(member: str) -> None:
    path = malformed_at(ADAPTER, changed(DUTY, **{member: GONE}))
    assert path == "$." + member.replace("__", ".")


def test_a_contact_not_stated_is_left_out() -> None:
    one = event(ADAPTER, changed(DUTY, consent__contact=GONE))
    assert "contact" not in stated(one, "location")["housing_referral"]


@pytest.mark.parametrize(
    ("circumstances", "status"),
    [
        ("homeless", "NFA"),
        ("no_home_on_release", "NFA"),
        ("threatened_with_homelessness", "UNKNOWN"),
    ],
)
def test_each_circumstance_says_where_they_will_live(circumstances: str, status: str) -> None:
    one = event(ADAPTER, changed(DUTY, circumstances=circumstances))
    assert stated(one, "location")["address_status"] == status


def test_circumstances_nobody_knows_wait_for_a_human_and_none_are_malformed() -> None:
    assert needs_human(ADAPTER, changed(DUTY, circumstances="sofa")) == "$.circumstances"
    assert malformed_at(ADAPTER, changed(DUTY, circumstances=GONE)) == "$.circumstances"


def test_risk_put_on_a_duty_to_refer_is_reported_and_not_carried() -> None:
    form = changed(DUTY, risk={"narrative": "marker"})
    translation = translated(ADAPTER, form)
    assert translation.unread == ("$.risk",)
    assert "marker" not in json.dumps(translation.events[0].to_cloudevent())


def test_a_referral_names_the_provider_the_rules_may_tell() -> None:
    one = event(ADAPTER, REFERRAL)
    assert one.kind == "accommodation.referred"
    assert stated(one, "location") == {
        "approved_premises": "Example Lodge",
        "tenancy": "licence to occupy",
        "address_status": "PROPOSED",
        "address": REFERRAL["address"],
        "home_area": "Example Borough",
    }


@pytest.mark.parametrize("status", ["CONFIRMED", "PROPOSED", "NFA", "UNKNOWN"])
def test_each_address_status_is_carried(status: str) -> None:
    one = event(ADAPTER, changed(REFERRAL, address_status=status))
    assert stated(one, "location")["address_status"] == status


def test_an_address_status_nobody_knows_waits_for_a_human() -> None:
    assert needs_human(ADAPTER, changed(REFERRAL, address_status="AWAITED")) == "$.address_status"


@pytest.mark.parametrize("member", ["premises", "premises__name", "address__lines"])
def test_a_referral_to_nobody_or_nowhere_is_malformed(member: str) -> None:
    path = malformed_at(ADAPTER, changed(REFERRAL, **{member: GONE}))
    assert path == "$." + member.replace("__", ".")


@pytest.mark.parametrize(
    ("status", "kind", "address_status"),
    [
        ("booked", "accommodation.placed", "PROPOSED"),
        ("arrived", "accommodation.placed", "CONFIRMED"),
        ("not_arrived", "accommodation.lost", "UNKNOWN"),
        ("abandoned", "accommodation.lost", "UNKNOWN"),
        ("cancelled", "accommodation.lost", None),
        ("evicted", "accommodation.lost", None),
    ],
)
@pytest.mark.parametrize("service", ["CAS1", "CAS2", "CAS3", "AP"])
def test_each_booking_status_is_the_event_it_is(
    service: str, status: str, kind: str, address_status: str | None
) -> None:
    one = event(ADAPTER, changed(BOOKING, service=service, status=status))
    assert one.kind == kind
    assert stated(one, "location").get("address_status") == address_status
    assert stated(one, "location")["approved_premises"] == "Example House"
    assert one.occurred_at is not None
    assert one.occurred_at.isoformat() == "2026-02-02T09:00:00+00:00"


@pytest.mark.parametrize("status", ["moved_on_as_planned", "provisional"])
def test_a_booking_nobody_need_know_of_is_no_concern(status: str) -> None:
    assert of_no_concern(ADAPTER, changed(BOOKING, status=status)) == "$.status"


@pytest.mark.parametrize("member", ["service", "status"])
def test_a_booking_code_nobody_knows_waits_for_a_human_and_none_is_malformed(member: str) -> None:
    assert needs_human(ADAPTER, changed(BOOKING, **{member: "CAS9"})) == f"$.{member}"
    assert malformed_at(ADAPTER, changed(BOOKING, **{member: GONE})) == f"$.{member}"


def test_an_address_status_against_the_bookings_own_waits_for_a_human() -> None:
    form = changed(BOOKING, status="arrived", address_status="NFA")
    assert needs_human(ADAPTER, form) == "$.address_status"


def test_someone_evicted_to_no_address_is_said_to_have_none() -> None:
    one = event(ADAPTER, changed(BOOKING, status="evicted", address_status="NFA"))
    assert stated(one, "location")["address_status"] == "NFA"


def test_a_booking_without_its_own_time_happened_when_the_form_was_made() -> None:
    one = event(ADAPTER, changed(BOOKING, happened_at=GONE))
    assert one.occurred_at is not None
    assert one.occurred_at.isoformat() == "2026-02-02T10:15:00+00:00"


def test_a_pack_carries_what_bears_on_where_someone_may_live_and_nothing_else() -> None:
    told = content(ADAPTER, RELEASE)["told"]
    assert told["rosh"] == RELEASE["facts"]["rosh"]
    assert told["licence"] == RELEASE["facts"]["licence"]
    assert told["location"] == RELEASE["facts"]["location"]
    assert not {"mappa", "offence", "risk_narrative", "victim", "health_routing"} & set(told)


@pytest.mark.parametrize(
    ("group", "members"),
    [
        ("rosh", {"overall": "very_high", "prisoners": "high", "imminence": "high"}),
        ("licence", {"conditions": ["marker"], "victim_conditions": ["marker"]}),
        ("identifiers", {"noms": "Z0009ZZ", "pnc": "2020/0099901R"}),
        ("health_routing", {"care_coordinator": "marker"}),
        ("children", {"contact_restrictions": ["marker"]}),
    ],
)
def test_a_pack_refuses_what_it_was_told_beyond_that(group: str, members: dict[str, str]) -> None:
    facts = RELEASE["facts"]
    more = changed(RELEASE, **{f"facts__{group}": facts.get(group, {}) | members})
    told = content(ADAPTER, more)["told"]
    assert not set(members) & set(told.get(group, {}))
    assert "marker" not in json.dumps(told)


def test_zones_not_told_are_not_in_the_pack() -> None:
    less = changed(RELEASE, facts__licence__exclusion_zones=GONE)
    assert set(content(ADAPTER, less)["told"]["licence"]) == {"residence_conditions"}


def test_a_homelessness_referral_carries_the_consented_contact_and_no_risk() -> None:
    pack = content(ADAPTER, kept("housing", "referred.alert.json"))
    assert set(pack["told"]) == {"identity", "custody", "location"}
    assert pack["told"]["location"]["housing_referral"]["contact"] == "07700 900124"


def test_a_pack_with_nothing_on_accommodation_is_declined() -> None:
    facts = {"identity": RELEASE["facts"]["identity"], "mappa": {"level": 3}}
    assert "may live" in declined(ADAPTER, changed(RELEASE, facts=facts))


def test_a_recall_withdraws_the_pack() -> None:
    pack = content(ADAPTER, kept("housing", "recalled.alert.json"))
    assert pack["status"] == "WITHDRAWN"
    assert "told" not in pack
