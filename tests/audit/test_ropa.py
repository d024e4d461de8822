"""Question 9, first half: records of processing."""

from datetime import date

import pytest

from gateway.audit.ropa import ropa
from gateway.instance import rulebook_texts
from policies.rulebook import load_rulebook
from tests.audit.evidence import LAW, column

TODAY = date(2026, 3, 2)
WHOLE = ropa(LAW.rulebook, today=TODAY)


def test_every_controller_that_states_facts_is_there_and_nobody_else() -> None:
    classes = LAW.catalogues.organisations
    stating = {entry.title for entry in classes.values() if entry.kinds and entry.controller}
    named = set(column(WHOLE, "controller"))
    assert {one for one in named if "acts for" not in one} == stating
    assert classes["work_and_pensions"].title not in named  # it states nothing


def test_what_each_row_of_the_statute_asks_for_is_said() -> None:
    assert all(row[1] and row[2] and row[4] and row[5] and row[7] for row in WHOLE.rows)
    said = " ".join(WHOLE.reading)
    for asked in ("Transfers outside the United Kingdom: none", "Profiling: none", "Security"):
        assert asked in said
    assert any("contact details" in one for one in WHOLE.caveats)


def test_nobody_is_listed_whom_no_rule_tells() -> None:
    roles = LAW.catalogues.roles
    told = {
        roles[rule.role].title for rule in LAW.rulebook.rules.values() if rule.effect == "permit"
    }
    assert set(column(WHOLE, "recipients")) <= told
    public = [row for row in WHOLE.rows if row[2] == roles["victim_or_public"].title]
    assert public
    assert all(row[-1] for row in public), "the public is told by a person's decision alone"


def test_health_facts_go_only_where_a_condition_is_stated() -> None:
    for row in WHOLE.rows:
        found = dict(zip([one.name for one in WHOLE.columns], row, strict=True))
        if "Health routing" in str(found["personal_data"]):
            assert found["condition"]
            assert found["policy_document"]


def test_one_controller_alone() -> None:
    prison = ropa(LAW.rulebook, today=TODAY, controller="prison")
    assert set(column(prison, "controller")) == {"prison"}
    assert set(prison.rows) <= set(WHOLE.rows)
    assert ropa(LAW.rulebook, today=TODAY, controller="immigration").rows == ()


@pytest.mark.parametrize(
    ("today", "named"), [(TODAY, "APD-EXAMPLE-JUSTICE-1"), (date(2029, 1, 1), "NONE IN FORCE")]
)
def test_a_document_past_its_end_is_named_as_missing(today: date, named: str) -> None:
    texts = rulebook_texts(None)
    name = next(one for one in texts if one.endswith("policy_documents.toml"))
    ends = texts[name].replace(
        "review_date = 2027-03-31", "review_date = 2027-03-31\nexpires_on = 2028-01-01"
    )
    found = ropa(load_rulebook(texts | {name: ends}), today=today, controller="prison")
    documents = {one for one in column(found, "policy_document") if one}
    assert documents
    assert all(one.startswith(named) for one in documents)


def test_it_is_of_the_rulebook_given_and_the_same_each_time() -> None:
    assert WHOLE.asked["rulebook"] == LAW.rulebook.digest
    assert ropa(LAW.rulebook, today=TODAY) == WHOLE
    texts = {
        name: text
        for name, text in rulebook_texts(None).items()
        if not name.endswith("counter_terrorism.cedar")
    }
    less = ropa(load_rulebook(texts), today=TODAY)
    assert len(less.rows) < len(WHOLE.rows)
