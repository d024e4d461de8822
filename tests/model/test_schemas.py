"""The published schemas: sound as JSON Schema 2020-12, and no stricter than the types."""

import copy
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.hmpps_domain_events import ADAPTER
from gateway.model.event import group_problems, parse_cloudevent
from gateway.model.groups import GROUP_NAMES, OWN_GROUPS, PROVENANCE
from gateway.model.kinds import KINDS, OWN_KINDS, REVISING_KINDS, type_of
from gateway.model.problem import MalformedEvent
from gateway.model.schemas import DIALECT, POSTED, schema_for, schema_index
from tests.adapters.samples import HMPPS_SAMPLES
from tests.model.test_event import FULL, JSON, cloudevent, places

PLANNED: Any = schema_for("release.planned")
POSTABLE = {name: FULL[name] for name in GROUP_NAMES if name not in OWN_GROUPS}

# Keywords of the 2020-12 vocabularies that the schemas use, and what each must hold.
HOLDS: dict[str, type | tuple[type, ...]] = {
    "$schema": str, "$ref": str, "$defs": dict, "title": str, "description": str,
    "type": (str, list), "const": object, "enum": list, "properties": dict, "required": list,
    "additionalProperties": (bool, dict), "propertyNames": dict, "items": dict, "maxItems": int,
    "minLength": int, "maxLength": int, "minimum": int, "maximum": int, "pattern": str,
    "format": str, "anyOf": list, "not": dict, "if": dict, "then": dict,
}  # fmt: skip


def subschemas(schema: Any) -> Iterator[dict[str, Any]]:
    if not isinstance(schema, dict):
        return
    yield schema
    nested = [schema.get(name) for name in ("additionalProperties", "propertyNames", "items")]
    nested += [schema.get(name) for name in ("not", "if", "then")]
    nested += schema.get("anyOf", [])
    nested += [*schema.get("properties", {}).values(), *schema.get("$defs", {}).values()]
    for inner in nested:
        yield from subschemas(inner)


def target(reference: str) -> dict[str, Any]:
    assert reference.startswith("#/$defs/")
    found: dict[str, Any] = PLANNED["$defs"][reference.removeprefix("#/$defs/")]
    return found


def satisfies(schema: dict[str, Any], value: Any) -> bool:
    """Whether the value is valid, for the keywords above (`format` only annotates)."""
    if "$ref" in schema and not satisfies(target(schema["$ref"]), value):
        return False
    if "anyOf" in schema and not any(satisfies(branch, value) for branch in schema["anyOf"]):
        return False
    if "not" in schema and satisfies(schema["not"], value):
        return False
    if "if" in schema and satisfies(schema["if"], value) and not satisfies(schema["then"], value):
        return False
    if "const" in schema and not equal(schema["const"], value):
        return False
    if "enum" in schema and not any(equal(allowed, value) for allowed in schema["enum"]):
        return False
    return of_type(schema.get("type"), value) and within(schema, value)


def equal(one: Any, other: Any) -> bool:
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)


def of_type(names: str | list[str] | None, value: Any) -> bool:
    of = {
        "object": dict, "array": list, "string": str, "boolean": bool, "null": type(None),
        "integer": int, "number": (int, float),
    }  # fmt: skip
    names = [names] if isinstance(names, str) else names
    if names is None:
        return True
    if isinstance(value, bool):
        return "boolean" in names
    return any(isinstance(value, of[name]) for name in names)  # type: ignore[arg-type]


def within(schema: dict[str, Any], value: Any) -> bool:
    if isinstance(value, str):
        return (
            schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value))
            and re.search(schema.get("pattern", "").replace("$", r"\Z"), value) is not None
        )
    if isinstance(value, int) and not isinstance(value, bool):
        return bool(schema.get("minimum", value) <= value <= schema.get("maximum", value))
    if isinstance(value, list):
        return len(value) <= schema.get("maxItems", len(value)) and all(
            satisfies(schema.get("items", {}), item) for item in value
        )
    return not isinstance(value, dict) or members_within(schema, value)


def members_within(schema: dict[str, Any], value: dict[str, Any]) -> bool:
    named = schema.get("properties", {})
    other = schema.get("additionalProperties", True)
    return (
        set(schema.get("required", ())) <= set(value)
        and all(satisfies(schema.get("propertyNames", {}), name) for name in value)
        and all(
            satisfies(named[name], inner)
            if name in named
            else (other is True or (other is not False and satisfies(other, inner)))
            for name, inner in value.items()
        )
    )


def test_every_kind_has_a_schema_of_its_own_type() -> None:
    for kind in POSTED:
        schema: Any = schema_for(kind)
        assert schema["$schema"] == DIALECT
        assert schema["properties"]["type"] == {"const": type_of(kind)}
        assert schema["title"] == type_of(kind)
        assert ("corrects" in schema["required"]) is (kind in REVISING_KINDS)
        own = {"title", "properties", "required"}
        assert {name: schema[name] for name in schema if name not in own} == {
            name: PLANNED[name] for name in PLANNED if name not in own
        }


@pytest.mark.parametrize("kind", ["", "release", "release.unheard_of", type_of("release.actual")])
def test_what_is_no_kind_has_no_schema(kind: str) -> None:
    with pytest.raises(KeyError):
        schema_for(kind)


def test_the_index_names_every_kind_once_in_order() -> None:
    index: Any = schema_index()
    assert [entry["kind"] for entry in index["schemas"]] == sorted(KINDS - OWN_KINDS)
    assert all(entry["type"] == type_of(entry["kind"]) for entry in index["schemas"])
    assert any(entry["urgent"] for entry in index["schemas"])


def test_a_schema_is_its_callers_own() -> None:
    schema: Any = schema_for("release.planned")
    schema["$defs"]["Groups"]["properties"].clear()
    assert schema_for("release.planned") == PLANNED


def test_every_schema_is_itself_sound() -> None:
    found = list(subschemas(PLANNED))
    assert len(found) > 100
    for schema in found:
        for keyword, held in schema.items():
            assert isinstance(held, HOLDS[keyword]), keyword
        if "pattern" in schema:
            re.compile(schema["pattern"])
        if "$ref" in schema:
            assert target(schema["$ref"])
    assert json.loads(json.dumps(PLANNED)) == PLANNED


def test_every_object_in_the_facts_is_closed_and_offers_no_null() -> None:
    facts = target("#/$defs/Groups")
    assert tuple(facts["properties"]) == tuple(POSTABLE)
    definitions: Any = PLANNED["$defs"]
    for definition in definitions.values():
        assert definition["type"] == "object"
        assert definition["additionalProperties"] is False
        for schema in subschemas(definition):
            assert schema.get("type") != "null"
            assert "default" not in schema


def test_every_group_offers_its_provenance() -> None:
    facts = target("#/$defs/Groups")
    for group in facts["properties"].values():
        assert set(PROVENANCE) <= set(target(group["$ref"])["properties"])


@pytest.mark.parametrize("name", ["noms", "crn", "pnc", "cro", "nhs_number", "superseded_noms"])
def test_identifiers_state_the_form_they_take(name: str) -> None:
    assert "pattern" in target("#/$defs/Identifiers")["properties"][name]


@pytest.mark.parametrize(
    ("group", "name", "form"),
    [
        ("Identity", "date_of_birth", "date"),
        ("Identity", "as_of", "date-time"),
        ("Custody", "released_at", "date-time"),
        ("Rosh", "assessed_on", "date"),
    ],
)
def test_days_and_times_state_their_format(group: str, name: str, form: str) -> None:
    assert target(f"#/$defs/{group}")["properties"][name]["format"] == form


def test_an_event_with_every_group_satisfies_its_schema() -> None:
    event = cloudevent(POSTABLE)
    assert satisfies(PLANNED, event)
    assert satisfies(PLANNED, event | {"time": None, "comexample1": True})
    assert not satisfies(PLANNED, event | {"corrects": "e-1"})
    assert not satisfies(schema_for("release.actual"), event)
    retracted = event | {"type": type_of("event.retracted")}
    assert not satisfies(schema_for("event.retracted"), retracted)
    assert satisfies(schema_for("event.retracted"), retracted | {"corrects": "e-1"})


@pytest.mark.parametrize("sample", HMPPS_SAMPLES.values(), ids=HMPPS_SAMPLES)
def test_what_an_adapter_makes_satisfies_its_schema(sample: bytes) -> None:
    for event in ADAPTER.translate(sample, source="urn:example:agency").events:
        assert satisfies(schema_for(event.kind), event.to_cloudevent())


@pytest.mark.parametrize(
    "data",
    [
        {"astrology": {}},
        {"identity": {"favourite_colour": "blue"}},
        {"mappa": {"category": 3, "level": 1}},
        {"mappa": {"category": 0}},
        {"handling": {"grade": "3EC"}},
        {"handling": {"marking": "SECRET"}},
        {"identifiers": {"noms": "z0001zz"}},
        {"custody": None},
        {"location": {"address": {}}},
    ],
)
def test_what_a_schema_can_say_it_says(data: Any) -> None:
    assert group_problems(data)
    assert not satisfies(target("#/$defs/Groups"), data)


def _accepted(event: Any) -> bool:
    try:
        parse_cloudevent(event)
    except MalformedEvent:
        return False
    return True


# Accepted events, and events a step away from accepted.
@given(place=st.sampled_from(places(cloudevent(POSTABLE))), value=JSON, out=st.booleans())
def test_whatever_is_accepted_satisfies_its_schema(
    place: tuple[Any, ...], value: Any, out: bool
) -> None:
    event = cloudevent(copy.deepcopy(POSTABLE))
    inner: Any = event
    for step in place[:-1]:
        inner = inner[step]
    if out:
        del inner[place[-1]]
    else:
        inner[place[-1]] = value
    if _accepted(event):
        assert satisfies(PLANNED, event)


@given(names=st.sets(st.sampled_from(sorted(POSTABLE))))
def test_any_choice_of_groups_is_accepted_and_satisfies_its_schema(names: set[str]) -> None:
    event = cloudevent({name: POSTABLE[name] for name in names})
    assert _accepted(event)
    assert satisfies(PLANNED, event)
