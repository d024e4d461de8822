"""The published schemas of the partner agencies' forms say what the adapters take, and no less."""

import json
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import pytest

from adapters.contract import Adapter
from adapters.kit.referral import NUMBERS
from gateway.model.problem import MalformedEvent
from tests.adapters.examples import FOLDER, SOURCE
from tests.adapters.referral_samples import GONE, changed, kept, translated
from tests.docs.pages import ROOT
from tests.model.test_schemas import satisfies

PAGES = ROOT / "docs" / "reference" / "adapters"
COMMON = json.loads((PAGES / "referral.schema.json").read_text("utf-8"))
GOLDEN = {
    "marac": ("referral.in.json",),
    "odoc": ("referral.in.json",),
    "mash": ("referral.in.json",),
    "youth_offending": ("assessed.in.json",),
    "housing": ("duty-to-refer.in.json", "referral.in.json"),
    "electronic_monitoring": ("zone.in.json",),
    "victim_contact": ("opt-in.in.json",),
}
DIALECT = "https://json-schema.org/draft/2020-12/schema"
# Those that `satisfies` judges by, and those that only tell a reader something.
KEYWORDS = {
    "type", "if", "then", "properties", "required", "additionalProperties", "anyOf", "enum",
    "const", "items", "pattern", "minLength", "maxLength", "maxItems", "minItems", "minimum",
    "maximum", "$schema", "$id", "$defs", "title", "description", "format",
}  # fmt: skip
CASES = [(name, file) for name, files in GOLDEN.items() for file in files]


def schema(name: str) -> dict[str, Any]:
    """A schema with what it shares with the others put in its place."""
    value: dict[str, Any] = whole(json.loads((PAGES / f"{name}.schema.json").read_text("utf-8")))
    return value


def whole(value: Any) -> Any:
    if isinstance(value, dict):
        if (target := value.get("$ref")) is not None:
            page, _, name = target.partition("#/$defs/")
            assert page == "referral.schema.json"
            return whole(COMMON["$defs"][name])
        return {name: whole(one) for name, one in value.items()}
    return [whole(one) for one in value] if isinstance(value, list) else value


def adapter(name: str) -> Adapter:
    found: Adapter = import_module(f"adapters.{name}").ADAPTER
    return found


def members_of(value: dict[str, Any], before: str = "") -> Iterator[str]:
    for name, one in value.items():
        yield f"{before}{name}"
        if isinstance(one, dict):
            yield from members_of(one, f"{before}{name}__")


def keywords(value: Any) -> set[str]:
    """The keywords of a schema; names of members are none."""
    if not isinstance(value, dict):
        return set()
    found = set(value)
    for name, one in value.items():
        inner = list(one.values()) if name in {"properties", "$defs"} else [one]
        for each in [*inner, *(one if isinstance(one, list) else [])]:
            found |= keywords(each)
    return found


def taken(name: str, form: dict[str, Any]) -> bool:
    try:
        return adapter(name).translate(json.dumps(form).encode(), source=SOURCE).unread == ()
    except MalformedEvent:
        return False


@pytest.mark.parametrize("name", [*GOLDEN, "referral"])
def test_every_schema_is_one(name: str) -> None:
    found = schema(name)
    assert found["$id"] == f"{name}.schema.json"
    assert found["$schema"] == DIALECT
    assert keywords(found) <= KEYWORDS


@pytest.mark.parametrize(("name", "file"), CASES)
def test_the_golden_forms_are_in_their_schema(name: str, file: str) -> None:
    assert satisfies(schema(name), kept(name, file))


@pytest.mark.parametrize(("name", "file"), CASES)
def test_with_any_member_left_out_the_adapter_takes_what_the_schema_takes(
    name: str, file: str
) -> None:
    """The exceptions are what no schema says, and they are named."""
    form, check = kept(name, file), schema(name)
    beyond = {"handling__conditions", "consent__reason_without"}
    if file == "assessed.in.json":
        beyond |= {"assessment", "assessment__risk_of_serious_harm"}
    for path in members_of(form):
        less = changed(form, **{path: GONE})
        if path not in beyond:
            assert taken(name, less) == satisfies(check, less), path


@pytest.mark.parametrize(("name", "file"), CASES)
def test_what_the_schema_asks_for_is_enough(name: str, file: str) -> None:
    form, check = kept(name, file), schema(name)
    for path in sorted(members_of(form), key=len, reverse=True):
        less = changed(form, **{path: GONE})
        if satisfies(check, less) and path not in {
            "assessment",
            "assessment__risk_of_serious_harm",
        }:
            form = less
    assert taken(name, form)
    assert len([one for one in NUMBERS if one in form["person"]]) == 1


@pytest.mark.parametrize(("name", "file"), CASES)
def test_a_member_the_schema_does_not_name_is_reported(name: str, file: str) -> None:
    more = changed(kept(name, file), person__shoe_size="9")
    assert not satisfies(schema(name), more)
    assert translated(adapter(name), more).unread == ("$.person.shoe_size",)


@pytest.mark.parametrize(("name", "file"), CASES)
def test_every_word_of_a_closed_list_has_a_meaning(name: str, file: str) -> None:
    """A word that the schema names is read, refused as no concern, or known to need a human."""
    form = kept(name, file)
    refusals: list[str] = []
    for path, words in enumerations(name, form):
        for word in words:
            other = changed(form, **{path: word})
            try:
                translated(adapter(name), other)
            except MalformedEvent as error:
                refusals.append(f"{path} {word}: {error}")
    assert not [one for one in refusals if "no known meaning" in one]


def enumerations(name: str, form: dict[str, Any]) -> Iterator[tuple[str, list[Any]]]:
    """Every member of a form that its schema gives a list of words, with those words."""
    found = schema(name)
    forms = [found] if "properties" in found else found["anyOf"]
    for one in forms:
        if form["form"] in one["properties"]["form"]["enum"]:
            yield from _enumerations(one, form, "")


def _enumerations(one: Any, value: dict[str, Any], before: str) -> Iterator[tuple[str, list[Any]]]:
    for name, inner in one.get("properties", {}).items():
        if name not in value:
            continue
        if "enum" in inner:
            yield before + name, inner["enum"]
        elif isinstance(value[name], dict):
            yield from _enumerations(inner, value[name], f"{before}{name}__")


def test_there_is_a_schema_for_all_that_is_read() -> None:
    named = {path.name.split(".")[0] for path in PAGES.glob("*.schema.json")}
    assert set(GOLDEN) <= named
    assert all((FOLDER / name).is_dir() for name in GOLDEN)
