"""Identifiers as events state them: the published forms, and placeholders that cost no event."""

import pytest

from gateway.model.event import group_problems
from gateway.model.identifiers import (
    check_nhs_number,
    check_nhs_number_or_placeholder,
    is_placeholder,
)

PLACEHOLDERS = [digit * 10 for digit in "0123456789"] + ["333 333 3333", "999-999-9999"]

GOOD = [
    *(("custody", "prison", code) for code in ("SWI", "MDI", "SYI")),
    *(("identifiers", "visor_ref", ref) for ref in ("A/12-34", "x" * 32)),
    *(("identifiers", "nhs_number_status", f"0{number}") for number in range(1, 9)),
    *(("identifiers", "nhs_number", number) for number in PLACEHOLDERS),
    *(
        ("health_routing", "community_gp", {"name": "Example Surgery", "ods": code})
        for code in ("Y06601", "L81008", "RY6", "RA7", "RFM8C2", "V396BB", "X26", "GP5")
    ),
]
BAD = [
    *(("custody", "prison", code) for code in ("swi", "SW", "SWIX", "SW1")),
    *(("identifiers", "visor_ref", ref) for ref in ("", "x" * 33, "a b", "a_b")),
    *(("identifiers", "nhs_number_status", text) for text in ("00", "09", "1", "")),
    *(("identifiers", "nhs_number", text) for text in ("333333333", "9991234560", "33333333333")),
    *(
        ("health_routing", "community_gp", {"name": "Example Surgery", "ods": code})
        for code in ("y06601", "X2", "Y06601-1", "ABCDEFGHIJK")
    ),
    ("identifiers", "crn", "D1974X"),
    ("identifiers", "cro", "SF80/655108T"),
    ("identifiers", "pnc", "20230583843N"),
]


@pytest.mark.parametrize(("group", "member", "value"), GOOD)
def test_a_published_form_is_taken(group: str, member: str, value: object) -> None:
    assert group_problems({group: {member: value}}) == []


@pytest.mark.parametrize(("group", "member", "value"), BAD)
def test_another_form_is_refused_by_its_path(group: str, member: str, value: object) -> None:
    problems = group_problems({group: {member: value}})
    assert problems
    assert problems[0].path.startswith(f"$.data.{group}.{member}")
    assert not isinstance(value, str) or len(value) < 3 or value not in problems[0].reason


@pytest.mark.parametrize("text", PLACEHOLDERS)
def test_a_placeholder_passes_in_an_event_and_fails_where_a_person_types(text: str) -> None:
    assert is_placeholder(text)
    assert check_nhs_number_or_placeholder(text) == text
    with pytest.raises(ValueError, match="repeated"):
        check_nhs_number(text)


@pytest.mark.parametrize("text", ["9434765919", "943 476 5919", "3333333334", "333333333", ""])
def test_nothing_else_is_a_placeholder(text: str) -> None:
    assert not is_placeholder(text)
