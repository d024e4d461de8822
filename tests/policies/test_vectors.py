"""The vectors of domain facts 9.3: each runs for real, and the runner tells right from wrong."""

import pytest

from gateway.rehearsal.vector_checks import CHECKS
from policies.problem import BadRulebook
from policies.review.vectors import NOT_RUN, Outcome, Result, Vector, read_vectors, run
from tests.policies.cases import FILES, RULEBOOK

TEXT = FILES["vectors.toml"]
VECTORS = read_vectors(TEXT)
RESULTS = {result.vector.id: result for result in run(VECTORS, RULEBOOK, CHECKS)}


@pytest.mark.parametrize("id_", RESULTS)
def test_a_vector_comes_out_as_the_domain_expects(id_: str) -> None:
    result = RESULTS[id_]
    assert result.ran
    assert result.faults == ()


def test_all_thirty_rows_of_the_domain_are_there() -> None:
    assert {id_.rstrip("abc") for id_ in RESULTS} == {str(number) for number in range(1, 31)}


def one(text: str) -> Result:
    """Run a single vector given as TOML, with the file's person."""
    head = TEXT[: TEXT.index("[[vector]]")]
    return next(iter(run(read_vectors(head + text), RULEBOOK)))


POLICE = (
    'recipient = { role = "police_offender_manager", organisation_class = "police",'
    ' areas = ["west_midlands"] }\n'
)
VECTOR = '[[vector]]\nid = "x"\ntitle = "a test"\n' + POLICE


@pytest.mark.parametrize(
    ("expect", "fault"),
    [
        ('verdict = "DENY"', "verdict ALLOW, expected DENY"),
        ('verdict = "ALLOW", granted = ["health_clinical"]', "health_clinical is not granted"),
        ('verdict = "ALLOW", withheld = ["identity"]', "identity is granted"),
        ('verdict = "ALLOW", regime = "GDPR"', "regime P3"),
        ('verdict = "ALLOW", proposals = ["LB12"]', "no human could decide on LB12"),
        ('verdict = "ALLOW", reasons = ["evaluation-error"]', "no reason evaluation-error"),
    ],
)
def test_a_wrong_expectation_is_a_fault_that_says_what(expect: str, fault: str) -> None:
    result = one(f"{VECTOR}expect = {{ {expect} }}\n")
    assert not result.passed
    assert any(found.startswith(fault) for found in result.faults)


def test_exactly_these_groups_means_no_other() -> None:
    result = one(f'{VECTOR}expect = {{ verdict = "ALLOW", only = ["identity"] }}\n')
    assert any(found.startswith("granted: ") for found in result.faults)


def test_a_check_nobody_wired_is_not_run_and_not_passed() -> None:
    result = one(f'{VECTOR}check = "carrier-pigeon"\nexpect = {{ verdict = "ALLOW" }}\n')
    assert result.outcome is NOT_RUN
    assert not result.ran
    assert not result.passed


def test_a_check_handed_in_is_called_by_name() -> None:
    head = TEXT[: TEXT.index("[[vector]]")]
    text = f'{head}{VECTOR}check = "mine"\nexpect = {{ verdict = "NOTHING", says = ["x"] }}\n'

    def mine(vector: Vector, *_others: object) -> Outcome:
        return Outcome(verdict="NOTHING", says=(vector.id,))

    assert [result.passed for result in run(read_vectors(text), RULEBOOK, {"mine": mine})] == [True]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("today = ", "not-toml"),
        (TEXT + '\n[[vector]]\nid = "1"\n', "vectors-invalid"),
        (TEXT.replace('id = "2"', 'id = "1"', 1), "vector-id-twice"),
        (TEXT.replace('release_type = "CONDITIONAL"', 'release_type = "SOON"', 1), "vector-facts"),
        (TEXT.replace("claimed = ", "claim = ", 1), "vectors-invalid"),
    ],
)
def test_a_file_that_is_no_file_of_vectors_is_refused_with_a_code(text: str, code: str) -> None:
    with pytest.raises(BadRulebook) as refused:
        read_vectors(text)
    assert refused.value.code == code
