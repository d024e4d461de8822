"""Which recipient keys end soon, and which endpoints have none that may be used. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from gateway.model.ids import EndpointId
from gateway.model.keyring import NoKeyCode, usable_key
from gateway.model.party import Endpoint, Recipient

WARN_DAYS: Final = (60, 30, 7)
# Nothing with content may leave over these without a key.
_SEALED_ONLY: Final = frozenset({"webhook", "mesh"})


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyWarning:
    """One endpoint whose key wants doing something about."""

    endpoint: EndpointId
    unusable: NoKeyCode | None = None  # why none may be used now
    ends: datetime | None = None  # else: when the key in use ends
    within_days: int | None = None  # the narrowest of 60, 30 and 7 that this is within


def key_warnings(recipients: Iterable[Recipient], now: datetime) -> Iterator[KeyWarning]:
    """Yield a warning for each endpoint that needs one."""
    for recipient in recipients:
        for endpoint in recipient.endpoints:
            warning = _warning(endpoint, now)
            if warning is not None:
                yield warning


def _warning(endpoint: Endpoint, now: datetime) -> KeyWarning | None:
    found = usable_key(endpoint.keys, now)
    if isinstance(found, str):
        wanted = endpoint.channel in _SEALED_ONLY or bool(endpoint.smime) or bool(endpoint.keys)
        return KeyWarning(endpoint=endpoint.id, unusable=found) if wanted else None
    # How long its issuer's word holds is no matter here: that is asked for anew by itself.
    if found.valid_until is None:
        return None
    left = found.valid_until - now
    within = [days for days in WARN_DAYS if left <= timedelta(days=days)]
    if not within:
        return None
    return KeyWarning(endpoint=endpoint.id, ends=found.valid_until, within_days=min(within))
