"""A recipient's keys as the directory holds them, and which one may be sealed to now.

A new key is used only once somebody compared its fingerprint with its holder by another way; an
expired, revoked or unvouched key is never used, nor is an older one in its place.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, Literal

NoKeyCode = Literal["no-key", "unconfirmed", "not-yet-valid", "expired", "unvouched", "revoked"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipientKey:
    """A recipient's public key. Sealing parses it; nothing else does."""

    form: Literal["hpke", "jwe", "cms"]
    key_id: str
    public: str  # HPKE: thpk_ text; JWE: public JWK JSON; CMS: PEM, the leaf first, then its chain


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldKey:
    """One key of an endpoint, and how far it may be relied on. Times are aware UTC."""

    key: RecipientKey
    added_at: datetime
    confirmed_at: datetime | None = None  # its fingerprint was compared out of band
    confirmed_by: str | None = None  # role or staff id of who compared it
    valid_from: datetime | None = None
    valid_until: datetime | None = None
    revoked_at: datetime | None = None
    revoked_for: str | None = None  # a stable code: "compromised", "superseded", "crl", ...
    vouched_until: datetime | None = None  # the issuer's word (CRL, OCSP) may be relied on so long
    needs_vouching: bool = False  # a certificate under an anchor that publishes revocations

    def trouble(self, now: datetime) -> NoKeyCode | None:
        """Return why this key may not be sealed to now, or None. Pure."""
        if self.revoked_at is not None and self.revoked_at <= now:
            return "revoked"
        if self.valid_until is not None and now > self.valid_until:
            return "expired"
        if self.confirmed_at is None:
            return "unconfirmed"
        if self.valid_from is not None and now < self.valid_from:
            return "not-yet-valid"
        if self.needs_vouching and (self.vouched_until is None or now > self.vouched_until):
            return "unvouched"
        return None


KeyChange = Callable[[tuple[HeldKey, ...]], tuple[HeldKey, ...]]

# What is said where several keys are unfit: the first of these that any of them is.
_GRAVEST: Final[tuple[NoKeyCode, ...]] = (
    "revoked",
    "expired",
    "unvouched",
    "not-yet-valid",
    "unconfirmed",
)


def usable_key(keys: Sequence[HeldKey], now: datetime) -> HeldKey | NoKeyCode:
    """Return the key to seal to, or why there is none: the one confirmed last, of those that are
    valid already. Where that one was revoked, has ended or is unvouched for, no older one stands
    in for it: its holder left that behind, and may not have it any more. Pure.
    """
    troubles = [(one, one.trouble(now)) for one in keys]
    begun = [
        (one.confirmed_at, one.added_at, trouble is None, number)
        for number, (one, trouble) in enumerate(troubles)
        if one.confirmed_at is not None and not _is_to_come(one, now)
    ]
    if begun:
        held, trouble = troubles[max(begun)[-1]]
        return trouble or held
    found = {trouble for _, trouble in troubles}
    return next((code for code in _GRAVEST if code in found), "no-key")


def _is_to_come(one: HeldKey, now: datetime) -> bool:
    return one.valid_from is not None and now < one.valid_from


def joined(held: Sequence[HeldKey], brought: Sequence[HeldKey]) -> tuple[HeldKey, ...]:
    """Return the keys held with those brought: a key held already keeps what is known of it, and
    is confirmed if the one brought is. A revoked key stays revoked. Pure."""
    found = {one.key.key_id: one for one in held}
    for one in brought:
        known = found.get(one.key.key_id)
        if known is None:
            found[one.key.key_id] = one
        elif known.confirmed_at is None and one.confirmed_at is not None:
            found[one.key.key_id] = replace(
                known, confirmed_at=one.confirmed_at, confirmed_by=one.confirmed_by
            )
    return tuple(found.values())


def confirmed(key: RecipientKey, *, at: datetime, by: str) -> HeldKey:
    """Return a key whose fingerprint its holder has just confirmed. Pure."""
    return HeldKey(key=key, added_at=at, confirmed_at=at, confirmed_by=by)


def changing(key_id: str, change: Callable[[HeldKey], HeldKey]) -> KeyChange:
    """Return what changes one key among those of an endpoint, as they stand by then. Pure."""
    return lambda keys: tuple(change(one) if one.key.key_id == key_id else one for one in keys)
