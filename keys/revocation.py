"""Has an issuer taken a certificate back? Judged from CRLs and OCSP answers already in hand.

Narrow on purpose, and closed where it is narrow: a CRL must be whole (no delta, no chosen
reasons, not indirect) and signed with the key that issued the certificate; an OCSP answer by
that key or by a responder it certified for that. Whatever else a source is, it is no evidence.
Source: RFC 5280 sections 5 and 6.3; RFC 6960 sections 3.2 and 4.2.2.2; RFC 9654 section 5.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID

from keys import cms_asn1
from keys.certificates import UNREADABLE
from keys.problem import CannotOpen
from keys.revocation_points import extension, points

MAX_SOURCE: Final = 4 << 20  # bytes of one CRL or OCSP answer
_SKEW: Final = timedelta(minutes=5)  # how far the issuer's clock may run ahead of ours
_HASHES: Final = (hashes.SHA256, hashes.SHA384, hashes.SHA512)
_KNOWN_CRL_EXTENSIONS: Final = (
    x509.AuthorityKeyIdentifier,
    x509.CRLNumber,
    x509.IssuingDistributionPoint,
)

R = TypeVar("R")

_SigningKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Why something is not vouched for. `code` is stable, for programs; `text` names no one."""

    code: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What the sources say of one certificate: unrevoked until `until`, or `reasons` why not."""

    until: datetime | None = None
    reasons: tuple[Reason, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """CRLs and OCSP answers in hand, and when a source is too old to be believed."""

    crls: tuple[x509.CertificateRevocationList, ...]
    ocsp: tuple[ocsp.OCSPResponse, ...]
    stale_after: timedelta


_UNREADABLE_CRL: Final = Reason(code="crl-malformed", text="a CRL cannot be read")
_UNREADABLE_OCSP: Final = Reason(code="ocsp-malformed", text="an OCSP answer cannot be read")

_Verdict = datetime | Reason | None  # good until then; a reason; None: says nothing of this one


def read_sources(
    crls: Iterable[bytes], answers: Iterable[bytes], stale_after: timedelta
) -> tuple[Sources, tuple[Reason, ...]]:
    """Read CRLs (DER or PEM) and OCSP answers (DER); one that cannot be read is a reason."""
    reasons: list[Reason] = []
    read_crls = _each(crls, _read_crl, _UNREADABLE_CRL, reasons)
    read_ocsp = _each(answers, ocsp.load_der_ocsp_response, _UNREADABLE_OCSP, reasons)
    sources = Sources(crls=tuple(read_crls), ocsp=tuple(read_ocsp), stale_after=stale_after)
    return sources, tuple(reasons)


def standing(
    certificate: x509.Certificate, issuer: x509.Certificate, at: datetime, sources: Sources
) -> Standing:
    """Weigh every source that speaks of the certificate, as of `at` (aware).

    One valid source that says revoked outweighs all others, however old it is. Otherwise the
    one that holds longest counts. Pure.
    """
    verdicts: list[_Verdict] = []
    for crl in sources.crls:
        try:
            verdicts.append(_by_crl(crl, certificate, issuer, at, sources))
        except UNREADABLE:  # parts are read only when asked for
            verdicts.append(_UNREADABLE_CRL)
    for answer in sources.ocsp:
        try:
            verdicts += list(_by_ocsp(answer, certificate, issuer, at, sources))
        except (*UNREADABLE, CannotOpen):
            verdicts.append(_UNREADABLE_OCSP)
    reasons = tuple(one for one in verdicts if isinstance(one, Reason))
    revoked = tuple(one for one in reasons if one.code == "revoked")
    if revoked:
        return Standing(reasons=revoked[:1])
    good = [one for one in verdicts if isinstance(one, datetime)]
    return Standing(until=max(good)) if good else Standing(reasons=reasons)


# --- CRL ---


def _by_crl(
    crl: x509.CertificateRevocationList,
    certificate: x509.Certificate,
    issuer: x509.Certificate,
    at: datetime,
    sources: Sources,
) -> _Verdict:
    if crl.issuer not in (certificate.issuer, issuer.subject):  # two spellings of one name
        return None
    fault = _crl_fault(crl, issuer)
    if fault is not None:
        return fault
    if _is_listed(crl, certificate, at):
        return Reason(code="revoked", text="a CRL says the certificate is revoked")
    if not _is_whole(crl):
        return Reason(code="crl-unsupported", text="a CRL has an extension not understood")
    if not _in_scope(crl, certificate):
        return Reason(code="crl-scope", text="a CRL does not cover this certificate")
    return _fresh("crl", crl.last_update_utc, crl.next_update_utc, at, sources.stale_after)


def _is_listed(
    crl: x509.CertificateRevocationList, certificate: x509.Certificate, at: datetime
) -> bool:
    """Return whether the CRL, even one too narrow to clear a certificate, revokes it.

    Entries of an indirect CRL may be about another issuer's certificates: they are not read.
    """
    scope = extension(crl.extensions, x509.IssuingDistributionPoint)
    if scope is not None and scope.indirect_crl:
        return False
    entry = crl.get_revoked_certificate_by_serial_number(certificate.serial_number)
    if entry is None or entry.revocation_date_utc > at:
        return False
    why = next((e.value.reason for e in entry.extensions if isinstance(e.value, x509.CRLReason)), 0)
    return why is not x509.ReasonFlags.remove_from_crl


def _is_whole(crl: x509.CertificateRevocationList) -> bool:
    return all(
        isinstance(one.value, _KNOWN_CRL_EXTENSIONS)
        or not (one.critical or isinstance(one.value, x509.DeltaCRLIndicator))
        for one in crl.extensions
    )


def _crl_fault(crl: x509.CertificateRevocationList, issuer: x509.Certificate) -> Reason | None:
    usage = extension(issuer.extensions, x509.KeyUsage)
    if usage is not None and not usage.crl_sign:
        return Reason(code="crl-signer", text="the issuer's key may not sign CRLs")
    if not _crl_signed(crl, issuer):
        return Reason(code="crl-signature", text="a CRL is not signed by the issuer")
    return None


def _crl_signed(crl: x509.CertificateRevocationList, issuer: x509.Certificate) -> bool:
    try:
        public = issuer.public_key()
        if not isinstance(crl.signature_hash_algorithm, _HASHES):
            return False
        return isinstance(public, _SigningKey) and crl.is_signature_valid(public)
    except (*UNREADABLE, TypeError):
        return False


def _in_scope(crl: x509.CertificateRevocationList, certificate: x509.Certificate) -> bool:
    """Source: RFC 5280 section 6.3.3 (b)(2), for whole and direct CRLs."""
    scope = extension(crl.extensions, x509.IssuingDistributionPoint)
    if scope is None:
        return True
    if scope.indirect_crl or scope.only_contains_attribute_certs or scope.only_some_reasons:
        return False
    constraints = extension(certificate.extensions, x509.BasicConstraints)
    is_ca = constraints is not None and constraints.ca
    if (scope.only_contains_user_certs and is_ca) or (scope.only_contains_ca_certs and not is_ca):
        return False
    if scope.relative_name is not None:
        return False
    if scope.full_name is None:
        return True
    named = [
        name
        for point in points(certificate)
        if point.crl_issuer is None
        for name in point.full_name or ()
    ]
    return any(name in named for name in scope.full_name)


# --- OCSP ---


def _by_ocsp(
    answer: ocsp.OCSPResponse,
    certificate: x509.Certificate,
    issuer: x509.Certificate,
    at: datetime,
    sources: Sources,
) -> Iterator[_Verdict]:
    if answer.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
        yield Reason(code="ocsp-refused", text="an OCSP responder gave no answer")
        return
    about = [one for one in answer.responses if _is_about(one, certificate, issuer)]
    if not about:
        return
    if not _answered_by_issuer(answer, issuer, at):
        yield Reason(code="ocsp-signature", text="an OCSP answer is not signed for the issuer")
        return
    for one in about:
        if one.certificate_status is ocsp.OCSPCertStatus.REVOKED:
            yield Reason(code="revoked", text="OCSP says the certificate is revoked")
        elif one.certificate_status is ocsp.OCSPCertStatus.UNKNOWN:
            yield Reason(code="ocsp-unknown", text="the OCSP responder does not know it")
        else:
            times = (one.this_update_utc, one.next_update_utc)
            yield _fresh("ocsp", *times, at, sources.stale_after)


def _is_about(
    single: ocsp.OCSPSingleResponse, certificate: x509.Certificate, issuer: x509.Certificate
) -> bool:
    if single.serial_number != certificate.serial_number:
        return False
    algorithm = single.hash_algorithm
    key = issuer.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    bits = x509.SubjectKeyIdentifier.from_public_key(issuer.public_key()).digest
    if not isinstance(algorithm, hashes.SHA1):
        bits = _digest(_bit_string(key), algorithm)
    name = _digest(certificate.issuer.public_bytes(), algorithm)
    return (single.issuer_name_hash, single.issuer_key_hash) == (name, bits)


def _bit_string(public_key_info: bytes) -> bytes:
    """Return the key bits of a SubjectPublicKeyInfo: what RFC 6960 hashes."""
    return cms_asn1.decode(cms_asn1.PublicKeyInfo, public_key_info).key.as_bytes()


def _answered_by_issuer(answer: ocsp.OCSPResponse, issuer: x509.Certificate, at: datetime) -> bool:
    """Return whether the issuer, or a responder it certified for that, signed the answer."""
    if _signed(answer, issuer):
        return True
    return any(
        _is_responder(one, issuer, at) and _signed(answer, one) for one in answer.certificates
    )


def _is_responder(certificate: x509.Certificate, issuer: x509.Certificate, at: datetime) -> bool:
    """Return whether the issuer itself delegated; without nocheck it could be revoked unseen."""
    try:
        certificate.verify_directly_issued_by(issuer)
        uses = extension(certificate.extensions, x509.ExtendedKeyUsage)
        unchecked = extension(certificate.extensions, x509.OCSPNoCheck)
    except (*UNREADABLE, TypeError, InvalidSignature):
        return False
    in_time = certificate.not_valid_before_utc <= at <= certificate.not_valid_after_utc
    delegated = uses is not None and ExtendedKeyUsageOID.OCSP_SIGNING in uses
    return in_time and delegated and unchecked is not None


def _signed(answer: ocsp.OCSPResponse, signer: x509.Certificate) -> bool:
    try:
        algorithm = answer.signature_hash_algorithm
        public = signer.public_key()
        if not isinstance(algorithm, _HASHES):
            return False
        signed = (answer.signature, answer.tbs_response_bytes)
        if isinstance(public, rsa.RSAPublicKey):
            public.verify(*signed, padding.PKCS1v15(), algorithm)
        elif isinstance(public, ec.EllipticCurvePublicKey):
            public.verify(*signed, ec.ECDSA(algorithm))
        else:
            return False
    except (*UNREADABLE, InvalidSignature):
        return False
    return True


# --- both ---


def _fresh(
    kind: str, made: datetime, next_due: datetime | None, at: datetime, stale_after: timedelta
) -> _Verdict:
    if made > at + _SKEW:
        return Reason(code=f"{kind}-too-new", text="a source was made after the time asked about")
    until = made + stale_after if next_due is None else min(next_due, made + stale_after)
    if at > until:
        return Reason(code=f"{kind}-stale", text="a source is older than may be relied on")
    return until


def _each(
    given: Iterable[bytes], read: Callable[[bytes], R], fault: Reason, faults: list[Reason]
) -> Iterator[R]:
    for raw in given:
        try:
            one = read(raw) if len(raw) <= MAX_SOURCE else None
        except UNREADABLE:
            one = None
        if one is None:
            faults.append(fault)
        else:
            yield one


def _digest(raw: bytes, algorithm: hashes.HashAlgorithm) -> bytes:
    digest = hashes.Hash(algorithm)
    digest.update(raw)
    return digest.finalize()


def _read_crl(raw: bytes) -> x509.CertificateRevocationList:
    if raw.lstrip()[:11] == b"-----BEGIN ":
        return x509.load_pem_x509_crl(raw)
    return x509.load_der_x509_crl(raw)
