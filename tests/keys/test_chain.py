import asyncio
import datetime as dt

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ed448, rsa
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID, ObjectIdentifier
from hypothesis import given
from hypothesis import strategies as st

from keys import certificates, chain
from tests.keys.authority import ADDRESS, DAY, MAIL, Authority, pem_of, points, root
from tests.keys.material import NOW, new_key, usage

# Damage may make a serial number negative, which the library will one day refuse to read.
pytestmark = pytest.mark.filterwarnings("ignore:Parsed a serial number")

ROOT = root()
ISSUER = ROOT.sub()
LEAF = ISSUER.issue()
AGREE = usage(key_agreement=True)
FOR_MAIL = x509.ExtendedKeyUsage([MAIL])
FOR_OCSP = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.OCSP_SIGNING])


def verdict(leaf: x509.Certificate = LEAF, *others: x509.Certificate, **changes: object) -> object:
    given_ = {
        "anchors_pem": ROOT.pem,
        "address": ADDRESS,
        "at": NOW,
        "revocation": "none",
        **changes,
    }
    return chain.verify_chain(pem_of(leaf, *(others or (ISSUER.certificate,))), **given_)


def codes(found: object) -> set[str]:
    assert isinstance(found, chain.Unverified), found
    assert all(one.text for one in found.reasons)
    return {one.code for one in found.reasons}


def test_a_good_chain_is_verified_until_the_first_thing_ends() -> None:
    found = verdict()
    assert found == chain.Verified(
        fingerprint=certificates.fingerprint(LEAF),
        valid_until=NOW + 365 * DAY,
        vouched_until=NOW + chain.STALE_AFTER,
    )
    ending = ISSUER.issue(end=NOW + DAY)
    soon = verdict(ending)
    assert isinstance(soon, chain.Verified)
    assert soon.vouched_until == soon.valid_until == NOW + DAY


async def test_it_answers_inside_a_running_event_loop_too() -> None:
    await asyncio.sleep(0)
    assert isinstance(verdict(), chain.Verified)


@pytest.mark.parametrize(
    ("leaf", "wanted"),
    [
        (ISSUER.issue(end=NOW - DAY), {"expired"}),
        (ISSUER.issue(start=NOW + DAY), {"not-yet-valid"}),
        (ISSUER.issue(address="other@example.org"), {"address"}),
        (ISSUER.issue(address=None), {"address"}),
        (ISSUER.issue(extensions=(usage(digital_signature=True), FOR_MAIL)), {"key-usage"}),
        (
            ISSUER.issue(
                extensions=(AGREE, x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]))
            ),
            {"extended-key-usage"},
        ),
        (ISSUER.issue(signed_by=new_key("p256")), {"bad-signature"}),
        (
            ISSUER.issue(key=rsa.generate_private_key(public_exponent=65537, key_size=1024)),
            {"weak", "key-usage"},
        ),
        (
            ISSUER.issue(
                address="x@example.org",
                end=NOW - DAY,
                extensions=(usage(crl_sign=True), x509.ExtendedKeyUsage([FOR_OCSP.oid])),
            ),
            {"address", "expired", "key-usage", "extended-key-usage"},
        ),
        (
            ISSUER.issue(
                extensions=(
                    AGREE,
                    x509.UnrecognizedExtension(ObjectIdentifier("1.2.3.4"), b"\x05\x00"),
                )
            ),
            {"critical-extension"},
        ),
    ],
    ids=[
        "expired",
        "early",
        "another address",
        "no address",
        "signatures only",
        "server",
        "forged",
        "weak",
        "many at once",
        "unknown critical",
    ],
)
def test_every_fault_of_the_certificate_is_named(leaf: x509.Certificate, wanted: set[str]) -> None:
    assert codes(verdict(leaf)) == wanted


@pytest.mark.parametrize(
    ("asked", "ok"),
    [
        ("mappa@example.org", True),
        ("mappa@EXAMPLE.org", True),
        ("Mappa@example.org", False),
        ("mappa@example.org.", False),
        ("mappa@sub.example.org", False),
        ("example.org", False),
        ("@example.org", False),
        ("mapp\u0430@example.org", False),
        ("", False),
    ],
)
def test_the_local_part_is_exact_and_the_domain_without_case(asked: str, ok: bool) -> None:
    found = verdict(address=asked)
    assert isinstance(found, chain.Verified) if ok else codes(found) == {"address"}


def under(issuer: Authority) -> x509.Certificate:
    return issuer.issue()


def test_an_issuer_must_be_allowed_to_issue() -> None:
    not_ca = ROOT.sub(ca=False)
    assert codes(verdict(under(not_ca), not_ca.certificate)) == {"not-a-ca"}
    no_signing = ROOT.sub(key_usage=usage(crl_sign=True))
    assert codes(verdict(under(no_signing), no_signing.certificate)) == {"issuer-key-usage"}
    short = ROOT.sub(path_length=0)
    below = short.sub("Example Lower CA")
    both = (below.certificate, short.certificate)
    assert codes(verdict(under(below), *both)) == {"path-length"}


@pytest.mark.parametrize(
    ("permitted", "excluded", "ok"),
    [
        ("example.org", None, True),
        (ADDRESS, None, True),
        ("example.net", None, False),
        (".example.org", None, False),
        (None, "example.org", False),
        (None, "example.net", True),
    ],
)
def test_name_constraints_on_addresses_hold(
    permitted: str | None, excluded: str | None, ok: bool
) -> None:
    limits = x509.NameConstraints(
        [x509.RFC822Name(permitted)] if permitted else None,
        [x509.RFC822Name(excluded)] if excluded else None,
    )
    issuer = ROOT.sub(more=(limits,))
    found = verdict(under(issuer), issuer.certificate)
    assert isinstance(found, chain.Verified) if ok else codes(found) == {"name-constraint"}


def test_a_chain_must_lead_to_an_anchor_that_is_still_in_time() -> None:
    assert codes(verdict(anchors_pem=root("Another Root CA").pem)) == {"no-path"}
    assert codes(verdict(LEAF, LEAF)) == {"no-path"}
    same_name = root()
    assert codes(verdict(anchors_pem=same_name.pem)) == {"bad-signature"}
    old = root(end=NOW - DAY)
    leaf = old.issue()
    assert codes(verdict(leaf, old.certificate, anchors_pem=old.pem)) == {"expired"}


def test_a_certificate_that_is_its_own_anchor_is_pinned() -> None:
    pinned = verdict(anchors_pem=pem_of(LEAF), revocation="required")
    assert isinstance(pinned, chain.Verified)
    assert codes(verdict(anchors_pem=pem_of(LEAF), address="x@example.org")) == {"address"}


@pytest.mark.parametrize(
    "text", ["", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"]
)
def test_what_is_no_chain_is_said_to_be_none(text: str) -> None:
    found = chain.verify_chain(text, ROOT.pem, address=ADDRESS, at=NOW)
    assert codes(found) == {"malformed"}
    assert codes(chain.verify_chain(pem_of(LEAF), text, address=ADDRESS, at=NOW)) == {"malformed"}


def test_a_chain_too_long_is_not_walked() -> None:
    assert codes(verdict(*[LEAF] * 11)) == {"too-many"}
    long = chain.verify_chain("A" * (1 << 20), ROOT.pem, address=ADDRESS, at=NOW)
    assert codes(long) == {"too-many"}


@given(st.binary(max_size=40), st.integers(0, 1000))
def test_a_damaged_chain_is_a_value_and_never_an_error(noise: bytes, at: int) -> None:
    pem = pem_of(LEAF, ISSUER.certificate).encode()
    at %= len(pem)
    broken = (pem[:at] + noise + pem[at + len(noise) :]).decode("latin-1")
    found = chain.verify_chain(broken, ROOT.pem, address=ADDRESS, at=NOW, revocation="none")
    assert isinstance(found, chain.Verified | chain.Unverified)


# --- revocation ---

STATING = ISSUER.issue(urls=True)
FRESH = (ISSUER.crl(), ROOT.crl())


def judged(leaf: x509.Certificate = STATING, **changes: object) -> object:
    return verdict(leaf, **{"revocation": "required", "crls": FRESH, **changes})


def test_with_a_fresh_crl_for_each_it_is_vouched_for_until_the_first_is_stale() -> None:
    found = judged()
    assert isinstance(found, chain.Verified)
    assert found.vouched_until == NOW + 6 * DAY
    short = judged(stale_after=2 * DAY)
    assert isinstance(short, chain.Verified)
    assert short.vouched_until == NOW + DAY  # made a day ago


def test_a_revoked_certificate_or_issuer_is_refused_however_old_the_crl() -> None:
    old = {"made": NOW - 90 * DAY, "due": NOW - 80 * DAY, "on": NOW - 91 * DAY}
    for crls in (
        (ISSUER.crl(STATING), ROOT.crl()),
        (ISSUER.crl(STATING, **old), *FRESH),
        (ISSUER.crl(), ROOT.crl(ISSUER.certificate)),
        (ISSUER.crl(STATING, extensions=(x509.DeltaCRLIndicator(1),)), *FRESH),
    ):
        for rule in ("required", "when-stated"):
            assert codes(judged(crls=crls, revocation=rule)) == {"revoked"}


def test_an_entry_that_lifts_or_postpones_a_revocation_does_not_revoke() -> None:
    later = ISSUER.crl(STATING, on=NOW + DAY / 48)
    assert isinstance(judged(crls=(later, ROOT.crl())), chain.Verified)
    lifted = ISSUER.crl(STATING, reason=x509.ReasonFlags.remove_from_crl)
    assert isinstance(judged(crls=(lifted, ROOT.crl())), chain.Verified)


@pytest.mark.parametrize(
    ("crls", "wanted"),
    [
        ((), set()),
        ((ISSUER.crl(),), set()),
        ((ISSUER.crl(made=NOW - 9 * DAY, due=NOW - DAY), ROOT.crl()), {"crl-stale"}),
        ((ISSUER.crl(made=NOW - 8 * DAY, due=NOW + 90 * DAY), ROOT.crl()), {"crl-stale"}),
        ((ISSUER.crl(made=NOW + DAY), ROOT.crl()), {"crl-too-new"}),
        ((ISSUER.crl(signed_by=new_key("p256")), ROOT.crl()), {"crl-signature"}),
        ((ISSUER.crl(extensions=(x509.DeltaCRLIndicator(1),)), ROOT.crl()), {"crl-unsupported"}),
        ((b"\x30\x00", ROOT.crl()), {"crl-malformed"}),
        ((bytes(5 << 20), ROOT.crl()), {"crl-malformed"}),
    ],
    ids=["none", "not the root's", "past", "too old", "early", "forged", "delta", "bad", "huge"],
)
def test_without_a_source_to_believe_it_is_refused(crls: tuple, wanted: set[str]) -> None:
    assert codes(judged(crls=crls)) == {"revocation-unknown"} | wanted


def test_a_crl_for_other_certificates_clears_nothing() -> None:
    def scope(**said: object) -> tuple:
        parts = {
            "full_name": None,
            "relative_name": None,
            "only_contains_user_certs": False,
            "only_contains_ca_certs": False,
            "only_some_reasons": None,
            "indirect_crl": False,
            "only_contains_attribute_certs": False,
            **said,
        }
        return (x509.IssuingDistributionPoint(**parts),)

    here = [x509.UniformResourceIdentifier("http://crl.example/ca.crl")]
    there = [x509.UniformResourceIdentifier("http://crl.example/other.crl")]
    for said, ok in (
        ({"only_contains_user_certs": True}, True),
        ({"full_name": here}, True),
        ({"full_name": there}, False),
        ({"only_contains_ca_certs": True}, False),
        ({"indirect_crl": True}, False),
        ({"only_some_reasons": frozenset([x509.ReasonFlags.key_compromise])}, False),
    ):
        found = judged(crls=(ISSUER.crl(extensions=scope(**said)), ROOT.crl()))
        if ok:
            assert isinstance(found, chain.Verified)
        else:
            assert codes(found) == {"revocation-unknown", "crl-scope"}


def test_when_stated_only_those_that_name_a_source_need_one() -> None:
    rule = {"revocation": "when-stated"}
    assert isinstance(judged(LEAF, crls=(), **rule), chain.Verified)
    assert codes(judged(crls=(), **rule)) == {"revocation-unknown"}
    assert isinstance(judged(crls=(ISSUER.crl(),), **rule), chain.Verified)
    assert isinstance(judged(crls=(), revocation="none"), chain.Verified)


def test_an_ocsp_answer_counts_as_a_crl_does() -> None:
    good = ISSUER.answer(STATING, algorithm=hashes.SHA256())
    for answer in (good, ISSUER.answer(STATING)):
        found = judged(crls=(ROOT.crl(),), ocsp=(answer,))
        assert isinstance(found, chain.Verified)
        assert found.vouched_until == NOW + DAY
    revoked = ISSUER.answer(STATING, status=ocsp.OCSPCertStatus.REVOKED)
    assert codes(judged(ocsp=(revoked, good))) == {"revoked"}


def test_an_ocsp_answer_not_to_be_believed_clears_nothing() -> None:
    stranger = root()
    delegate = ISSUER.responder(FOR_OCSP)  # without nocheck
    mailer = ISSUER.responder(FOR_MAIL, x509.OCSPNoCheck())
    for answer, code in (
        (ISSUER.answer(STATING, by=stranger), "ocsp-signature"),
        (ISSUER.answer(STATING, by=delegate), "ocsp-signature"),
        (ISSUER.answer(STATING, by=mailer), "ocsp-signature"),
        (ISSUER.answer(STATING, status=ocsp.OCSPCertStatus.UNKNOWN), "ocsp-unknown"),
        (ISSUER.answer(STATING, made=NOW - 3 * DAY, due=NOW - DAY), "ocsp-stale"),
        (ISSUER.answer(STATING, made=NOW - 8 * DAY, due=None), "ocsp-stale"),
        (ISSUER.answer(STATING, made=NOW + DAY, due=NOW + 2 * DAY), "ocsp-too-new"),
        (b"\x30\x03\x0a\x01\x06", "ocsp-refused"),
        (b"junk", "ocsp-malformed"),
    ):
        found = judged(crls=(ROOT.crl(),), ocsp=(answer,))
        assert codes(found) == {"revocation-unknown", code}
    about_another = ISSUER.answer(LEAF)
    assert codes(judged(crls=(ROOT.crl(),), ocsp=(about_another,))) == {"revocation-unknown"}


def test_a_responder_the_issuer_certified_is_believed() -> None:
    delegate = ISSUER.responder(FOR_OCSP, x509.OCSPNoCheck())
    answer = ISSUER.answer(STATING, by=delegate)
    assert isinstance(judged(crls=(ROOT.crl(),), ocsp=(answer,)), chain.Verified)


def test_addresses_to_ask_are_those_of_the_web_and_no_others() -> None:
    assert chain.distribution_points(STATING) == ("http://crl.example/ca.crl",)
    assert chain.ocsp_urls(STATING) == ("http://ocsp.example/",)
    assert chain.distribution_points(LEAF) == chain.ocsp_urls(LEAF) == ()
    mixed = ISSUER.issue(
        extensions=(AGREE, points("ldap://a/", "file:///etc/passwd", "HTTPS://b/c"))
    )
    assert chain.distribution_points(mixed) == ("HTTPS://b/c",)


def test_the_question_to_a_responder_names_the_certificate_and_its_issuer() -> None:
    asked = ocsp.load_der_ocsp_request(chain.ocsp_request(STATING, ISSUER.certificate))
    answered = ocsp.load_der_ocsp_response(ISSUER.answer(STATING))
    assert asked.serial_number == STATING.serial_number
    assert asked.issuer_key_hash == answered.issuer_key_hash


def test_time_is_the_callers() -> None:
    found = judged(at=NOW + dt.timedelta(days=7))
    assert codes(found) == {"revocation-unknown", "crl-stale"}


def test_the_questions_of_a_path_are_where_and_what_to_ask_of_each() -> None:
    chain_pem = pem_of(STATING, ISSUER.certificate)
    first, second = chain.questions(chain_pem, ROOT.pem, at=NOW)
    assert first.fingerprint == certificates.fingerprint(STATING)
    assert (first.crl_urls, first.ocsp_urls) == (
        ("http://crl.example/ca.crl",),
        ("http://ocsp.example/",),
    )
    assert first.ocsp_request == chain.ocsp_request(STATING, ISSUER.certificate)
    assert (second.crl_urls, second.ocsp_urls) == ((), ())
    assert chain.questions(chain_pem, root("Another Root CA").pem, at=NOW) == ()


GOOD_CRL = ISSUER.crl()
GOOD_ANSWER = ISSUER.answer(STATING, by=ISSUER.responder(FOR_OCSP, x509.OCSPNoCheck()))


@given(st.integers(min_value=0), st.binary(min_size=1, max_size=3), st.booleans())
def test_a_damaged_source_clears_nothing_and_raises_nothing(
    position: int, noise: bytes, in_crl: bool
) -> None:
    raw = GOOD_CRL if in_crl else GOOD_ANSWER
    at = position % len(raw)
    damaged = raw[:at] + noise + raw[at + len(noise) :]
    sources = (
        {"crls": (ROOT.crl(), damaged)} if in_crl else {"crls": (ROOT.crl(),), "ocsp": (damaged,)}
    )
    found = judged(**sources)
    if damaged != raw and in_crl:
        assert "revocation-unknown" in codes(found)
    else:
        assert isinstance(found, chain.Verified | chain.Unverified)


def test_a_certificate_of_an_algorithm_nobody_issues_with_is_refused() -> None:
    key = ed448.Ed448PrivateKey.generate()
    assert codes(verdict(ISSUER.issue(key=key))) == {"unsupported"}  # type: ignore[arg-type]
