"""Path validation by pyhanko-certvalidator, offline: RFC 5280 section 6.1 without revocation."""

import re
from collections.abc import Coroutine, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar

from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from pyhanko_certvalidator import CertificateValidator, ValidationContext
from pyhanko_certvalidator.errors import (
    DisallowedAlgorithmError,
    ExpiredError,
    NotYetValidError,
    PathError,
    ValidationError,
)

from keys import certificates
from keys.revocation import Reason

T = TypeVar("T")

# What the library says of a path it refuses, and what is said of it here: without any name.
_REFUSALS: Final = (
    ("permitted namespace|excluded from", "name-constraint", "a name is outside its CA's names"),
    ("signature", "bad-signature", "a certificate is not signed by its issuer"),
    ("is not a CA", "not-a-ca", "an issuer is not a certification authority"),
    ("maximum path length", "path-length", "the chain is longer than an issuer allows"),
    ("not allowed to sign", "issuer-key-usage", "an issuer's key may not sign certificates"),
    ("critical extension", "critical-extension", "a critical extension is not understood"),
    ("polic", "policy", "the chain's certificate policies allow no use"),
)


def path_to_anchor(
    leaf: x509.Certificate,
    others: Sequence[x509.Certificate],
    anchors: Sequence[x509.Certificate],
    at: datetime,
) -> tuple[x509.Certificate, ...] | Reason:
    """Return a valid path from the leaf to an anchor, both included; or why there is none."""
    context = ValidationContext(
        trust_roots=[_converted(one) for one in anchors],
        other_certs=[_converted(one) for one in others],
        moment=at,
        allow_fetching=False,
        revocation_mode="none",
        time_tolerance=timedelta(0),
    )
    validator = CertificateValidator(_converted(leaf), validation_context=context)
    try:
        found = _run(validator.async_validate_path())
    except (ValidationError, PathError) as error:
        return _refusal(error)
    except (ValueError, TypeError, KeyError, InvalidSignature, UnsupportedAlgorithm):
        # From the library's own lazy parser, or a key of a kind nobody issues with.
        return Reason(code="malformed", text="a certificate of the chain cannot be read")
    path = [
        x509.load_der_x509_certificate(one.dump()) for one in found.iter_certs(include_root=True)
    ]
    return tuple(reversed(path))


def _run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that never waits: without fetching there is nothing to wait for."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        found: T = stop.value
        return found
    coroutine.close()
    raise ValueError("path validation waited for something")


def _converted(certificate: x509.Certificate) -> asn1_x509.Certificate:
    return asn1_x509.Certificate.load(certificates.der(certificate))


def _refusal(error: Exception) -> Reason:
    if isinstance(error, ExpiredError):
        return Reason(code="expired", text="a certificate of the chain has expired")
    if isinstance(error, NotYetValidError):
        return Reason(code="not-yet-valid", text="a certificate of the chain is not valid yet")
    if isinstance(error, DisallowedAlgorithmError):
        return Reason(code="weak", text="a certificate is signed with a weak algorithm or key")
    if isinstance(error, PathError):
        return Reason(code="no-path", text="no chain leads to a trusted anchor")
    said = str(error)
    for pattern, code, text in _REFUSALS:
        if re.search(pattern, said):
            return Reason(code=code, text=text)
    return Reason(code="path", text="the chain does not hold")
