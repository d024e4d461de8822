"""A mapping file is checked whole, and every fault in it is named at once."""

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.table import BadMapping, read_mapping, table_adapter
from adapters.table.mapping import TOLD_KINDS
from adapters.table.members_taken import target_of
from gateway.model.groups import GROUP_NAMES, OWN_GROUPS
from tests.adapters.examples import FOLDER
from tests.docs.pages import ROOT, first_codes, section

WORKED = (FOLDER / "table" / "supported_housing.toml").read_text("utf-8")
NOBODY = re.sub(r'\[\[field\]\]\ncolumn = "(CRN|NOMS number)".*?\n\n', "", WORKED, flags=re.DOTALL)
PAGE = ROOT / "docs" / "reference" / "adapters" / "table.md"


def faults(text: str) -> tuple[str, ...]:
    with pytest.raises(BadMapping) as caught:
        read_mapping(text)
    return caught.value.faults


def changed(old: str, new: str) -> str:
    assert old in WORKED
    return WORKED.replace(old, new, 1)


def with_field(row: str) -> str:
    return f"{WORKED}\n[[field]]\n{row}\n"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("=", "not TOML"),
        (changed('"supported_housing"', '"Supported Housing"'), "name: lower-case"),
        (changed('"supported_housing"', '"table"'), "name: table is what"),
        (changed('format = "csv"', 'format = "ods"'), "format: "),
        (changed('format = "csv"', 'format = "csv"\nsheet = "One"'), "sheet: only a workbook"),
        (changed('format = "csv"', 'format = "csv"\nfont = "One"'), "font: no such key"),
        (changed('told_apart_by = ["Ref"]', ""), "told_apart_by: name the columns"),
        (changed("verified = true\n", ""), "provenance.verified: required"),
        (changed("rosh = ", "duty = "), "provenance.assertion.duty: no such field group"),
        (changed("rosh = ", "victim = "), "provenance.assertion.victim: nothing of this group"),
        (changed('column = "Change"', 'fixed = "custody.died"'), "kind.codes: say"),
        (changed('column = "Change"\n', ""), "kind: either fixed"),
        (changed('"accommodation.lost"', '"duty.missed"'), "kind.codes.LOST: not a kind"),
        (changed('"accommodation.lost"', '"event.retracted"'), "kind.codes.LOST: not a kind"),
        (changed('["REPAIR"]', '["LOST"]'), "kind, code LOST: has two meanings"),
        (changed('form = "DD/MM/YYYY"', 'form = "MM/DD/YYYY"'), "time.form: one of"),
        (changed('column = "CRN"', 'column = "Weekly rent"'), "Weekly rent: both read and ignored"),
        (changed('column = "CRN"', 'column = " CRN"'), "not a name a column can have"),
        (changed('column = "CRN"', 'column = "gateway_x"'), "the gateway's own"),
        (with_field('column = "A"\nto = "spouse.name"'), "field 13 (spouse.name): no such field"),
        (with_field('column = "A"\nto = "identity.shoe"'), "no such member of identity"),
        (with_field('column = "A"\nto = "identity.verified"'), "said once, under [provenance]"),
        (with_field('column = "A"\nto = "duty.clock"'), "stated by the gateway alone"),
        (with_field('column = "A"\nto = "offence.orders"'), "a list of objects"),
        (with_field('column = "A"\nto = "location.address"'), "has parts: name one of lines"),
        (with_field('column = "A"\nto = "location.address.town"'), "no such part"),
        (with_field('column = "A"\nto = "identity.sex.code"'), "has no parts"),
        (with_field('column = "A"\nto = "mappa.level"'), "mappa.level: mapped twice"),
        (with_field('column = "A"\nto = "identity.sex"\nform = "Java"'), "form: only a date"),
        (
            with_field('column = "A"\nto = "mappa.next_review"\nform = "Java"'),
            "form: one of YYYY-MM-DD",
        ),
        (
            with_field('column = "A"\nto = "mappa.next_review"\ncodes = {x="2026-01-01"}'),
            "a date or a time has none",
        ),
        (with_field('column = "A"\nto = "identity.sex"\ncodes = {M="m"}'), "codes.M: not a value"),
        (with_field('column = "A"\nto = "mappa.category"\ncodes = {M="1"}'), "codes.M: not a"),
        (with_field('column = "A"\nto = "mappa.category"\ncodes = {M=5}'), "codes.M: not a"),
        (
            with_field('column = "A"\nto = "identity.sex"\ncodes={M="male"}\nstates_nothing=["M"]'),
            "code M: has two meanings",
        ),
        (
            with_field('column = "A"\nto = "identity.sex"\nnot_recorded=["-"]'),
            "not_recorded: this member says nothing",
        ),
        (with_field('column = ["A", "B"]\nto = "identity.sex"'), "takes one value"),
        (with_field('column = "A"\nto = "identity.sex"\nseparator = ","'), "takes one value"),
        (with_field('column = []\nto = "licence.conditions"'), "column: name at least one"),
        (with_field('column = "A"\nto = "mappa.level"\nwithout = " "'), "without: only of a text"),
        (changed('column = "CRN"', 'column = "=CRN"'), "not a name a column can have"),
        (with_field('to = "identity.sex"'), "field 13: column: required"),
        (NOBODY, "no identifier mapped"),
    ],
)
def test_a_fault_is_named(text: str, fault: str) -> None:
    assert any(fault in one for one in faults(text)), faults(text)


def test_every_fault_is_named_at_once() -> None:
    text = changed('"supported_housing"', '"X"').replace('"accommodation.lost"', '"x"')
    text += '\n[[field]]\ncolumn = "A"\nto = "x.y"\n[[field]]\ncolumn = "B"\nto = "mappa.level"\n'
    said = faults(text)
    assert len(said) == 4
    assert [one.partition(":")[0] for one in said] == [
        "field 13 (x.y)", "name", "kind.codes.LOST", "mappa.level",
    ]  # fmt: skip


def test_a_column_of_json_is_a_value_or_an_object_and_not_both() -> None:
    text = WORKED.replace('format = "csv"', 'format = "jsonl"')
    assert read_mapping(text).format == "jsonl"
    said = faults(text.replace('"Surname"', '"CRN.surname"'))
    assert said == ("column CRN: a value, or an object with members?",)


def test_the_worked_mapping_says_what_it_says() -> None:
    mapping = read_mapping(WORKED)
    assert mapping.columns[:3] == ("Ref", "Changed at", "Change")
    assert mapping.kind_codes["LOST"] == "accommodation.lost"
    required = [one.target.path for one in mapping.fields if one.required]
    assert required == ["identifiers.crn"]
    adapter = table_adapter(mapping)
    assert adapter.name == "supported_housing"
    assert adapter.inbound is not None
    assert adapter.inbound.media_types == ("text/csv",)


@given(text=st.text(max_size=200))
def test_arbitrary_text_is_a_bad_mapping_and_nothing_else(text: str) -> None:
    with pytest.raises(BadMapping):
        read_mapping(text)


VALUES = st.recursive(
    st.booleans() | st.integers(-5, 5) | st.sampled_from(["", "CRN", "custody.died", "RFC 3339"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["A", "column", "to"]), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(drawn=st.data())
def test_a_key_of_another_type_is_a_bad_mapping_and_nothing_else(drawn: st.DataObject) -> None:
    key = drawn.draw(st.sampled_from(["kind", "time", "provenance", "field", "ignore", "name"]))
    value = drawn.draw(VALUES)
    with pytest.raises(BadMapping) as caught:
        read_mapping(f"{key} = {toml(value)}\n")
    assert caught.value.faults


def toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return "[" + ", ".join(toml(one) for one in value) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name} = {toml(one)}" for name, one in value.items()) + "}"
    return f'"{value}"' if isinstance(value, str) else str(value)


def test_every_group_an_agency_may_state_can_be_mapped() -> None:
    for group in set(GROUP_NAMES) - OWN_GROUPS:
        assert target_of(f"{group}.nothing") == f"no such member of {group}"
    assert "release.actual" in TOLD_KINDS
    assert not TOLD_KINDS & {"duty.missed", "event.corrected"}


@pytest.mark.parametrize(
    "table", ["Top of the file", "kind", "time", "provenance", "correction", "field"]
)
def test_the_reference_has_every_key_of_a_mapping_and_no_other(table: str) -> None:
    from adapters.table import mapping

    shapes: dict[str, Any] = {
        "Top of the file": mapping._Top, "kind": mapping._Kind, "time": mapping._Time,
        "provenance": mapping._Provenance, "correction": mapping._Correction,
        "field": mapping._FieldShape,
    }  # fmt: skip
    tables = {"kind", "time", "provenance", "correction"} if table == "Top of the file" else set()
    assert set(first_codes(section(PAGE, table))) == set(shapes[table].model_fields) - tables


def test_the_mappings_of_the_documentation_are_read() -> None:
    files: list[Path] = sorted((FOLDER / "table").glob("*.toml"))
    assert files
    assert [read_mapping(file.read_text("utf-8")).name for file in files] == [
        file.stem for file in files
    ]
