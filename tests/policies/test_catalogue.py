"""The catalogues say what the model and the law say, and are read strictly."""

import pytest

from gateway.model.groups import GROUP_NAMES, PROVENANCE, Groups
from gateway.model.kinds import KINDS
from policies.catalogue import Catalogues, load_catalogues, may_post
from policies.problem import BadRulebook
from tests.policies.cases import FILES, RULEBOOK, WHOLE

CATALOGUES: Catalogues = RULEBOOK.catalogues


def model_members(group: str) -> list[str]:
    annotation = Groups.model_fields[group].annotation
    model = next(part for part in annotation.__args__ if part is not type(None))  # type: ignore[union-attr]
    return [name for name in model.model_fields if name not in PROVENANCE]


def test_the_groups_are_the_models_groups_in_the_models_order() -> None:
    assert tuple(CATALOGUES.groups) == GROUP_NAMES


@pytest.mark.parametrize("group", GROUP_NAMES)
def test_a_groups_members_are_the_models_members(group: str) -> None:
    assert list(CATALOGUES.groups[group].members) == model_members(group)


@pytest.mark.parametrize("group", GROUP_NAMES)
def test_the_person_of_these_tests_holds_every_member(group: str) -> None:
    assert set(WHOLE[group]) == set(CATALOGUES.groups[group].members)


def test_health_is_sensitive_and_nothing_else_is() -> None:
    sensitive = {name for name, group in CATALOGUES.groups.items() if group.sensitive}
    assert sensitive == {"health_routing", "health_clinical"}


def test_the_role_codes_are_those_of_the_matrix_and_each_stands_once() -> None:
    codes = [code for role in CATALOGUES.roles.values() for code in role.codes]
    assert sorted(codes) == ["R01", "R03", "R05", "R06", "R08", "R09", "R10", "R15", "R16", "R17"]


def test_the_bases_are_those_this_version_relies_on() -> None:
    assert set(CATALOGUES.bases) == {"LB01", "LB05", "LB06", "LB10", "LB12"}
    assert [name for name, basis in CATALOGUES.bases.items() if basis.human_only] == ["LB12"]


@pytest.mark.parametrize(
    ("organisation_class", "kind", "expected"),
    [
        ("prison", "release.planned", True),
        ("prison", "custody.received", True),
        ("prison", "police.arrested", False),
        ("police", "release.planned", False),
        ("police", "notification.required", True),
        ("charity", "release.planned", False),
        ("nhs_mental_health_trust", "health.discharge_planned", True),
        ("other", "event.corrected", False),
        ("no_such_class", "event.corrected", False),
    ],
)
def test_a_class_posts_what_is_its_own_to_say(
    organisation_class: str, kind: str, expected: bool
) -> None:
    assert may_post(CATALOGUES, organisation_class, kind) is expected


def test_every_kind_is_some_classs_to_post() -> None:
    unposted = {
        kind
        for kind in KINDS
        if not any(may_post(CATALOGUES, name, kind) for name in CATALOGUES.organisations)
    }
    assert unposted == set()


def test_an_unknown_class_has_no_standing() -> None:
    assert CATALOGUES.standing_of("no_such_class") == frozenset()
    assert CATALOGUES.standing_of("other") == {"other"}


@pytest.mark.parametrize(
    ("file", "old", "new", "code"),
    [
        ("groups.toml", "sensitive = false", 'sensitive = "no"', "catalogue-invalid"),
        (
            "groups.toml",
            'title = "Identity"',
            'title = "Identity"\ncolour = 1',
            "catalogue-invalid",
        ),
        ("groups.toml", 'title = "Identity"\n', "", "catalogue-invalid"),
        ("groups.toml", "[G1]", "[G1", "not-toml"),
        ("groups.toml", 'name = "identifiers"', 'name = "identity"', "group-name-twice"),
        ("groups.toml", '"aliases", ', '"family_name", ', "member-twice"),
        ("groups.toml", "forms.justice", "forms.noms", "form-invalid"),
        ("groups.toml", 'dates = ["planned_date"', 'dates = ["birthday"', "form-invalid"),
        ("groups.toml", 'members = ["nino"]', 'members = ["passport"]', "member-unknown"),
        ("groups.toml", "roles = []", 'roles = ["landlord"]', "role-unknown"),
        ("roles.toml", 'held_by = ["police"]', 'held_by = ["sheriff"]', "organisation-unknown"),
        ("bases.toml", 'regime = "P3"', 'regime = "none"', "catalogue-invalid"),
        ("bases.toml", '"mappa_category_known"', '"seems_fair"', "catalogue-invalid"),
        ("bases.toml", '["oma_core"]', '["oma_inner"]', "standing-unknown"),
        ("bases.toml", '"identity.given_names"', '"identity.nickname"', "member-unknown"),
        ("bases.toml", "human_only = true", "human_only = false", "route-and-human-only"),
        ("organisations.toml", '"police.*"', '"polcie.*"', "kind-unknown"),
        ("organisations.toml", "[charity]", "[associate]", "name-is-a-standing"),
        ("organisations.toml", 'oma_s14 = "core"', "oma_s14 = 2026-01-01", "catalogue-invalid"),
    ],
)
def test_a_faulty_catalogue_is_refused(file: str, old: str, new: str, code: str) -> None:
    assert old in FILES[file]
    with pytest.raises(BadRulebook) as caught:
        load_catalogues({**FILES, file: FILES[file].replace(old, new, 1)})
    assert caught.value.code == code
    assert caught.value.file == file
