"""Electronic monitoring: breaches in, the conditions to be monitored out."""

import json

import pytest

from adapters.electronic_monitoring import ADAPTER
from adapters.kit.members import NAIVE
from gateway.model.kinds import URGENT
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
    stated,
    translated,
)
from tests.contract.test_adapter import AdapterContract

ALERT = kept("electronic_monitoring", "zone.in.json")
RELEASE = kept("electronic_monitoring", "release.alert.json")
TIMES = {"entered_at": GONE, "left_at": GONE, "happened_at": GONE}
# Each breach: when it began, when it was over, what kind of zone.
ZONES = {
    "exclusion_zone_entered": ("entered_at", "left_at", "exclusion"),
    "inclusion_zone_left": ("left_at", "entered_at", "inclusion"),
    "curfew_absence": ("left_at", "entered_at", "curfew"),
}
TAMPERS = ("strap_tamper", "device_removed")


class TestElectronicMonitoring(AdapterContract):
    adapter = ADAPTER


def zone_breach(code: str, **more: object) -> dict[str, object]:
    began, _, zone = ZONES[code]
    members = TIMES | {began: "2026-02-02T22:36:10Z", "zone": {"id": "Z-4410", "kind": zone}}
    return changed(ALERT, alert=code, **(members | more))


@pytest.mark.parametrize("code", ZONES)
def test_each_breach_of_a_zone_happened_when_it_began(code: str) -> None:
    one = event(ADAPTER, zone_breach(code))
    assert one.kind == "monitoring.breached"
    assert one.kind in URGENT
    assert one.occurred_at is not None
    assert one.occurred_at.isoformat() == "2026-02-02T22:36:10+00:00"


@pytest.mark.parametrize("code", TAMPERS)
def test_tampering_happened_when_it_happened_wherever(code: str) -> None:
    form = changed(ALERT, alert=code, zone=GONE, **TIMES | {"happened_at": "2026-02-02T23:00:00Z"})
    one = event(ADAPTER, form)
    assert one.kind == "monitoring.breached"
    assert one.occurred_at is not None
    assert one.occurred_at.isoformat() == "2026-02-02T23:00:00+00:00"


@pytest.mark.parametrize(
    "code",
    [
        "exclusion_zone_left",
        "inclusion_zone_entered",
        "battery_low",
        "battery_charged",
        "signal_low",
        "signal_restored",
    ],
)
def test_what_breaches_nothing_is_nobodys_concern(code: str) -> None:
    assert of_no_concern(ADAPTER, changed(ALERT, alert=code)) == "$.alert"


def test_a_low_battery_among_breaches_is_passed_over_with_a_note() -> None:
    translation = translated(ADAPTER, as_table(changed(ALERT, alert="battery_low"), ALERT))
    assert len(translation.events) == 1
    assert "$[0].alert" in [note.path for note in translation.notes]


@pytest.mark.parametrize("code", ["no_contact", "BATTERY_LOW", "42"])
def test_a_code_nobody_knows_waits_for_a_human(code: str) -> None:
    assert needs_human(ADAPTER, changed(ALERT, alert=code)) == "$.alert"


def test_an_alert_without_a_code_is_malformed() -> None:
    assert malformed_at(ADAPTER, changed(ALERT, alert=GONE)) == "$.alert"


@pytest.mark.parametrize("requirement", ["licence", "home_detention_curfew", "order", GONE])
def test_each_requirement_that_may_be_breached_is_taken(requirement: object) -> None:
    assert event(ADAPTER, changed(ALERT, requirement=requirement)).kind == "monitoring.breached"


def test_a_tag_on_bail_waits_for_a_human() -> None:
    assert needs_human(ADAPTER, changed(ALERT, requirement="bail")) == "$.requirement"


@pytest.mark.parametrize("code", ZONES)
def test_a_breach_without_its_zone_or_its_time_is_malformed(code: str) -> None:
    began = ZONES[code][0]
    assert malformed_at(ADAPTER, zone_breach(code, zone=GONE)) == "$.zone"
    assert malformed_at(ADAPTER, zone_breach(code, zone={"kind": ZONES[code][2]})) == "$.zone.id"
    assert malformed_at(ADAPTER, zone_breach(code, **{began: GONE})) == f"$.{began}"


@pytest.mark.parametrize("code", ZONES)
def test_a_zone_of_another_kind_waits_for_a_human(code: str) -> None:
    for kind in {"exclusion", "inclusion", "curfew"} - {ZONES[code][2]}:
        form = zone_breach(code, zone={"id": "Z-1", "kind": kind})
        assert needs_human(ADAPTER, form) == "$.zone.kind"
    assert needs_human(ADAPTER, zone_breach(code, zone={"id": "Z", "kind": "?"})) == "$.zone.kind"


@pytest.mark.parametrize("code", ZONES)
def test_a_breach_over_before_it_began_waits_for_a_human(code: str) -> None:
    ended = ZONES[code][1]
    form = zone_breach(code, **{ended: "2026-02-02T23:36:09+01:00"})
    assert needs_human(ADAPTER, form) == f"$.{ended}"
    same = zone_breach(code, **{ended: "2026-02-02T23:36:10+01:00"})
    assert event(ADAPTER, same).kind == "monitoring.breached"


def test_the_same_breach_told_again_once_it_is_over_is_the_same_event() -> None:
    still_in, over = changed(ALERT, left_at=GONE), ALERT
    assert event(ADAPTER, still_in).id == event(ADAPTER, over).id


def test_breaches_of_two_zones_at_once_are_two_events() -> None:
    other = changed(ALERT, zone__id="Z-9999")
    assert event(ADAPTER, other).id != event(ADAPTER, ALERT).id


def test_a_time_without_a_zone_is_londons_and_noted() -> None:
    form = changed(ALERT, entered_at="2026-07-02T22:36:10", left_at=GONE)
    translation = translated(ADAPTER, form)
    assert translation.events[0].occurred_at is not None
    assert translation.events[0].occurred_at.isoformat() == "2026-07-02T22:36:10+01:00"
    assert [(n.path, n.reason) for n in translation.notes] == [("$.entered_at", NAIVE)]


@pytest.mark.parametrize(("confirmed", "verified"), [(True, True), (False, False), (GONE, True)])
def test_a_breach_the_provider_has_yet_to_confirm_is_not_verified(
    confirmed: object, verified: bool
) -> None:
    one = event(ADAPTER, changed(ALERT, confirmed=confirmed))
    assert {members["verified"] for members in one.groups.values()} == {verified}


def test_nothing_of_the_zone_the_device_or_the_name_is_carried() -> None:
    form = changed(
        ALERT,
        zone={"id": "marker-id", "kind": "exclusion", "name": "marker-name", "shape": "marker"},
        device={"id": "marker-device"},
        battery="marker-battery",
        position="marker-position",
        person__family_name="marker-family",
    )
    one = event(ADAPTER, form)
    assert "marker" not in json.dumps(one.to_cloudevent())
    assert set(one.groups) == {"identifiers", "handling"}
    assert stated(one, "identifiers") == {"crn": "X999001"}


def test_conditions_carry_what_is_monitored_from_when_to_when_and_where() -> None:
    form = content(ADAPTER, RELEASE)
    assert form["told"]["licence"] == RELEASE["facts"]["licence"]
    assert (form["starts"], form["ends"]) == ("2026-03-23", "2027-03-22")
    assert form["told"]["rosh"] == {"staff": "medium", "assessed_on": "2026-01-20"}
    assert not {"offence", "victim", "mappa"} & set(form["told"])


def test_zones_and_curfew_are_carried_only_where_told() -> None:
    assert "exclusion_zones" not in content(ADAPTER, RELEASE)["told"]["licence"]
    more = {"exclusion_zones": ["Exampleton"], "residence_conditions": ["Curfew 19:00 to 07:00."]}
    alert = changed(RELEASE, facts__licence=RELEASE["facts"]["licence"] | more)
    told = content(ADAPTER, alert)["told"]["licence"]
    assert more.items() <= told.items()


@pytest.mark.parametrize("member", ["conditions", "victim_conditions", "no_contact_conditions"])
def test_conditions_that_may_name_a_victim_are_not_for_the_provider(member: str) -> None:
    alert = changed(RELEASE, **{f"facts__licence__{member}": ["marker"]})
    assert "marker" not in json.dumps(content(ADAPTER, alert))


@pytest.mark.parametrize(
    ("less", "word"),
    [
        ("facts__licence__monitoring_from", "starts"),
        ("facts__custody__licence_expiry_date", "ends"),
    ],
)
def test_a_day_not_told_is_said_not_to_be_stated(less: str, word: str) -> None:
    assert content(ADAPTER, changed(RELEASE, **{less: GONE}))[word] == "NOT_STATED"


def test_a_first_notice_of_nothing_to_monitor_is_declined_and_an_update_is_not() -> None:
    none = changed(RELEASE, facts__licence=GONE)
    assert declined(ADAPTER, none) == "no monitoring condition was told"
    update = changed(none, message_type="UPDATE", supersedes="alt_1")
    assert content(ADAPTER, update)["disclosure"]["supersedes"] == "alt_1"
