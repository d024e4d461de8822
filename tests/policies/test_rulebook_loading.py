"""A rulebook is loaded whole or refused, with a code, a file and a position."""

import hashlib
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.problem import BadRulebook
from policies.rulebook import digest, load_rulebook
from tests.policies.cases import FILES, RULEBOOK

GOOD = (
    '@id("added") @basis("LB01") @purpose("continuity_of_care") @groups("identity") @for("action") '
    '@acknowledge("PT4H") @source("test") '
    'permit (principal in Role::"gp_practice", action == Action::"disclose", resource) '
    "when { resource.level == 3 };"
)


def refusal(files: Mapping[str, str]) -> BadRulebook:
    with pytest.raises(BadRulebook) as caught:
        load_rulebook(files)
    return caught.value


def adding(text: str) -> dict[str, str]:
    return {**FILES, "rulebook/added.cedar": text}


def test_the_rulebook_as_shipped_loads_with_a_rule_for_every_role_that_may_see_a_person() -> None:
    permits = [rule for rule in RULEBOOK.rules.values() if rule.effect == "permit"]
    aggregates_only = {"strategic_management_board", "data_protection_officer"}
    assert {rule.role for rule in permits} == set(RULEBOOK.catalogues.roles) - aggregates_only
    assert all(rule.source for rule in RULEBOOK.rules.values())
    assert all(rule.acknowledge_within for rule in permits if rule.for_action)


def test_a_good_rule_may_be_added() -> None:
    added = load_rulebook(adding(GOOD)).rules["added"]  # type: ignore[index]
    assert added.acknowledge_within is not None
    assert added.acknowledge_within.total_seconds() == 4 * 3600
    assert ("family_name", "identity.family_name") in added.groups[0][1]


@pytest.mark.parametrize("name", ["id", "basis", "purpose", "groups", "for", "source"])
def test_a_permit_with_an_annotation_missing_is_refused(name: str) -> None:
    start = GOOD.index(f"@{name}(")
    end = GOOD.index(")", start) + 1
    found = refusal(adding(GOOD[:start] + GOOD[end:]))
    assert found.code == ("rule-without-id" if name == "id" else "annotation-missing")
    assert found.file == "rulebook/added.cedar"
    assert name in found.reason or name == "id"


@pytest.mark.parametrize("name", ["reason", "source"])
def test_a_forbid_with_an_annotation_missing_is_refused(name: str) -> None:
    annotations = {"reason": '@reason("r")', "source": '@source("s")'}
    del annotations[name]
    text = f'@id("added") {" ".join(annotations.values())} forbid (principal, action, resource);'
    found = refusal(adding(text))
    assert (found.code, found.position, found.reason) == (
        "annotation-missing",
        "rule added",
        f"@{name}",
    )


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ('@id("added")', '@id("Not An Id")', "rule-without-id"),
        ('@basis("LB01")', '@basis("LB99")', "basis-unknown"),
        ('@basis("LB01")', '@basis("LB12")', "basis-human-only"),
        ('@basis("LB01")', '@basis("LB02")', "purpose-not-of-basis"),
        ('@basis("LB01")', '@basis("LB01 LB01")', "annotation-invalid"),
        ('@groups("identity")', '@groups("identity.shoe_size")', "group-unknown"),
        ('@groups("identity")', '@groups("everything")', "group-unknown"),
        ('@groups("identity")', '@groups("identity.as_of")', "group-unknown"),
        ('@groups("identity")', '@groups("identifiers.nino")', "member-reserved"),
        ('@groups("identity")', '@groups("location")', "member-reserved"),
        ('@for("action")', '@for("interest")', "annotation-invalid"),
        ('@acknowledge("PT4H")', '@acknowledge("4 hours")', "annotation-invalid"),
        ('@acknowledge("PT4H")', '@acknowledge("-PT4H")', "annotation-invalid"),
        ('@acknowledge("PT4H")', '@acknowledge("P0D")', "annotation-invalid"),
        ('@acknowledge("PT4H")', '@acknowledge("P9000D")', "annotation-invalid"),
        ('@for("action")', '@for("action") @decided_by("A Judge")', "annotation-invalid"),
        ('action == Action::"disclose"', "action", "rule-permits-no-disclosure"),
        ('@purpose("continuity_of_care")', '@purpose("curiosity")', "purpose-not-of-basis"),
        ('@purpose("continuity_of_care")', '@purpose("because I say so")', "annotation-invalid"),
        ('@source("test")', '@source("test") @colour("red")', "annotation-unknown"),
        ('principal in Role::"gp_practice"', "principal", "rule-names-no-role"),
        ('Role::"gp_practice"', 'Role::"landlord"', "role-unknown"),
        ("resource.level == 3", "resource.shoe_size == 3", "rule-invalid"),
        ("resource.level == 3", 'resource.level == "three"', "rule-invalid"),
        ("resource.level == 3", "resource.level ==", "not-cedar"),
        ('principal in Role::"gp_practice"', "principal == ?principal", "template"),
    ],
)
def test_a_faulty_rule_is_refused(old: str, new: str, code: str) -> None:
    assert old in GOOD
    found = refusal(adding(GOOD.replace(old, new)))
    assert found.code == code
    assert found.file == "rulebook/added.cedar"


def test_a_rule_id_used_twice_is_refused_and_both_files_are_named() -> None:
    found = refusal(adding(GOOD.replace('"added"', '"police-release"')))
    assert (found.code, found.position) == ("rule-id-twice", "rule police-release")
    assert {found.file, found.reason.removeprefix("also in ")} == {
        "rulebook/added.cedar",
        "rulebook/police.cedar",
    }


def test_a_rule_the_schema_does_not_allow_names_the_rule_and_the_file() -> None:
    found = refusal(adding(GOOD.replace("resource.level", "resource.levle")))
    assert (found.file, found.position) == ("rulebook/added.cedar", "rule added")
    assert "levle" in str(found)


def test_an_optional_attribute_read_without_asking_is_refused() -> None:
    schema = FILES["schema.cedarschema"].replace("restricted: Bool", "restricted?: Bool")
    found = refusal({**FILES, "schema.cedarschema": schema})
    assert (found.code, found.position) == ("rule-invalid", "rule forbid-restricted-case")


@pytest.mark.parametrize(
    "name",
    ["schema.cedarschema", "bases.toml", "groups.toml", "organisations.toml", "roles.toml"],
)
def test_a_missing_file_is_named(name: str) -> None:
    found = refusal({n: text for n, text in FILES.items() if n != name})
    assert (found.code, found.file) == ("file-missing", name)


def test_a_rulebook_without_rules_is_refused() -> None:
    found = refusal({n: text for n, text in FILES.items() if not n.endswith(".cedar")})
    assert found.code == "file-missing"


def test_a_file_that_is_no_part_of_a_rulebook_is_refused() -> None:
    assert refusal({**FILES, "rulebook/police.cedar.bak": ""}).code == "file-unknown"
    assert refusal({**FILES, "police.cedar": GOOD}).code == "file-twice"


def test_a_schema_that_does_not_parse_is_refused() -> None:
    found = refusal({**FILES, "schema.cedarschema": "entity"})
    assert (found.code, found.file) == ("schema-invalid", "schema.cedarschema")


def test_the_schema_and_the_catalogue_know_the_same_roles() -> None:
    for role in RULEBOOK.catalogues.roles:
        assert f'"{role}"' in FILES["schema.cedarschema"]
    fewer = FILES["schema.cedarschema"].replace('  "gp_practice",\n', "")
    assert refusal({**FILES, "schema.cedarschema": fewer}).code == "rule-invalid"


def test_the_digest_is_of_names_and_texts_each_with_its_length() -> None:
    expected = hashlib.sha256(
        (1).to_bytes(8) + b"a" + (2).to_bytes(8) + b"xy" + (1).to_bytes(8) + b"b" + bytes(8)
    )
    assert digest({"b": "", "a": "xy"}) == expected.hexdigest()


NAMED_TEXTS = st.dictionaries(st.text("ab", max_size=3), st.text("ab", max_size=3), max_size=3)


@given(NAMED_TEXTS, NAMED_TEXTS)
def test_rulebooks_differ_exactly_when_their_digests_do(
    one: dict[str, str], other: dict[str, str]
) -> None:
    assert (digest(one) == digest(other)) == (one == other)


def test_one_changed_letter_changes_the_digest() -> None:
    changed = FILES["rulebook/police.cedar"].replace("D18", "D19")
    assert load_rulebook({**FILES, "rulebook/police.cedar": changed}).digest != RULEBOOK.digest
