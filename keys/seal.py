"""Seal to a recipient's key and open again: the one door the rest of the gateway uses."""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from email.utils import parseaddr
from typing import Final, Literal

from gateway.model.party import RecipientKey
from gateway.model.problem import MalformedEvent
from gateway.model.strict_json import Json, JsonObject, read_json
from keys import base64url, certificates, cms, hpke, jwe, mime, mime_headers
from keys.limits import MAX_BLOB, MAX_MAIL, check_plaintext
from keys.problem import CannotOpen, CannotSeal

_MEDIA_TYPE: Final = "application/json"
_COMPACT_JWE: Final = re.compile(rb"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]*){4}")
_ID: Final = re.compile(r"[A-Za-z0-9_.\-]{1,64}")
_CERTIFICATE: Final = re.compile(
    rb"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL
)
_PRIVATE_KEY: Final = re.compile(
    rb"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?-----END [A-Z ]*PRIVATE KEY-----", re.DOTALL
)


def recipient_key(form: Literal["hpke", "jwe", "cms"], public: str) -> RecipientKey:
    """Check a public key and name it.

    Args:
        form: What it is.
        public: ``thpk_`` text, public JWK as JSON, or PEM certificate.

    Returns:
        The key with its id: the first 16 hex digits of SHA-256 of the raw HPKE key; the JWK's
        RFC 7638 thumbprint (base64url); or the certificate's SHA-256 (64 hex digits).

    Raises:
        BadKey: it cannot be parsed, is too weak, or is meant for something else. A certificate's
            dates are not looked at here: `seal` does, each time.
    """
    key_id: Callable[[str], str] = {
        "hpke": hpke.key_id,
        "jwe": jwe.thumbprint,
        "cms": cms.key_id,
    }[form]
    return RecipientKey(form=form, key_id=key_id(public), public=public)


def seal(
    plaintext: bytes,
    key: RecipientKey,
    *,
    context: bytes,
    now: datetime,
    mail_signer: cms.MailSigner | None = None,
    cipher: cms.Cipher = "gcm",
    headers: Mapping[str, str] | None = None,
    outer: Mapping[str, str] | None = None,
) -> bytes:
    """Return the content sealed so that only the key's holder can read it.

    Args:
        plaintext: JSON, at most 512 KiB.
        key: As `recipient_key` made it.
        context: What this is sealed for (alert, endpoint), at most 512 bytes: bound to the
            ciphertext, and readable by anyone who holds it, so no personal data.
        now: Aware; a certificate must be valid then.
        mail_signer: Needed for ``cms``, unused otherwise.
        cipher: For ``cms``; ``cbc`` only where the directory records that the recipient accepts
            it, and the log says so. Never tried in place of the other.
        headers: For ``cms``: the mail's true header fields (Subject, From, To, Date), which then
            need not stand outside.
        outer: For ``cms``: the fields as they do stand outside, content-free.

    Returns:
        A JSON object (hpke), a compact JWE (jwe) or DER AuthEnvelopedData (cms).

    Raises:
        BadKey: the key or certificate may not be used (now). Nothing may be sent in its place
            but a content-free notice.
        CannotSeal: ``too-long``, ``labels``, ``headers``, ``no-signer``, or ``cipher``: CBC is for
            mail alone.
    """
    check_plaintext(plaintext)
    if cipher != "gcm" and key.form != "cms":
        raise CannotSeal("cipher", "only mail is ever sealed with CBC")
    match key.form:
        case "hpke":
            return hpke.seal(plaintext, public_text=key.public, key_id=key.key_id, context=context)
        case "jwe":
            return jwe.seal(plaintext, public_jwk=key.public, key_id=key.key_id, context=context)
        case "cms":
            if mail_signer is None:
                raise CannotSeal("no-signer", "mail is signed before it is encrypted")
            entity = _entity(plaintext, context, headers or {}, outer or {})
            return cms.seal(
                entity, certificate_pem=key.public, signer=mail_signer, now=now, cipher=cipher
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedMail:
    """A sealed mail, opened: what it says, and under whose certificate."""

    content: bytes
    headers: Mapping[str, str]  # the protected ones; empty if it protects none
    signer: str  # SHA-256 of the signer's certificate: compare it with the gateway's
    sender_proven: bool  # the protected From is an address that certificate was issued for


def open_sealed(blob: bytes, private_key: bytes, *, accept_cbc: bool = False) -> bytes:
    """Return the JSON that was sealed, whatever form it came in.

    Args:
        blob: An HPKE object; a compact JWE; CMS as DER, PEM or a whole S/MIME message; or a
            whole webhook body, whose ``data.sealed`` is an HPKE object or a JWE.
        private_key: ``thsk_`` text, private JWK, or PEM private key. With its certificate in
            the same PEM file, mail must name that certificate as its recipient.
        accept_cbc: Also open mail encrypted with AES-256-CBC.

    Raises:
        BadKey: the private key cannot be used for this form.
        CannotOpen: not for this key, altered, or no form this gateway makes. Never any other
            error, whatever the bytes.
    """
    if len(blob) > MAX_MAIL:
        raise CannotOpen("too-long", f"longer than {MAX_MAIL} bytes")
    text = blob.strip()
    if text[:1] == b"{":
        return _open_json(text, private_key)
    if is_compact_jwe(text):
        return jwe.open(text, private_jwk=_key_text(private_key))
    return open_mail(blob, private_key, accept_cbc=accept_cbc).content


def is_batch(blob: bytes) -> bool:
    """Return whether these bytes are a webhook body of several alerts, good or bad."""
    return blob.lstrip()[:1] == b"["


def open_batch(blob: bytes, private_key: bytes) -> Iterator[tuple[str, bytes | CannotOpen]]:
    """Yield the id of each alert in a webhook body of several, and the JSON that was sealed, or why
    it does not open: one that does not keeps none of the others shut.

    Args:
        blob: The body: an array of webhook bodies.
        private_key: As of `open_sealed`.

    Raises:
        BadKey: the private key cannot be used for this form.
        CannotOpen: it is no such array.
    """
    for number, member in enumerate(_members(blob), 1):
        id_ = member.get("id") if isinstance(member, dict) else None
        name = id_ if isinstance(id_, str) and _ID.fullmatch(id_) else f"number {number}"
        try:
            yield name, _open_members(member if isinstance(member, dict) else {}, private_key)
        except CannotOpen as error:
            yield name, error


def _members(blob: bytes) -> list[Json]:
    if len(blob) > MAX_MAIL:
        raise CannotOpen("too-long", f"longer than {MAX_MAIL} bytes")
    # Raised outside the handler: the parser's own error holds the text.
    with suppress(MalformedEvent):
        found = read_json(blob.strip())
        if isinstance(found, list) and found:
            return found
    raise CannotOpen("malformed", "not a strict JSON array of webhook bodies")


def _entity(
    plaintext: bytes, context: bytes, headers: Mapping[str, str], outer: Mapping[str, str]
) -> bytes:
    """Return the MIME entity that is signed; the context is a header, so signed with it."""
    hidden = f"; {mime_headers.PROTECTED}" if headers else ""
    return mime.write_entity(
        (
            *mime_headers.fields(headers, outer),
            ("Content-Type", f"{_MEDIA_TYPE}; charset=utf-8{hidden}"),
            ("Content-Disposition", 'attachment; filename="alert.json"'),
            ("Throughgate-Context", base64url.encode(context)),
        ),
        plaintext,
    )


def _open_json(text: bytes, private_key: bytes) -> bytes:
    return _open_members(hpke.read_sealed_object(text), private_key)


def _open_members(members: JsonObject, private_key: bytes) -> bytes:
    sealed = members if "ct" in members else sealed_member(members)
    if isinstance(sealed, dict):
        return hpke.open_object(sealed, private_text=_key_text(private_key))
    if isinstance(sealed, str):
        token = sealed.encode("utf-8")
        return jwe.open(token, private_jwk=_key_text(private_key))
    raise CannotOpen("malformed", "holds nothing that was sealed")


def is_compact_jwe(text: bytes) -> bool:
    """Return whether the text has the shape of a compact JWE, good or bad."""
    return len(text) <= MAX_BLOB and _COMPACT_JWE.fullmatch(text) is not None


def sealed_member(members: JsonObject) -> Json:
    """Return ``data.sealed`` of a webhook body, or None."""
    body = members.get("data")
    return body.get("sealed") if isinstance(body, dict) else None


def _key_text(private_key: bytes) -> str:
    # Replaced, not raised: a decoding error would carry the key along in the exception.
    return private_key.decode("utf-8", "replace").strip()


def open_mail(blob: bytes, private_key: bytes, *, accept_cbc: bool = False) -> OpenedMail:
    """Open a sealed mail and return what it protects: content, header fields, signer.

    Raises:
        BadKey, CannotOpen: as `open_sealed`.
    """
    key = _PRIVATE_KEY.search(private_key)
    if key is None:
        # Said of the message, since most blobs that come this far are no message at all.
        raise CannotOpen("unsupported", "not sealed to this kind of key")
    certificate = _CERTIFICATE.search(private_key)
    entity, signer = cms.open_signed(
        blob,
        private_key_pem=key[0],
        certificate_pem=certificate[0] if certificate else None,
        accept_cbc=accept_cbc,
    )
    headers = mime_headers.protected(entity)
    sender = parseaddr(headers.get("From", ""))[1]
    names = certificates.rfc822_names_of(signer)
    return OpenedMail(
        content=mime.read_entity(entity, (_MEDIA_TYPE,)),
        headers=headers,
        signer=certificates.fingerprint(signer),
        sender_proven=any(certificates.same_address(name, sender) for name in names),
    )
