"""Each clock: when it is due, what meets it, when it is late and when nobody is to blame."""

from datetime import date, time

import pytest

from gateway.duties.orders import order_faults
from tests.support.cases import History, day, duties, reckoned

LATER = "2026-12-31"


def test_d1_level_3_three_calendar_months_clipped_to_the_months_end() -> None:
    history = History().level(3).released("2026-02-27", "2026-05-31")
    duty = duties(history, "2026-02-27")["C1"]
    assert (duty.due, duty.status, duty.met_on) == (day("2026-02-28"), "met", day("2026-02-27"))
    assert duty.owner == "prison_public_protection"
    assert duty.to == (
        "police_offender_manager",
        "probation_offender_manager",
        "mappa_coordinator",
    )


@pytest.mark.parametrize(("noticed", "status"), [("2026-05-31", "met"), ("2026-06-01", "late")])
def test_d1_the_last_day_counts_and_the_next_is_late(noticed: str, status: str) -> None:
    history = History().level(3).released(noticed, "2026-08-31")
    assert duties(history, LATER)["C1"].status == status


@pytest.mark.parametrize(("at", "status"), [(time(23, 59), "met"), (time(0, 1), "late")])
def test_the_day_is_londons_though_utc_is_still_in_the_day_before(at: time, status: str) -> None:
    on = "2026-05-31" if status == "met" else "2026-06-01"
    history = History().level(3)
    history.add(on, "release.planned", "prison", at=at, custody={"planned_date": "2026-08-31"})
    assert duties(history, LATER)["C1"].status == status


def test_d2_level_2_six_weeks_and_level_1_neither() -> None:
    release = "2026-06-01"
    two = duties(History().level(2).released("2026-04-20", release), LATER)
    assert (two["C2"].due, two["C2"].status) == (day("2026-04-20"), "met")
    one = duties(History().level(1).released("2026-04-20", release), LATER)
    assert "C1" not in two
    assert not {"C1", "C2"} & one.keys()


def test_a_date_brought_forward_needs_notice_of_the_new_date() -> None:
    history = History().level(2).released("2026-01-05", "2026-06-01")
    history.add(
        "2026-04-27", "release.date_changed", "prison", custody={"planned_date": "2026-05-25"}
    )
    duty = duties(history, "2026-04-27")["C2"]
    assert (duty.due, duty.basis_date) == (day("2026-04-13"), day("2026-05-25"))
    assert (duty.status, duty.met_on) == ("late", day("2026-04-27"))


def test_a_date_put_back_does_not_undo_notice_given() -> None:
    history = History().level(2).released("2026-01-05", "2026-06-01")
    history.add(
        "2026-05-20", "release.date_changed", "prison", custody={"planned_date": "2026-06-08"}
    )
    duty = duties(history, "2026-05-20")["C2"]
    assert (duty.basis_date, duty.status) == (day("2026-06-08"), "met")


def test_a_proposed_date_moves_nothing() -> None:
    history = History().level(2).released("2026-01-05", "2026-06-01")
    history.add(
        "2026-02-02",
        "release.date_change_proposed",
        "prison",
        custody={"planned_date": "2026-03-01"},
    )
    assert duties(history, "2026-02-02")["C2"].basis_date == day("2026-06-01")


def test_only_the_prisons_own_notice_meets_the_prisons_duty() -> None:
    history = History().level(2).released("2026-01-05", "2026-06-01", by="probation")
    assert duties(history, "2026-04-20")["C2"].status == "due"
    assert duties(history, "2026-04-21")["C2"].status == "late"


def test_the_end_of_sentence_is_a_release_date_when_no_other_is_known() -> None:
    custody = {"sentence_expiry_date": "2026-08-31", "release_type": "SED_NO_LICENCE"}
    history = History().add("2026-01-05", "custody.received", "prison", custody=custody)
    history.level(2, "2026-01-06", category=2)
    duty = duties(history, "2026-07-21")["C2"]
    assert (duty.basis_date, duty.status, duty.priority) == (day("2026-08-31"), "late", True)


def test_a_sentence_too_short_is_late_by_circumstance_due_at_once_and_a_breach_if_never_done() -> (
    None
):
    history = History().level(3).sentenced("2026-05-11", known="2026-05-11")
    history.released("2026-05-12", "2026-06-22", by="probation")
    now = duties(history, "2026-05-12")["C1"]
    assert (now.status, now.due) == ("late_by_circumstance", day("2026-05-11"))
    assert duties(history, "2026-06-22")["C1"].status == "late_by_circumstance"
    assert duties(history, "2026-06-23")["C1"].status == "late"
    history.released("2026-05-13", "2026-06-22")
    assert duties(history, "2026-06-23")["C1"].status == "late_by_circumstance"


def test_a_recall_counts_from_the_recall() -> None:
    history = History().level(2).sentenced("2020-01-06").released("2020-02-03", "2026-01-12")
    history.add("2026-01-12", "release.actual", "prison")
    history.add("2026-03-02", "custody.recalled", "prison")
    history.released("2026-03-03", "2026-03-30")
    assert duties(history, LATER)["C2"].status == "late_by_circumstance"


def test_a_level_raised_too_late_for_the_period_is_nobodys_breach() -> None:
    history = History().level(1).sentenced("2020-01-06")
    history.released("2026-01-05", "2026-06-01", by="probation")
    history.level(3, on="2026-04-06")
    history.released("2026-04-07", "2026-06-01")
    assert duties(history, LATER)["C1"].status == "late_by_circumstance"


def test_a_cancelled_release_takes_its_notice_with_it() -> None:
    history = History().level(2).released("2026-01-05", "2026-06-01")
    history.add("2026-02-02", "release.cancelled", "prison")
    assert "C2" not in duties(history, "2026-02-02")
    history.released("2026-05-25", "2026-06-15")
    assert duties(history, "2026-05-25")["C2"].status == "late"


def test_what_is_raised_after_the_release_owes_no_notice_of_it() -> None:
    history = History().level(1).released("2026-01-05", "2026-06-01")
    history.add("2026-06-01", "release.actual", "prison")
    history.level(3, on="2026-07-06")
    assert "C1" not in duties(history, LATER)


@pytest.mark.parametrize(("reviewed", "status"), [("2025-12-01", "met"), ("2025-12-02", "late")])
def test_d4_the_level_is_reviewed_six_months_before(reviewed: str, status: str) -> None:
    history = History().released("2025-06-02", "2026-06-01", mappa={"category": 1, "level": 1})
    history.add(
        "2025-12-03", "mappa.review_completed", "probation", mappa={"reviewed_on": reviewed}
    )
    duty = duties(history, LATER)["C3"]
    assert (duty.due, duty.status, duty.owner) == (
        day("2025-12-01"),
        status,
        "probation_offender_manager",
    )


def test_d4_a_review_of_long_ago_does_not_count_and_no_licence_is_a_priority() -> None:
    history = History().add(
        "2024-01-08", "mappa.review_completed", "probation", mappa={"category": 2, "level": 1}
    )
    history.add(
        "2025-06-02",
        "release.planned",
        "prison",
        custody={"planned_date": "2026-06-01", "release_type": "SED_NO_LICENCE"},
    )
    duty = duties(history, "2025-06-02")["C3"]
    assert (duty.status, duty.priority) == ("due", True)


@pytest.mark.parametrize(
    "risk",
    [
        {"children": {"pprc": True}},
        {"children": {"at_risk": True}},
        {"rosh": {"children": "medium"}},
    ],
)
def test_d5_vector_23_five_weeks_before_a_release_is_a_breach(risk: dict[str, object]) -> None:
    history = History().sentenced("2020-01-06").released("2026-04-27", "2026-06-01", **risk)
    duty = duties(history, "2026-04-27")["C4"]
    assert (duty.due, duty.status, duty.met_on) == (
        day("2026-04-20"),
        "late",
        day("2026-04-27"),
    )
    assert duty.to[0] == "childrens_services"


def test_d5_vector_23_by_circumstance_where_the_sentence_is_short() -> None:
    history = History().sentenced("2026-04-24", known="2026-04-24")
    history.released("2026-04-27", "2026-06-01", children={"pprc": True})
    duty = duties(history, "2026-04-27")["C4"]
    assert (duty.status, duty.met_on) == ("late_by_circumstance", day("2026-04-27"))


def test_d6_harassment_is_decided_before_discharge_or_told_under_mappa() -> None:
    history = History().released(
        "2026-01-05", "2026-06-01", offence={"harassment_or_no_contact": True}
    )
    assert duties(history, "2026-06-01")["C6"].status == "due"
    assert duties(history, "2026-06-02")["C6"].status == "late"
    told = [("police_offender_manager", day("2026-01-05"))]
    assert duties(history, "2026-06-02", told)["C6"].status == "met"
    before = [("police_offender_manager", day("2025-01-06")), ("gp_practice", day("2026-02-02"))]
    assert duties(history, "2026-06-02", before)["C6"].status == "late"


@pytest.mark.parametrize(("notified", "status"), [("2026-03-05", "met"), ("2026-03-06", "late")])
def test_d29_d30_notification_within_three_days(notified: str, status: str) -> None:
    history = History().add("2026-03-02", "notification.required", "police")
    history.add(
        notified, "police.visit_recorded", "police", offence={"notification_from": notified}
    )
    duty = duties(history, LATER)["C7"]
    assert (duty.due, duty.status) == (day("2026-03-05"), status)


def test_victim_liaison_has_eight_weeks_from_sentence() -> None:
    history = History().add(
        "2026-01-12", "custody.received", "prison",
        offence={"sentenced_on": "2026-01-12"}, victim={"recorded": True},
    )  # fmt: skip
    assert duties(history, "2026-03-09")["C8"].status == "due"
    history.add(
        "2026-03-09", "victim.contact_opted_in", "probation", victim={"contact_opted_in": False}
    )
    duty = duties(history, LATER)["C8"]
    assert (duty.due, duty.status, duty.owner) == (
        day("2026-03-09"),
        "met",
        "victim_liaison_officer",
    )


def test_d12_categories_1_and_2_at_level_2_and_3_are_reviewed_before_licence_ends() -> None:
    history = History().level(2).add(
        "2026-01-05", "licence.activated", "probation",
        custody={"licence_expiry_date": "2026-09-28"},
    )  # fmt: skip
    assert duties(history, "2026-08-04")["C9"].status == "late"
    history.add("2026-08-03", "mappa.review_completed", "mappa")
    duty = duties(history, "2026-08-04")["C9"]
    assert (duty.due, duty.status) == (day("2026-08-03"), "met")
    assert "C9" not in duties(History(history).level(1, on="2026-02-02"), "2026-03-02")


@pytest.mark.parametrize(("category", "due"), [(1, "2027-01-04"), (2, "2026-08-03")])
def test_d12_notification_ends_eligibility_in_category_1_and_the_licence_in_category_2(
    category: int, due: str
) -> None:
    history = History().level(2).add(
        "2026-01-05", "licence.activated", "probation",
        mappa={"category": category, "level": 2},
        custody={"licence_expiry_date": "2026-09-28"},
        offence={"notification_until": "2027-03-01"},
    )  # fmt: skip
    assert duties(history, "2026-03-02")["C9"].due == day(due)


def test_d32_electronic_monitoring_ends_twelve_months_after_it_began() -> None:
    history = (
        History()
        .level(2)
        .add(
            "2026-02-28",
            "licence.activated",
            "probation",
            licence={"monitoring_from": "2026-02-28"},
        )
    )
    duty = duties(history, "2026-03-02")["C11"]
    assert (duty.due, duty.breach) == (day("2027-02-28"), False)
    assert "C11" not in duties(history, "2027-03-01")


@pytest.mark.parametrize(
    ("born", "due"), [("1980-05-05", "2031-03-01"), ("1998-03-02", "2024-03-01")]
)
def test_d31_indefinite_notification_may_be_reviewed(born: str, due: str) -> None:
    history = History().add(
        "2020-01-06", "order.imposed", "police", identity={"date_of_birth": born},
        offence={"notification_from": "2016-03-01", "notification_indefinite": True},
    )  # fmt: skip
    duty = duties(history, LATER)["C10"]
    assert (duty.due, duty.status, duty.breach) == (day(due), "due", False)


def test_d31_eight_years_from_a_leap_day_and_nobody_is_ever_late() -> None:
    history = History().add(
        "2020-03-02", "order.imposed", "police", identity={"date_of_birth": "2004-01-05"},
        offence={"notification_from": "2020-02-29", "notification_indefinite": True},
    )  # fmt: skip
    duty = duties(history, "2035-01-01")["C10"]
    assert (duty.due, duty.status) == (day("2028-02-29"), "due")


@pytest.mark.parametrize(
    ("kind", "made", "ends", "faults"),
    [
        ("SHPO", "2026-03-02", "2031-03-02", ()),
        ("SHPO", "2026-03-02", "2031-03-01", ("shpo-under-five-years",)),
        ("SHPO", "2024-02-29", "2029-02-28", ()),
        ("SRO", "2026-03-02", "2028-03-02", ()),
        ("SRO", "2026-03-02", "2028-03-01", ("sro-under-two-years",)),
        ("SRO", "2026-03-02", "2026-03-01", ("ends-before-made",)),
        ("RESTRAINING_ORDER", "2026-03-02", "2026-04-01", ()),
    ],
)
def test_d32_order_dates(kind: str, made: str, ends: str, faults: tuple[str, ...]) -> None:
    order = {"kind": kind, "made_on": made, "expires_on": ends}
    assert order_faults(order) == faults
    assert order_faults({**order, "stage": "interim"}) in ((), ("ends-before-made",))


def test_d32_an_order_and_its_travel_restriction_are_reminded_of() -> None:
    order = {
        "kind": "SHPO", "made_on": "2021-06-07", "expires_on": "2031-06-07",
        "foreign_travel_restriction": True,
    }  # fmt: skip
    history = History().add("2021-06-07", "order.imposed", "police", offence={"orders": [order]})
    travel = duties(history, "2026-05-04")["C11"]
    assert (travel.due, travel.warn_on) == (day("2026-06-07"), day("2026-04-12"))
    assert duties(history, "2026-06-08")["C11"].due == day("2031-06-07")
    assert "C11" not in duties(history, "2031-06-08")


def test_who_will_be_homeless_and_consents_is_referred_by_the_next_working_day() -> None:
    referral = {"consent_to_referral": True, "consent_to_contact": True, "chosen_authority": "X"}
    history = History().released(
        "2026-01-05", "2026-05-29",
        location={"address_status": "NFA", "housing_referral": referral},
    )  # fmt: skip
    assert "C12" not in duties(history, "2026-04-02")
    duty = duties(history, "2026-04-03")["C12"]  # Good Friday
    assert (duty.basis_date, duty.due) == (day("2026-04-03"), day("2026-04-07"))
    assert reckoned(history, "2026-01-05").look_again <= day("2026-04-03")
    history.add("2026-04-07", "accommodation.referred", "probation")
    assert duties(history, LATER)["C12"].status == "met"
    refused = {**referral, "consent_to_referral": False}
    history.add("2026-04-08", "address.unknown", "prison", location={"housing_referral": refused})
    assert "C12" not in duties(history, LATER)


def test_the_final_plan_is_told_before_a_high_risk_sentence_ends() -> None:
    history = History().add(
        "2026-01-05", "risk.assessed", "probation",
        rosh={"overall": "very_high"}, custody={"sentence_expiry_date": "2026-08-31"},
    )  # fmt: skip
    assert duties(history, "2026-08-30")["C13"].status == "due"
    assert duties(history, "2026-08-31")["C13"].status == "late"
    history.add("2026-08-28", "sentence.terminated", "probation")
    assert duties(history, "2026-08-31")["C13"].status == "met"


def test_a_handover_names_the_new_offender_manager_by_the_next_working_day() -> None:
    history = History().add("2026-04-02", "supervision.transferred", "probation")
    assert duties(history, "2026-04-02")["C19"].due == day("2026-04-07")
    named = {"community_offender_manager": {"name": "Officer Example"}}
    history.add("2026-04-03", "supervision.transferred", "probation", professionals=named)
    duty = duties(history, "2026-04-03")["C19"]
    assert (duty.basis_date, duty.status) == (day("2026-04-03"), "met")


def test_a_death_ends_every_duty() -> None:
    history = History().level(3).released("2026-01-05", "2026-06-01")
    history.add("2026-02-02", "custody.died", "prison")
    assert reckoned(history, LATER).duties == ()


def test_the_end_of_eligibility_ends_its_duties_until_a_level_is_set_again() -> None:
    history = History().level(3).released("2026-01-05", "2026-06-01")
    history.add("2026-02-02", "mappa.eligibility_ended", "mappa")
    assert not {"C1", "C3"} & duties(history, "2026-02-02").keys()
    history.level(3, on="2026-02-09")
    assert {"C1", "C3"} <= duties(history, "2026-02-09").keys()


def test_a_day_in_the_past_is_reckoned_from_what_was_received_by_then() -> None:
    history = History().level(2).released("2026-01-05", "2026-06-01")
    assert "C2" not in duties(history, date(2026, 1, 4))
    assert duties(history, date(2026, 1, 5))["C2"].status == "met"
