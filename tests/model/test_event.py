"""The canonical event: CloudEvents 1.0 around field groups, every fault named and none quoted."""

import copy
import json
import re
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gateway.model.event import CanonicalEvent, group_problems, parse_cloudevent
from gateway.model.groups import GROUP_NAMES
from gateway.model.kinds import KINDS, REVISING_KINDS, kind_of, type_of
from gateway.model.problem import MalformedEvent
from gateway.model.strict_json import read_json
from tests.third_party import vector_files, vectors

TOLD = {
    "assertion": "fact",
    "as_of": "2026-02-01T09:00:00.123456789Z",
    "source_system": "NOMIS",
    "verified": True,
}
PRACTICE = {"name": "Example Surgery", "ods": "Y06601", "captured_on": "2026-01-05"}

# Something in every group, of nobody.
FULL: dict[str, Any] = {
    "duty": TOLD
    | {
        "clock": "C1",
        "owner": "prison_public_protection",
        "due": "2026-03-01",
        "status": "due",
        "basis_date": "2026-06-01",
        "missing": ["notice of release"],
    },
    "identity": TOLD
    | {
        "family_name": "Example",
        "given_names": "Jo",
        "aliases": ["J"],
        "date_of_birth": "1980-02-29",
        "sex": "not_known",
        "photo_held": False,
    },
    "identifiers": TOLD
    | {
        "noms": "Z0001ZZ",
        "crn": "X999001",
        "pnc": "2008/0545166T",
        "cro": "065656/91H",
        "nhs_number": "999 000 0018",
        "nhs_number_status": "01",
        "visor_ref": "EX/1-2",
    },
    "custody": TOLD | {"prison": "WSI", "release_type": "CONDITIONAL", "licence": True},
    "mappa": TOLD | {"category": 3, "level": 2, "next_review": "2026-06-01"},
    "rosh": TOLD | {"assertion": "assessment", "overall": "very_high", "assessed_on": "2026-01-14"},
    "risk_narrative": {"nature": "Of an example."},
    "offence": {"orders": [{"kind": "SHPO", "made_on": "2020-01-01", "terms": ["One term."]}]},
    "licence": {"conditions": ["Not to enter Exampleton."]},
    "location": {
        "address_status": "CONFIRMED",
        "address": {"lines": ["1 Example Road"], "postcode": "EX1 1EX", "uprn": "1"},
        "housing_referral": {
            "consent_to_referral": True,
            "consent_to_contact": False,
            "chosen_authority": "Exampleton",
        },
    },
    "victim": {"recorded": True},
    "children": {"at_risk": True},
    "health_routing": {"community_gp": PRACTICE, "mental_health_team": "NOT_RECORDED"},
    "health_clinical": {"self_harm": "None known."},
    "professionals": {"prison_offender_manager": {"name": "A. Person"}},
    "handling": {"marking": "OFFICIAL-SENSITIVE", "grade": "2BC", "conditions": "Ask first."},
}


def cloudevent(data: Any = None, **attributes: Any) -> dict[str, Any]:
    event = {
        "specversion": "1.0",
        "id": "e-1",
        "source": "urn:example:agency",
        "type": "org.throughgate.release.planned.v1",
        "time": "2026-02-01T09:00:00Z",
        "data": copy.deepcopy(FULL) if data is None else data,
    }
    return event | attributes


def faults(value: Any) -> dict[str, str]:
    with pytest.raises(MalformedEvent) as caught:
        parse_cloudevent(value)
    return {problem.path: problem.reason for problem in caught.value.problems}


def test_an_event_with_every_group_is_taken_as_sent() -> None:
    assert set(FULL) == set(GROUP_NAMES)
    event = parse_cloudevent(cloudevent())
    assert event.groups == FULL
    assert event.kind == "release.planned"


OFFSETS = st.builds(timezone, st.builds(timedelta, minutes=st.integers(-1439, 1439)))


@given(
    kind=st.sampled_from(sorted(KINDS)),
    names=st.sets(st.sampled_from(sorted(FULL))),
    occurred_at=st.none() | st.datetimes(timezones=OFFSETS),
    id_=st.text(min_size=1, max_size=200),
)
def test_parsing_is_the_inverse_of_printing(
    kind: str, names: set[str], occurred_at: datetime | None, id_: str
) -> None:
    # The first and last days of the calendar have no UTC, and are refused.
    assume(occurred_at is None or 1 < occurred_at.year < 9999)
    event = CanonicalEvent(
        id=id_,
        source="urn:example:agency",
        kind=kind,
        occurred_at=occurred_at,
        groups={name: FULL[name] for name in names},
        corrects=id_ if kind in REVISING_KINDS else None,
    )
    assert parse_cloudevent(event.to_cloudevent()) == event


@pytest.mark.parametrize("kind", sorted(REVISING_KINDS))
def test_an_event_that_revises_another_names_it(kind: str) -> None:
    assert "$.corrects" in faults(cloudevent(type=type_of(kind)))
    assert "$.corrects" in faults(cloudevent(type=type_of(kind), corrects=""))
    assert parse_cloudevent(cloudevent(type=type_of(kind), corrects="e-1")).corrects == "e-1"


def test_an_event_that_revises_nothing_names_none() -> None:
    assert "$.corrects" in faults(cloudevent(corrects="e-1"))


def test_a_kind_and_its_type_name_each_other() -> None:
    for kind in KINDS:
        assert kind_of(type_of(kind)) == kind
    for other in ("release.actual", "org.throughgate.release.v1", "org.throughgate.x.y.v1", ""):
        assert kind_of(other) is None


# CloudEvents 1.0


@pytest.mark.parametrize("name", ["specversion", "id", "source", "type", "data"])
def test_a_required_attribute_left_out_or_null_is_named(name: str) -> None:
    event = cloudevent()
    del event[name]
    assert set(faults(event)) == {f"$.{name}"}
    assert set(faults(event | {name: None})) == {f"$.{name}"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("specversion", "0.3"),
        ("specversion", 1.0),
        ("id", ""),
        ("id", "x" * 201),
        ("id", 7),
        ("source", ""),
        ("type", "com.example.someevent"),
        ("type", "org.throughgate.release.unheard_of.v1"),
        ("time", "2026-02-01T09:00:00"),
        ("time", "2026-02-30T09:00:00Z"),
        ("time", "0001-01-01T00:00:00+14:00"),
        ("time", 1),
        ("datacontenttype", "text/plain"),
        ("subject", {"a": 1}),
        ("extension", [1]),
        ("data", []),
        ("data", "text"),
    ],
)
def test_an_attribute_out_of_form_is_named(name: str, value: Any) -> None:
    assert set(faults(cloudevent() | {name: value})) == {f"$.{name}"}


def test_optional_attributes_may_be_null_or_left_out() -> None:
    event = cloudevent(time=None, subject=None, datacontenttype=None, dataschema=None)
    assert parse_cloudevent(event).occurred_at is None
    del event["time"]
    assert parse_cloudevent(event).occurred_at is None


@pytest.mark.parametrize("value", ["text", 1, True, None])
def test_extension_attributes_take_simple_values(value: Any) -> None:
    assert parse_cloudevent(cloudevent(comexample1=value)) == parse_cloudevent(cloudevent())


@pytest.mark.parametrize("name", ["Upper", "with_line", "with-dash", "ünicode", ""])
def test_an_attribute_name_out_of_form_is_refused(name: str) -> None:
    assert any("attribute names" in reason for reason in faults({**cloudevent(), name: 1}).values())


def test_facts_as_base64_are_refused() -> None:
    assert "$.data_base64" in faults({**cloudevent(), "data_base64": "e30="})


@pytest.mark.parametrize("value", [None, [], "text", 1, [{"specversion": "1.0"}]])
def test_what_is_not_an_object_is_no_event(value: Any) -> None:
    assert faults(value) == {"$": "must be a JSON object"}


def structured(feature: Path) -> list[dict[str, Any]]:
    """Return the structured-mode documents among the literal blocks of a feature file."""
    blocks = re.findall(r'"""\n(.*?)"""', feature.read_text(), re.DOTALL)
    return [json.loads(block[block.index("{") :]) for block in blocks if '"specversion"' in block]


@pytest.mark.parametrize(
    "feature", vector_files("cloudevents/features", "*.feature"), ids=lambda path: path.stem
)
def test_the_attributes_of_a_conformance_event_are_read_as_stated(feature: Path) -> None:
    documents = structured(feature)
    assert documents
    for document in documents:
        # Theirs is no kind of ours and states no facts of ours: only that is refused.
        assert set(faults(document)) == {"$.type", "$.data.message"}
        ours = parse_cloudevent(document | {"type": type_of("release.actual"), "data": {}})
        assert (ours.id, ours.source) == ("1234-1234-1234", "/mycontext/subcontext")
        assert ours.occurred_at == datetime.fromisoformat("2018-04-05T03:56:24+00:00")


def test_conformance_features_were_run() -> None:
    folder = vectors("cloudevents/features")
    assert sum(len(structured(feature)) for feature in folder.glob("*.feature")) > 1


# Field groups


@pytest.mark.parametrize(
    ("data", "path"),
    [
        ({"astrology": {}}, "$.data.astrology"),
        ({"identity": {"favouriteColour": "Jo Example"}}, "$.data.identity.favouriteColour"),
        (
            {"location": {"address": {"lines": [], "county": "Jo Example"}}},
            "$.data.location.address.county",
        ),
        (
            {"offence": {"orders": [{"kind": "SHPO", "judge": "Jo Example"}]}},
            "$.data.offence.orders[0].judge",
        ),
        (
            {"health_routing": {"community_gp": {"name": "x", "doctor": "Jo Example"}}},
            "$.data.health_routing.community_gp.doctor",
        ),
    ],
)
def test_a_member_that_is_not_published_is_refused_by_path(data: Any, path: str) -> None:
    found = faults(cloudevent(data))
    assert found[path] == "no such member in this field group"
    assert "Jo Example" not in str(found)


@pytest.mark.parametrize("name", ["Jo Example", "Z0001ZZ", "a\nb", "é", "", "x" * 50])
def test_a_name_that_may_be_a_value_is_not_repeated(name: str) -> None:
    for found in (faults(cloudevent({"identity": {name: 1}})), faults(cloudevent({name: {}}))):
        assert all(path.endswith(".*") for path in found)
        assert not name or name not in str(found)


@pytest.mark.parametrize(
    ("data", "path", "reason"),
    [
        (
            {"mappa": {"category": 3, "level": 1}},
            "$.data.mappa",
            "category 3 requires level 2 or 3",
        ),
        ({"mappa": {"category": 0}}, "$.data.mappa.category", "greater than or equal to 1"),
        ({"mappa": {"level": 4}}, "$.data.mappa.level", "less than or equal to 3"),
        ({"mappa": {"level": "2"}}, "$.data.mappa.level", "integer"),
        ({"mappa": {"level": True}}, "$.data.mappa.level", "integer"),
        ({"handling": {"grade": "3EC"}}, "$.data.handling", "must state its conditions"),
        ({"handling": {"grade": "9ZP"}}, "$.data.handling.grade", "not in the form"),
        ({"handling": {"marking": "SECRET"}}, "$.data.handling.marking", "OFFICIAL"),
        ({"handling": {"marking": "RESTRICTED"}}, "$.data.handling.marking", "OFFICIAL"),
        ({"custody": {"prison": "wsi"}}, "$.data.custody.prison", "not in the form"),
        ({"custody": {"prison": "WSI\n"}}, "$.data.custody.prison", "not in the form"),
        (
            {"location": {"address": {"lines": [], "uprn": "١"}}},
            "$.data.location.address.uprn",
            "form",
        ),
        ({"identity": {"date_of_birth": "٢٠٢٤-٠١-٠١"}}, "$.data.identity.date_of_birth", "YYYY"),
        ({"identity": {"date_of_birth": "2023-02-29"}}, "$.data.identity.date_of_birth", "no such"),
        ({"identity": {"as_of": "٢٠٢٤-٠١-٠١T00:00:00Z"}}, "$.data.identity.as_of", "RFC 3339"),
        ({"identity": {"as_of": "2023-02-20T00:00:00+99:00"}}, "$.data.identity.as_of", "no such"),
        ({"identifiers": {"nhs_number": "9991234560"}}, "$.data.identifiers.nhs_number", "check"),
        ({"identifiers": {"noms": "z0001zz"}}, "$.data.identifiers.noms", "prison number"),
        ({"custody": None}, "$.data.custody", "null states nothing"),
        ({"custody": {"prison": None}}, "$.data.custody.prison", "null states nothing"),
    ],
)
def test_a_fact_out_of_form_is_refused_by_path(data: Any, path: str, reason: str) -> None:
    found = faults(cloudevent(data))
    assert reason in found[path]


def test_intelligence_with_handling_code_c_and_its_conditions_is_taken() -> None:
    assert group_problems({"handling": {"grade": "3EC", "conditions": "Police only."}}) == []
    assert group_problems({"handling": {"grade": "3EP"}}) == []


def test_every_fault_is_reported_at_once() -> None:
    found = faults({**cloudevent({"mappa": {"level": 9}, "custody": {"prison": "x"}}), "id": ""})
    assert list(found) == ["$.id", "$.data.custody.prison", "$.data.mappa.level"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from([*FULL, "lines", "name", "kind"]), inner, max_size=4)
        | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=15,
)


@given(value=JSON, data=JSON)
def test_arbitrary_json_is_malformed_and_nothing_else(value: Any, data: Any) -> None:
    with pytest.raises(MalformedEvent):
        parse_cloudevent(value)
    problems = group_problems(data)
    if not problems:
        assert parse_cloudevent(cloudevent(data) | {"data": data}).groups == data


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    steps: list[tuple[Any, Any]] = []
    if isinstance(value, dict):
        steps = list(value.items())
    elif isinstance(value, list):
        steps = list(enumerate(value))
    return [(*path, step) for step, _ in steps] + [
        place for step, inner in steps for place in places(inner, (*path, step))
    ]


MARKED = ["Quixote " * 600, "Quixote", 7700900123, ["Quixote", 7700900123], {"name": "Quixote"}]


@given(place=st.sampled_from(places(cloudevent())), value=st.sampled_from(MARKED))
def test_no_fault_quotes_a_value_wherever_it_stands(place: tuple[Any, ...], value: Any) -> None:
    event = cloudevent()
    inner: Any = event
    for step in place[:-1]:
        inner = inner[step]
    inner[place[-1]] = value
    text = ""
    try:
        parse_cloudevent(read_json(json.dumps(event).encode()))
    except MalformedEvent as error:
        text = str(error)
    assert "Quixote" not in text
    assert "7700900123" not in text
