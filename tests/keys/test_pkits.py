"""NIST PKITS against path validation and revocation, as `keys.chain` and `keys.revocation` do them.

The verdict each case expects is in its name: Valid... or Invalid.... The other 20 ask for certain
certificate policies, and this gateway asks for none. Here the time is one at which every CRL of
the set is fresh, and nothing is stale for its age alone.
"""

import datetime as dt
import functools
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import cryptography_vectors
import pytest
from asn1crypto import x509 as asn1_x509
from cryptography import x509

from keys import chain, revocation

# Two cases have a negative serial number, which the library will one day refuse to read.
pytestmark = pytest.mark.filterwarnings("ignore:Parsed a serial number")

FOLDER = Path(cryptography_vectors.__file__).parent / "x509" / "PKITS_data"
AT = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
CASES = sorted(
    path.stem for path in (FOLDER / "certs").glob("*EE.crt") if path.stem[:2] in ("Va", "In")
)
ROOT = "TrustAnchorRootCertificate"

# Valid by PKITS and refused here, each on purpose: what is not understood is not believed.
REFUSED = {
    "DSA is not accepted": ["DSASignaturesTest4", "DSAParameterInheritanceTest5"],
    "a CRL must be signed with the key that issued the certificate": [
        "BasicSelfIssuedCRLSigningKeyTest6",
        "BasicSelfIssuedNewWithOldTest4",
        "BasicSelfIssuedOldWithNewTest1",
        "DNnameConstraintsTest19",
        "SelfIssuedinhibitAnyPolicyTest7",
        "SelfIssuedinhibitAnyPolicyTest9",
        "SelfIssuedinhibitPolicyMappingTest7",
        "SelfIssuedpathLenConstraintTest15",
        "SelfIssuedpathLenConstraintTest17",
        "SelfIssuedrequireExplicitPolicyTest6",
        "SeparateCertificateandCRLKeysTest19",
    ],
    "indirect CRLs are not read": [
        "IDPwithindirectCRLTest22",
        "IDPwithindirectCRLTest24",
        "IDPwithindirectCRLTest25",
        "cRLIssuerTest28",
        "cRLIssuerTest29",
        "cRLIssuerTest30",
        "cRLIssuerTest33",
    ],
    "a distribution point relative to its issuer's name is not followed": [
        "distributionPointTest4",
        "distributionPointTest5",
        "distributionPointTest7",
    ],
    "CRLs that each cover some reasons are not added up": [
        "onlySomeReasonsTest18",
        "onlySomeReasonsTest19",
    ],
    "a delta CRL can revoke, but not clear": ["deltaCRLTest5"],
}
NOT_APPLICABLE = {f"Valid{name}EE" for names in REFUSED.values() for name in names}
FLOOR = len(CASES) - len(NOT_APPLICABLE)


@functools.cache
def certificate(name: str) -> x509.Certificate | None:
    """A certificate, or None when it cannot be read (inherited DSA parameters)."""
    try:
        read = x509.load_der_x509_certificate((FOLDER / "certs" / f"{name}.crt").read_bytes())
        assert len(read.extensions) >= 0
    except ValueError:
        return None
    return read


@functools.cache
def issuers() -> list[tuple[asn1_x509.Name, x509.Certificate]]:
    names = [path.stem for path in (FOLDER / "certs").glob("*.crt")]
    read = [certificate(name) for name in names if not name.endswith("EE") and name != ROOT]
    return [(asn1_x509.Name.load(one.subject.public_bytes()), one) for one in read if one]


def leading_up_from(leaf: x509.Certificate) -> Iterator[x509.Certificate]:
    """Every certificate of the set that may stand between the leaf and the anchor."""
    todo, seen = [leaf], []
    while todo:
        issuer = asn1_x509.Name.load(todo.pop().issuer.public_bytes())
        for name, one in issuers():
            if name == issuer and one not in seen:
                seen.append(one)
                todo.append(one)
                yield one


@functools.cache
def sources() -> revocation.Sources:
    crls = [path.read_bytes() for path in sorted((FOLDER / "crls").glob("*.crl"))]
    read, unreadable = revocation.read_sources(crls, (), dt.timedelta(days=36525))
    assert (len(read.crls), unreadable) == (173, ())
    return read


def accepted(name: str) -> bool:
    leaf, root = certificate(name), certificate(ROOT)
    assert root is not None
    if leaf is None:
        return False
    path = chain.validated_path(leaf, list(leading_up_from(leaf)), [root], AT)
    if isinstance(path, chain.Reason):
        return False
    return all(
        revocation.standing(one, issuer, AT, sources()).until is not None
        for one, issuer in pairwise(path)
    )


@functools.cache
def verdicts() -> dict[str, bool]:
    return {name: accepted(name) for name in CASES}


def test_no_certificate_pkits_calls_invalid_is_accepted() -> None:
    invalid = [name for name in CASES if name.startswith("Invalid")]
    assert len(invalid) == 115
    assert [name for name in invalid if verdicts()[name]] == []


def test_the_valid_ones_refused_are_exactly_those_named() -> None:
    valid = [name for name in CASES if name.startswith("Valid")]
    assert len(valid) == 88
    assert {name for name in valid if not verdicts()[name]} == NOT_APPLICABLE


def test_the_score_is_at_its_floor(capsys: pytest.CaptureFixture[str]) -> None:
    score = sum(found == name.startswith("Valid") for name, found in verdicts().items())
    with capsys.disabled():
        print(f"\nPKITS: {score} of {len(CASES)}, none wrongly accepted; floor {FLOOR}")
    assert score >= FLOOR == 177
