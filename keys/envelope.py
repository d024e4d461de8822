"""What is this sealed thing, and is it within the profile? Answered without any key. Pure.

Says nothing of who sealed it, or whether it would open: only that its structure, algorithms and
lengths are those this gateway makes and reads.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, TypeVar

from gateway.model.strict_json import Json, JsonObject
from keys import cms, cms_asn1, cms_cbc, cms_envelope, cms_survey, hpke, jwe
from keys.limits import MAX_BLOB, MAX_MAIL
from keys.problem import CannotOpen
from keys.seal import is_compact_jwe, sealed_member

T = TypeVar("T")
Form = Literal["hpke", "jwe", "cms", "unknown"]

_MAX_SHOWN: Final = 128
_CBC: Final = (
    "cbc",
    "outside the default profile, allowed only by the directory's recorded acceptance",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One way in which an envelope is outside the profile. `code` is stable, for programs."""

    code: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """What an envelope says of itself; within the profile when it has no faults."""

    form: Form
    wrapping: str  # "bare", "webhook body", "DER", "PEM" or "mail"
    algorithms: Mapping[str, str] = field(default_factory=dict)
    key_id: str | None = None
    sizes: Mapping[str, int] = field(default_factory=dict)  # bytes
    faults: tuple[Fault, ...] = ()


def examine(blob: bytes) -> Envelope:
    """Say what the bytes are. Never raises, whatever they are."""
    text = blob.strip()
    if len(blob) > MAX_MAIL:
        return _unknown("too-long", f"longer than {MAX_MAIL} bytes")
    if text[:1] == b"{":
        return _examine_json(text)
    if is_compact_jwe(text):
        return _examine_jwe(text, "bare")
    return _examine_mail(blob)


def _unknown(code: str, text: str) -> Envelope:
    return Envelope(form="unknown", wrapping="bare", faults=(Fault(code=code, text=text),))


def _examine_json(text: bytes) -> Envelope:
    try:
        members = hpke.read_sealed_object(text)
    except CannotOpen as error:
        return _unknown(error.code, error.text)
    if "ct" in members:
        return _examine_hpke(members, "bare", len(text))
    sealed = sealed_member(members)
    if isinstance(sealed, dict):
        return _examine_hpke(sealed, "webhook body", len(text))
    if isinstance(sealed, str):
        return _examine_jwe(sealed.encode("utf-8"), "webhook body")
    return _unknown("malformed", "holds nothing that was sealed")


def _examine_hpke(members: JsonObject, wrapping: str, length: int) -> Envelope:
    sizes, faults = {"whole": length}, list[Fault]()
    if wrapping == "bare" and length > MAX_BLOB:
        faults.append(Fault(code="too-long", text=f"longer than {MAX_BLOB} bytes"))
    try:
        sealed, _ = hpke.checked_object(members)
        sizes |= {"ciphertext": len(sealed)}
    except CannotOpen as error:
        faults.append(Fault(code=error.code, text=error.text))
    return Envelope(
        form="hpke",
        wrapping=wrapping,
        algorithms={"alg": _shown(members.get("alg"))},
        key_id=_shown(members.get("kid")),
        sizes=sizes,
        faults=tuple(faults),
    )


def _examine_jwe(token: bytes, wrapping: str) -> Envelope:
    try:
        header, lengths = jwe.parts_of(token)
    except CannotOpen as error:
        fault = Fault(code=error.code, text=error.text)
        return Envelope(form="jwe", wrapping=wrapping, faults=(fault,))
    names = ("wrapped key", "nonce", "ciphertext", "tag")
    return Envelope(
        form="jwe",
        wrapping=wrapping,
        algorithms={name: _shown(header.get(name)) for name in ("alg", "enc", "typ")},
        key_id=_shown(header.get("kid")),
        sizes={"whole": len(token), **dict(zip(names, lengths, strict=True))},
        faults=tuple(Fault(code=code, text=text) for code, text in jwe.faults_of(header, lengths)),
    )


def _examine_mail(message: bytes) -> Envelope:
    wrapping = "mail"
    if message[:1] == b"\x30":
        wrapping = "DER"
    elif message.lstrip()[:11] == b"-----BEGIN ":
        wrapping = "PEM"
    try:
        der = cms.der_of(message)
        found = cms_survey.survey(der)
    except CannotOpen as error:
        return _unknown(error.code, error.text)
    algorithms = {"content": found.kind, "key": ", ".join(found.recipients)}
    if found.cipher is not None:
        algorithms |= {"cipher": found.cipher}
    return Envelope(
        form="cms",
        wrapping=wrapping,
        algorithms=algorithms,
        sizes={"whole": len(message), "DER": len(der), "ciphertext": found.ciphertext},
        faults=tuple(Fault(code=code, text=text) for code, text in _cms_faults(der)),
    )


def _cms_faults(der: bytes) -> Iterator[tuple[str, str]]:
    info = cms_asn1.decode(cms_asn1.ContentInfo, der)
    inner = cms_asn1.encode(info.content)
    recipients: list[cms_cbc.Recipient]
    try:
        if info.content_type == cms_asn1.ID_ENVELOPED_DATA:
            yield _CBC
            recipients = cms_cbc.read(inner).recipients.as_list()
        elif info.content_type == cms_asn1.ID_AUTH_ENVELOPED_DATA:
            envelope = cms_asn1.decode(cms_asn1.AuthEnvelopedData, inner)
            recipients = envelope.recipients.as_list()
            yield from _raised(cms_envelope.checked_nonce, envelope)
        else:
            yield "unsupported", "not encrypted: neither AuthEnvelopedData nor EnvelopedData"
            return
    except CannotOpen as error:
        yield error.code, error.text
        return
    if len(recipients) != 1:
        yield "unsupported", "must be sealed to exactly one recipient"
    for one in recipients:
        if isinstance(one, cms_asn1.KeyTransport):
            yield from _raised(cms_envelope.check_transport, one)
        else:
            yield from _raised(cms_envelope.check_agreement, one)


def _raised(check: Callable[[T], object], of: T) -> Iterator[tuple[str, str]]:
    try:
        check(of)
    except CannotOpen as error:
        yield error.code, error.text


def _shown(value: Json) -> str:
    """Return a header's text only if it is short and plain: it is a stranger's."""
    if isinstance(value, str) and value.isascii() and value.isprintable():
        return value[:_MAX_SHOWN]
    return "absent" if value is None else "not a plain text"
