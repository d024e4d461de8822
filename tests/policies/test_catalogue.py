"""The catalogues say what the model and the law say, and are read strictly."""

from datetime import date, timedelta

import pytest

from gateway.model.groups import GROUP_NAMES, PROVENANCE, Groups
from gateway.model.kinds import KINDS, OWN_KINDS
from policies.catalogue import CATALOGUE_FILES, Catalogues, load_catalogues, may_post
from policies.problem import BadRulebook
from tests.policies.cases import FILES, RULEBOOK, WHOLE
from tests.support.every import every

CATALOGUES: Catalogues = RULEBOOK.catalogues
JUSTICE = "DPA 2018 Sch 8 para 1"


def model_members(group: str) -> list[str]:
    annotation = Groups.model_fields[group].annotation
    model = next(part for part in annotation.__args__ if part is not type(None))  # type: ignore[union-attr]
    return [name for name in model.model_fields if name not in PROVENANCE]


def test_the_groups_are_the_models_groups_in_the_models_order() -> None:
    assert tuple(CATALOGUES.groups) == GROUP_NAMES


@every("group", GROUP_NAMES)
def test_a_groups_members_are_the_models_members(group: str) -> None:
    assert list(CATALOGUES.groups[group].members) == model_members(group)


@every("group", GROUP_NAMES)
def test_the_person_of_these_tests_holds_every_member(group: str) -> None:
    assert set(WHOLE[group]) == set(CATALOGUES.groups[group].members)


def test_health_is_sensitive_and_nothing_else_is() -> None:
    sensitive = {name for name, group in CATALOGUES.groups.items() if group.sensitive}
    assert sensitive == {"health_routing", "health_clinical"}


def test_the_role_codes_are_those_of_the_matrix_and_each_stands_once() -> None:
    codes = [code for role in CATALOGUES.roles.values() for code in role.codes]
    assert codes == [f"R{number:02}" for number in range(1, 26)]


def test_every_role_is_held_by_some_class_and_every_class_holds_a_role_or_posts() -> None:
    assert all(role.held_by for role in CATALOGUES.roles.values())
    holders = frozenset[str]().union(*(role.held_by for role in CATALOGUES.roles.values()))
    idle = {
        name
        for name, entry in CATALOGUES.organisations.items()
        if name not in holders and not entry.kinds
    }
    assert idle == set()


def test_the_bases_are_the_sixteen() -> None:
    assert list(CATALOGUES.bases) == [f"LB{number:02}" for number in range(1, 17)]


def test_which_bases_open_nothing_and_which_a_person_alone_may_use() -> None:
    assert [name for name, basis in CATALOGUES.bases.items() if not basis.power] == ["LB02", "LB15"]
    human = [name for name, basis in CATALOGUES.bases.items() if basis.human_only]
    assert human == ["LB03", "LB08", "LB09", "LB12"]


@pytest.mark.parametrize("basis", ["LB03", "LB08", "LB09"])
def test_only_a_human_only_basis_leads_to_the_public(basis: str) -> None:
    to_the_public = {
        name
        for name, entry in CATALOGUES.bases.items()
        if any("public" in route.to for route in entry.routes)
    }
    assert basis in to_the_public
    assert all(CATALOGUES.bases[name].human_only for name in to_the_public)


def test_serious_violence_never_carries_patient_information() -> None:
    entry = CATALOGUES.bases["LB11"]  # type: ignore[index]
    assert entry.condition == ""
    assert not any(path.startswith("health") for path in entry.members)


def test_a_rule_has_a_purpose_that_each_of_its_bases_serves() -> None:
    strays = {
        (rule.id, basis)
        for rule in RULEBOOK.rules.values()
        for basis in rule.bases
        if rule.purpose not in CATALOGUES.bases[basis].purposes
    }
    assert strays == set()


def test_a_rule_that_rests_on_an_unverified_basis_says_so() -> None:
    silent = {
        rule.id
        for rule in RULEBOOK.rules.values()
        if any(CATALOGUES.bases[basis].verified == "G" for basis in rule.bases)
        and "unverified" not in rule.source
    }
    assert silent == set()


@every(
    ("organisation_class", "kind", "expected"),
    [
        ("prison", "release.planned", True),
        ("prison", "custody.received", True),
        ("prison", "police.arrested", False),
        ("police", "release.planned", False),
        ("police", "notification.required", True),
        ("probation", "custody.recalled", True),
        ("probation", "custody.received", False),
        ("charity", "release.planned", False),
        ("nhs_mental_health_trust", "health.discharge_planned", True),
        ("electronic_monitoring_provider", "monitoring.breached", True),
        ("gateway", "duty.missed", True),
        ("gateway", "release.planned", False),
        ("other", "event.corrected", False),
        ("no_such_class", "event.corrected", False),
    ],
)
def test_a_class_posts_what_is_its_own_to_say(
    organisation_class: str, kind: str, expected: bool
) -> None:
    assert may_post(CATALOGUES, organisation_class, kind) is expected


def posters(kind: str) -> set[str]:
    return {name for name in CATALOGUES.organisations if may_post(CATALOGUES, name, kind)}


@every("kind", sorted(KINDS))
def test_every_kind_is_some_classs_to_post_and_ours_are_ours_alone(kind: str) -> None:
    assert posters(kind)
    assert ("gateway" in posters(kind)) == (
        kind in OWN_KINDS or kind in {"person.merged", "person.unmerged"}
    )
    assert kind not in OWN_KINDS or posters(kind) == {"gateway"}


def test_an_unknown_class_has_no_standing() -> None:
    assert CATALOGUES.standing_of("no_such_class") == frozenset()
    assert CATALOGUES.standing_of("other") == {"other", "anyone"}


def test_what_is_no_body_is_the_controller_of_nothing() -> None:
    not_controllers = {
        name for name, entry in CATALOGUES.organisations.items() if not entry.controller
    }
    assert not_controllers == {
        "mappa_coordination",
        "domestic_abuse_conference",
        "gateway",
        "public",
    }


def test_no_health_body_or_landlord_is_listed_for_offender_management() -> None:
    outside = {
        "prison_healthcare",
        "nhs_mental_health_trust",
        "gp_practice",
        "local_housing_authority",
        "registered_social_landlord",
        "charity",
    }
    assert {CATALOGUES.organisations[name].oma_s14 for name in outside} == {"none"}


@pytest.mark.parametrize(
    "organisation_class",
    ["prison", "probation", "police", "prison_healthcare", "nhs_mental_health_trust"],
)
def test_health_routing_has_a_policy_document_of_each_controller_that_holds_it(
    organisation_class: str,
) -> None:
    found = CATALOGUES.policy_document_for(organisation_class, JUSTICE, date(2026, 3, 2))
    assert found is not None
    assert found.reference in CATALOGUES.policy_documents
    assert found.title.startswith("EXAMPLE")


def test_no_document_covers_what_it_does_not_name() -> None:
    today = date(2026, 3, 2)
    assert CATALOGUES.policy_document_for("charity", JUSTICE, today) is None
    assert CATALOGUES.policy_document_for("prison", "", today) is None


def test_a_document_is_in_force_until_the_day_it_expires() -> None:
    text = FILES["policy_documents.toml"].replace(
        "review_date = 2027-03-31", "review_date = 2026-01-01\nexpires_on = 2026-03-31", 1
    )
    expiring = load_catalogues({**FILES, "policy_documents.toml": text})
    last = date(2026, 3, 31)
    assert expiring.policy_document_for("prison", JUSTICE, last) is not None
    assert expiring.policy_document_for("prison", JUSTICE, last + timedelta(days=1)) is None


def test_an_agreement_is_between_classes_that_share_on_the_bases_it_describes() -> None:
    agreement = CATALOGUES.agreements["ISA-EXAMPLESHIRE"]
    assert agreement.parties <= CATALOGUES.organisations.keys()
    assert agreement.review_date == date(2027, 3, 31)
    assert all(CATALOGUES.bases[basis].power for basis in agreement.bases)


def test_the_ceiling_of_the_catalogue_is_the_ceiling_of_the_rulebook_and_of_the_model() -> None:
    quoted = ", ".join(f'"{marking}"' for marking in ("", *CATALOGUES.handling.markings))
    assert f"![{quoted}].contains(resource.marking)" in FILES["rulebook/forbids.cedar"]
    marking = Groups.model_json_schema()["$defs"]["Handling"]["properties"]["marking"]
    accepted = marking.get("enum") or marking["anyOf"][0]["enum"]
    assert tuple(accepted) == CATALOGUES.handling.markings
    assert {"SECRET", "TOP SECRET", "RESTRICTED"} <= CATALOGUES.handling.refused.keys()


def test_one_handling_code_is_conditional() -> None:
    codes = CATALOGUES.handling.grades.handling
    assert [code for code, entry in codes.items() if entry.conditional] == ["C"]


@every("name", CATALOGUE_FILES)
def test_every_catalogue_has_to_be_there(name: str) -> None:
    with pytest.raises(BadRulebook) as caught:
        load_catalogues({file: text for file, text in FILES.items() if file != name})
    assert (caught.value.code, caught.value.file) == ("file-missing", name)


@every(
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
        ("groups.toml", '["jobcentre_plus"]', '["landlord"]', "role-unknown"),
        ("roles.toml", 'held_by = ["police"]', 'held_by = ["sheriff"]', "organisation-unknown"),
        ("bases.toml", 'regime = "P3"', 'regime = "none"', "catalogue-invalid"),
        ("bases.toml", '"mappa_category_known"', '"seems_fair"', "catalogue-invalid"),
        ("bases.toml", '["oma_core"]', '["oma_inner"]', "standing-unknown"),
        ("bases.toml", '"identity.given_names"', '"identity.nickname"', "member-unknown"),
        ("bases.toml", 'instead = ["LB01"]', 'instead = ["LB99"]', "basis-unknown"),
        ("bases.toml", "power = false", "power = true", "power-and-route"),
        ("bases.toml", "power = true", "power = false", "power-and-route"),
        ("bases.toml", 'purposes = ["homelessness_referral"]', "purposes = []", "power-and-route"),
        ("organisations.toml", '"police.*"', '"polcie.*"', "kind-unknown"),
        ("organisations.toml", '"police.*"', '"duty.*"', "kind-reserved"),
        ("organisations.toml", '"police.*"', '"*.missing"', "kind-reserved"),
        ("organisations.toml", "[charity]", "[associate]", "name-is-a-standing"),
        ("organisations.toml", "[charity]", "[anyone]", "name-is-a-standing"),
        ("organisations.toml", 'oma_s14 = "core"', "oma_s14 = 2026-01-01", "catalogue-invalid"),
        ("organisations.toml", 'country = "GB"', 'country = "FR"', "catalogue-invalid"),
        ("agreements.toml", '"prison", ', '"sheriff", ', "organisation-unknown"),
        ("agreements.toml", '"LB04"', '"LB99"', "basis-unknown"),
        ("agreements.toml", "2027-03-31", '"next spring"', "catalogue-invalid"),
        ("agreements.toml", "2027-03-31", "2027-03-31T00:00:00Z", "catalogue-invalid"),
        ("agreements.toml", 'version = "1"', 'reference = "ISA-2"', "catalogue-invalid"),
        ("policy_documents.toml", '"gateway"', '"sheriff"', "organisation-unknown"),
        ("policy_documents.toml", "Sch 8 para 1", "Sch 8 para 99", "condition-unknown"),
        ("policy_documents.toml", "retention =", "keeping =", "catalogue-invalid"),
        (
            "handling.toml",
            'ceiling = "OFFICIAL-SENSITIVE"',
            'ceiling = "SECRET"',
            "ceiling-not-highest",
        ),
        ("handling.toml", '"PROTECT"', '"OFFICIAL"', "marking-twice"),
        ("handling.toml", "conditional = true", 'conditional = "yes"', "catalogue-invalid"),
        ("handling.toml", 'E = "', 'F = "', "catalogue-invalid"),
        ("clocks.toml", "automated = true", 'automated = "yes"', "catalogue-invalid"),
        ("holds.toml", 'hold = "PT0S"', 'hold = "a while"', "catalogue-invalid"),
    ],
)
def test_a_faulty_catalogue_is_refused(file: str, old: str, new: str, code: str) -> None:
    assert old in FILES[file]
    with pytest.raises(BadRulebook) as caught:
        load_catalogues({**FILES, file: FILES[file].replace(old, new, 1)})
    assert caught.value.code == code
    assert caught.value.file == file
