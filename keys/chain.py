"""May mail be sealed to this certificate: the whole question, from bytes already in hand.

Fetches nothing and reads no clock. Path validation (signatures, names, name constraints, basic
constraints, path length, key usage of issuers, critical extensions, policies) is
pyhanko-certvalidator's; what the certificate is for and whose it is, is judged here; whether it
was taken back, in `keys.revocation`. Every fault found is named, not the first alone.
Source: RFC 5280 sections 4.2 and 6.1, RFC 8550 section 4.4.

An address matches when the local part is equal byte for byte and the domain is equal but for
ASCII case (RFC 5280 section 4.2.1.6, RFC 5321 section 2.4). Only ``rfc822Name`` counts, and only
ASCII: internationalised mailboxes (RFC 9598) are not matched, so they are refused.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Final, Literal, TypeVar

from cryptography import x509

from keys import certificates, revocation
from keys.problem import BadKey
from keys.revocation import Reason
from keys.revocation_points import distribution_points, ocsp_request, ocsp_urls

__all__ = [
    "Question",
    "Reason",
    "Revocation",
    "Unverified",
    "Verified",
    "certificates_of",
    "distribution_points",
    "ocsp_request",
    "ocsp_urls",
    "questions",
    "validated_path",
    "verify_chain",
]

Revocation = Literal["required", "when-stated", "none"]

MAX_CHAIN: Final = 10  # certificates, the recipient's own included
MAX_ANCHORS: Final = 1000
MAX_PEM: Final = 256 << 10
STALE_AFTER: Final = timedelta(days=7)

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """Mail for the address may be sealed to the certificate."""

    fingerprint: str  # SHA-256 of the certificate, 64 hex digits
    valid_until: datetime  # aware: when the certificate itself ends
    vouched_until: datetime  # aware: when the question must be asked again


@dataclass(frozen=True, slots=True, kw_only=True)
class Unverified:
    """Mail may not be sealed to it, and every reason found."""

    reasons: tuple[Reason, ...]


def verify_chain(
    chain_pem: str,
    anchors_pem: str,
    *,
    address: str,
    at: datetime,
    crls: Iterable[bytes] = (),
    ocsp: Iterable[bytes] = (),
    revocation: Revocation = "required",
    stale_after: timedelta = STALE_AFTER,
) -> Verified | Unverified:
    """Decide whether a chain vouches for a recipient's certificate.

    Args:
        chain_pem: The recipient's certificate first, then others that may lead to an anchor.
        anchors_pem: Certificates trusted as they are. The recipient's own may be one of them:
            it is then pinned, and has no issuer who could revoke it.
        address: Whose it must be.
        at: Aware.
        crls: DER or PEM, whatever is in hand; what does not concern the chain is passed over.
        ocsp: DER answers, likewise.
        revocation: ``required``: a fresh source for every certificate below the anchor;
            ``when-stated``: only for those that name a CRL or responder; ``none``: not looked at.
        stale_after: No source older than this is believed, whatever it says of itself.

    Returns:
        `Verified`, or `Unverified` with reasons: ``malformed``, ``weak``, ``unsupported``,
        ``key-usage``, ``extended-key-usage``, ``address``, ``not-yet-valid``, ``expired``,
        ``no-path``, ``bad-signature``, ``name-constraint``, ``not-a-ca``, ``path-length``,
        ``issuer-key-usage``, ``critical-extension``, ``policy``, ``path``, ``revoked``,
        ``revocation-unknown``, or one of `keys.revocation`'s for a source.
    """
    try:
        leaf, *others = certificates_of(chain_pem)
        anchors = certificates_of(anchors_pem, limit=MAX_ANCHORS)
    except BadKey as error:
        return Unverified(reasons=(Reason(code=error.code, text=error.text),))
    reasons = list(_fitness(leaf, address, at))
    path = validated_path(leaf, others, anchors, at)
    if isinstance(path, Reason):
        return Unverified(reasons=_distinct([*reasons, path]))
    reasons += _out_of_time(path, at)
    until = at + stale_after
    if revocation != "none":
        until, found = _revocation(path, at, revocation, crls, ocsp, stale_after)
        reasons += found
    if reasons:
        return Unverified(reasons=_distinct(reasons))
    ends = min(one.not_valid_after_utc for one in path)
    return Verified(
        fingerprint=certificates.fingerprint(leaf),
        valid_until=leaf.not_valid_after_utc.astimezone(UTC),
        vouched_until=min(ends, until),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Where one certificate of a path says its revocation can be asked about."""

    fingerprint: str
    crl_urls: tuple[str, ...]
    ocsp_urls: tuple[str, ...]
    ocsp_request: bytes  # DER, to POST to any of `ocsp_urls`


def questions(chain_pem: str, anchors_pem: str, *, at: datetime) -> tuple[Question, ...]:
    """Return what to fetch before `verify_chain`, one for each certificate below the anchor.

    Nothing if there is no valid path: then there is nothing worth asking. The addresses are the
    certificates' own words; fetch them only through a client that refuses internal addresses.

    Raises:
        BadKey: ``malformed`` or ``too-many``.
    """
    leaf, *others = certificates_of(chain_pem)
    path = validated_path(leaf, others, certificates_of(anchors_pem, limit=MAX_ANCHORS), at)
    if isinstance(path, Reason):
        return ()
    return tuple(
        Question(
            fingerprint=certificates.fingerprint(one),
            crl_urls=distribution_points(one),
            ocsp_urls=ocsp_urls(one),
            ocsp_request=ocsp_request(one, issuer),
        )
        for one, issuer in pairwise(path)
    )


def certificates_of(pem: str, limit: int = MAX_CHAIN) -> list[x509.Certificate]:
    """Read every certificate of a PEM text, at least one.

    Raises:
        BadKey: ``malformed`` or ``too-many``.
    """
    if len(pem) > MAX_PEM * (limit // MAX_CHAIN):
        raise BadKey("too-many", "too long for a chain")
    try:
        found = x509.load_pem_x509_certificates(pem.encode("ascii"))
        for one in found:
            _ = one.extensions  # read now, so that nothing later meets one that cannot be
    except certificates.UNREADABLE:
        raise BadKey("malformed", "not PEM certificates") from None
    if len(found) > limit:
        raise BadKey("too-many", f"more than {limit} certificates")
    return found


def validated_path(
    leaf: x509.Certificate,
    others: Sequence[x509.Certificate],
    anchors: Sequence[x509.Certificate],
    at: datetime,
) -> tuple[x509.Certificate, ...] | Reason:
    """Return a valid path from the leaf to an anchor, both included; or why there is none.

    Path validation of RFC 5280 section 6.1 without revocation; any policy will do.
    """
    if leaf in anchors:
        return (leaf,)
    from keys.chain_path import path_to_anchor  # late: what validates paths is slow to load

    return path_to_anchor(leaf, others, anchors, at)


def _fitness(leaf: x509.Certificate, address: str, at: datetime) -> Iterable[Reason]:
    """Yield what is wrong with the recipient's certificate by itself."""
    for code, text in certificates.recipient_faults(leaf):
        yield Reason(code=code, text=text)
    yield from _out_of_time((leaf,), at)
    names = certificates.rfc822_names_of(leaf)
    if not any(certificates.same_address(name, address) for name in names):
        yield Reason(code="address", text="the certificate is not issued for this address")


def _out_of_time(path: Iterable[x509.Certificate], at: datetime) -> Iterable[Reason]:
    for one in path:
        try:
            certificates.check_period(one, at)
        except BadKey as error:
            yield Reason(code=error.code, text=f"{error.text} (or an issuer's is not)")


def _revocation(
    path: Sequence[x509.Certificate],
    at: datetime,
    rule: Revocation,
    crls: Iterable[bytes],
    ocsp: Iterable[bytes],
    stale_after: timedelta,
) -> tuple[datetime, list[Reason]]:
    """Return until when the whole path is known to be unrevoked, and what speaks against it."""
    sources, unreadable = revocation.read_sources(crls, ocsp, stale_after)
    until, reasons = at + stale_after, list[Reason]()
    for certificate, issuer in pairwise(path):
        found = revocation.standing(certificate, issuer, at, sources)
        if found.until is not None:
            until = min(until, found.until)
        elif any(one.code == "revoked" for one in found.reasons):
            reasons += found.reasons
        elif rule == "required" or _states_a_source(certificate):
            reasons += [*_unknown(), *found.reasons, *unreadable]
    return until, reasons


def _unknown() -> list[Reason]:
    return [Reason(code="revocation-unknown", text="nothing fresh says it is not revoked")]


def _states_a_source(certificate: x509.Certificate) -> bool:
    names = (x509.CRLDistributionPoints, x509.AuthorityInformationAccess)
    return any(isinstance(one.value, names) for one in certificate.extensions)


def _distinct(reasons: Iterable[Reason]) -> tuple[Reason, ...]:
    return tuple({one.code: one for one in reversed(list(reasons))}.values())[::-1]
