"""A change of release date: proposed, consulted with police and probation, confirmed (D3)."""

import pytest

from gateway.duties.consultation import Consultation, follow
from tests.support.cases import CLASSES, History, day, duties

NAMED = {
    "police": {"police_offender_manager": {"name": "Sergeant Example"}},
    "probation": {"community_offender_manager": {"name": "Officer Example"}},
}


def proposed() -> History:
    history = History().level(2).released("2026-01-05", "2026-06-01")
    return history.add(
        "2026-02-02",
        "release.date_change_proposed",
        "prison",
        custody={"planned_date": "2026-07-06"},
    )


def changed(history: History, on: str = "2026-02-16", to: str = "2026-07-06") -> History:
    return history.add(on, "release.date_changed", "prison", custody={"planned_date": to})


def followed(history: History) -> Consultation:
    found = follow(history, CLASSES)
    assert found is not None
    return found


def test_the_way_from_proposed_to_confirmed() -> None:
    history = proposed()
    assert followed(history).state == "proposed"
    history.add("2026-02-03", "release.date_change_consulted", "police")
    assert (followed(history).state, followed(history).missing) == ("proposed", ("probation",))
    history.add("2026-02-04", "release.date_change_consulted", "probation")
    assert followed(history).state == "consulted"
    final = followed(changed(history))
    assert (final.state, final.missing_then, final.completed_on) == (
        "confirmed",
        (),
        day("2026-02-04"),
    )
    assert duties(history, "2026-02-16")["C5"].status == "met"


@pytest.mark.parametrize(("asked", "missing"), [("police", "probation"), ("probation", "police")])
def test_vector_22_confirmed_with_one_missing_is_not_confirmed(asked: str, missing: str) -> None:
    history = proposed()
    history.add("2026-02-03", "release.date_change_consulted", "prison", professionals=NAMED[asked])
    found = followed(changed(history))
    assert (found.state, found.missing_then) == ("proposed", (missing,))
    duty = duties(history, "2026-02-16")["C5"]
    assert (duty.status, duty.missing, duty.due) == ("late", (missing,), day("2026-02-16"))


def test_a_change_nobody_was_asked_about_misses_both() -> None:
    history = changed(History().level(2).released("2026-01-05", "2026-06-01"))
    assert followed(history).missing_then == ("police", "probation")


def test_asking_afterwards_confirms_and_does_not_mend_the_breach() -> None:
    history = changed(proposed())
    history.add("2026-02-17", "release.date_change_consulted", "police")
    history.add("2026-02-18", "release.date_change_consulted", "probation")
    assert followed(history).state == "confirmed"
    assert duties(history, "2026-02-18")["C5"].status == "late"


def test_who_posts_a_step_has_been_asked_and_a_prison_that_names_nobody_has_asked_nobody() -> None:
    history = History().released("2026-01-05", "2026-06-01")
    history.add("2026-02-02", "release.date_change_proposed", "probation")
    history.add("2026-02-03", "release.date_change_consulted", "prison")
    assert followed(history).missing == ("police",)


def test_a_youth_offending_team_answers_for_probation() -> None:
    history = proposed().add("2026-02-03", "release.date_change_consulted", "yot")
    assert followed(history).missing == ("police",)


def test_saying_the_same_date_again_is_no_change() -> None:
    history = History().released("2026-01-05", "2026-06-01")
    assert follow(changed(history, to="2026-06-01"), CLASSES) is None


def test_another_proposal_starts_afresh_and_the_same_one_does_not() -> None:
    history = proposed().add("2026-02-03", "release.date_change_consulted", "police")
    again = {"planned_date": "2026-07-06"}
    history.add("2026-02-04", "release.date_change_proposed", "prison", custody=again)
    assert followed(history).missing == ("probation",)
    history.add(
        "2026-02-05",
        "release.date_change_proposed",
        "prison",
        custody={"planned_date": "2026-08-03"},
    )
    assert followed(history).missing == ("police", "probation")


@pytest.mark.parametrize("kind", ["release.cancelled", "release.actual", "custody.recalled"])
def test_what_ends_the_release_ends_a_proposal_but_not_a_change_made(kind: str) -> None:
    assert follow(proposed().add("2026-02-09", kind, "prison"), CLASSES) is None
    made = changed(proposed()).add("2026-02-17", kind, "prison")
    assert followed(made).missing_then == ("police", "probation")
