"""Question 9, second half: the schedule of an information-sharing agreement."""

from datetime import date, timedelta

import pytest

from gateway.audit.agreement import COLUMNS, NO_AGREEMENT, agreement
from gateway.audit.schedule import spoken, ways
from tests.audit.evidence import AGREEMENT, LAW, column

TODAY = date(2026, 3, 2)
POLICE = agreement(LAW.rulebook, today=TODAY, sender="prison", role="police_offender_manager")


def cells(name: str) -> list[str]:
    return [str(one) for one in column(POLICE, name)]


def test_every_rule_that_could_tell_them_is_in_the_schedule_once_for_each_basis() -> None:
    opened = {
        (one.rule.id, one.basis)
        for one in ways(LAW.rulebook, sender="prison")
        if one.role == "police_offender_manager"
    }
    listed = [
        (rule, basis)
        for rules, law in zip(cells("rules"), cells("legal_basis"), strict=True)
        for rule in rules.split("; ")
        for basis in [law.rpartition("[")[2].removesuffix("]")]
    ]
    assert sorted(listed) == sorted(opened)


def test_each_row_says_what_when_why_who_decides_and_what_is_asked() -> None:
    named = {one.name: place for place, one in enumerate(COLUMNS)}
    for row in POLICE.rows:
        for wanted in ("what", "when", "purpose", "legal_basis", "asks", "decided_by", "rules"):
            assert row[named[wanted]], wanted
    assert any("acknowledge within 2 days" in one for one in cells("asks"))
    assert any(one.startswith("release.") or "release.planned" in one for one in cells("when"))


def test_members_are_named_where_not_the_whole_group_goes() -> None:
    whole = next(one for one in cells("what") if "Identifiers" in one)
    assert "Identifiers (noms, crn, pnc, cro, visor ref, superseded noms)" in whole
    assert "nhs number" not in whole


def test_who_is_told_by_designation_alone_is_said() -> None:
    hostel = agreement(
        LAW.rulebook, today=TODAY, sender="probation", role="accommodation_associate"
    )
    assert hostel.rows
    for row in hostel.rows:
        if "[LB01]" in str(row[6]):
            assert str(row[2]).endswith("while designated as an Associate")


def test_an_agreement_covers_what_its_parties_and_bases_say() -> None:
    covered = agreement(LAW.rulebook, today=TODAY, reference=AGREEMENT, sender="prison")
    assert covered.rows
    assert NO_AGREEMENT not in column(covered, "agreement")
    whole = agreement(LAW.rulebook, today=TODAY, sender="prison")
    bare = [one for one in column(whole, "agreement") if one == NO_AGREEMENT]
    assert len(whole.rows) == len(covered.rows) + len(bare)
    assert any("Covered by no agreement" in one for one in whole.reading) is bool(bare)


def test_a_late_review_is_said() -> None:
    late = agreement(LAW.rulebook, today=date(2027, 4, 1), sender="gp_practice")
    assert any("THE REVIEW IS LATE" in one for one in late.reading)
    assert not any("THE REVIEW IS LATE" in one for one in POLICE.reading)


def test_no_way_is_one_sentence() -> None:
    nothing = agreement(LAW.rulebook, today=TODAY, role="victim_or_public", sender="charity")
    assert nothing.rows == ()
    assert nothing.reading == ("The rulebook opens no such way.",)


@pytest.mark.parametrize(
    ("within", "words"),
    [
        (None, ""),
        (timedelta(days=1), "1 day"),
        (timedelta(days=2), "2 days"),
        (timedelta(hours=4), "4 hours"),
        (timedelta(hours=1), "1 hour"),
        (timedelta(minutes=90), "90 minutes"),
    ],
)
def test_deadlines_in_words(within: timedelta | None, words: str) -> None:
    assert spoken(within) == words
