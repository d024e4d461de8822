"""From a statement to an event: provenance on every group, ids that repeat with their message."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.kit.statement import Statement, canonical_event
from gateway.model.event import MAX_ID_LENGTH, parse_cloudevent
from gateway.model.groups import PROVENANCE
from gateway.model.problem import MalformedEvent

SOURCE = "urn:example:agency"
TIME = "2026-02-02T09:30:00Z"
STATED = Statement(
    kind="risk.assessed",
    system="Example register",
    as_of=TIME,
    facts={"identifiers": {"crn": "X999001"}, "rosh": {"overall": "high"}},
    told_apart_by=("1",),
)
PARTS = st.lists(st.text(max_size=6), max_size=4)


def id_of(statement: Statement, prefix: str = "example") -> str:
    return canonical_event(prefix, statement, SOURCE).id


@given(parts=PARTS, others=PARTS)
def test_ids_are_alike_exactly_where_the_statements_are(
    parts: list[str], others: list[str]
) -> None:
    one, other = replace(STATED, told_apart_by=parts), replace(STATED, told_apart_by=others)
    assert id_of(one) == id_of(one)
    assert (id_of(one) == id_of(other)) == (parts == others)
    assert len(id_of(one)) <= MAX_ID_LENGTH


@pytest.mark.parametrize(
    "other",
    [
        replace(STATED, kind="risk.flag_raised"),
        replace(STATED, as_of="2026-02-02T09:30:01Z"),
        replace(STATED, occurred_at="2026-02-01T09:30:00Z"),
        replace(STATED, facts={"identifiers": {"crn": "X999002"}, "rosh": {"overall": "high"}}),
        replace(STATED, told_apart_by=("2",)),
        replace(STATED, told_apart_by=()),
        replace(STATED, as_of="2026-02-03T09:30:00Z", occurred_at=TIME),  # the record says it anew
        replace(STATED, verified=False),
    ],
)
def test_another_kind_person_time_or_mark_is_another_event(other: Statement) -> None:
    assert id_of(other) != id_of(STATED)


@given(level=st.sampled_from(["low", "medium", "very_high"]))
def test_what_else_a_message_says_does_not_make_it_another_event(level: str) -> None:
    """A format whose messages differ in no more than that must say what tells them apart."""
    assert id_of(replace(STATED, facts={**STATED.facts, "rosh": {"overall": level}})) == id_of(
        STATED
    )


def test_the_id_names_the_format_and_nobody() -> None:
    assert id_of(STATED, "sample").startswith("sample-")
    assert "X999001" not in id_of(STATED)


@given(verified=st.booleans())
def test_every_group_has_its_provenance(verified: bool) -> None:
    statement = replace(
        STATED,
        verified=verified,
        facts={**STATED.facts, "custody": {"prison": "ZZX"}},
        assertions={"custody": "intelligence"},
    )
    groups = canonical_event("x", statement, SOURCE).groups
    assert {name: one["assertion"] for name, one in groups.items()} == {
        "identifiers": "fact", "rosh": "assessment", "custody": "intelligence",
    }  # fmt: skip
    for members in groups.values():
        assert set(PROVENANCE) <= set(members)
        assert members["as_of"] == TIME
        assert members["source_system"] == "Example register"
        assert members["verified"] is verified


NOTHING = st.sampled_from([None, "", [], {}])


@given(empty=st.dictionaries(st.sampled_from(["family_name", "aliases", "sex"]), NOTHING))
def test_what_is_empty_states_nothing_and_an_empty_group_is_left_out(empty: dict[str, Any]) -> None:
    facts = {**STATED.facts, "identity": empty}
    assert "identity" not in canonical_event("x", replace(STATED, facts=facts), SOURCE).groups
    facts["identity"] = {**empty, "photo_held": False}
    groups = canonical_event("x", replace(STATED, facts=facts), SOURCE).groups
    assert set(groups["identity"]) == {"photo_held", *PROVENANCE}


def test_every_fault_is_named_and_no_value_repeated() -> None:
    facts = {"identifiers": {"crn": "X-secret"}, "rosh": {"overall": "X-secret", "shoe": 1}}
    with pytest.raises(MalformedEvent) as caught:
        canonical_event("x", replace(STATED, facts=facts), SOURCE)
    assert {one.path for one in caught.value.problems} == {
        "$.data.identifiers.crn", "$.data.rosh.overall", "$.data.rosh.shoe",
    }  # fmt: skip
    assert "secret" not in str(caught.value)


def test_the_event_is_one_the_gateway_takes_and_its_times_are_those_stated() -> None:
    statement = replace(STATED, occurred_at="2026-02-01T09:30:00+00:00")
    event = canonical_event("x", statement, SOURCE)
    assert parse_cloudevent(event.to_cloudevent()) == event
    assert event.occurred_at is not None
    assert event.occurred_at.isoformat() == "2026-02-01T09:30:00+00:00"
    assert event.source == SOURCE
    usual = canonical_event("x", STATED, SOURCE).occurred_at
    assert usual is not None
    assert usual.isoformat() == "2026-02-02T09:30:00+00:00"
