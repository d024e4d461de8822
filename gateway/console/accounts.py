"""Local accounts: staff who prove who they are with a passkey, and how they register one."""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import apsw

from gateway.console.own import ConsoleOwn
from gateway.model.staff import Staff, StaffId
from gateway.second_factor import CHALLENGE_NONCE_BYTES, MAX_CREDENTIAL_BYTES, Assertion, Passkeys
from gateway.store import staff as staff_store

_LIFETIME: Final = timedelta(minutes=10)
_SPENT: Final = 4096  # challenges remembered: more answers than ten minutes can see


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """Whose passkey was shown, and how to take note of it when they are let in."""

    staff: Staff
    use: Callable[[apsw.Connection], bool]


class Accounts:
    """Makes and checks the challenges of one gateway's console."""

    def __init__(self, own: ConsoleOwn) -> None:
        self._store = own.store
        self._now = own.now
        self._key = staff_store.passkey_key(own.store.sealed)
        self._spent: dict[str, datetime] = {}
        self._passkeys = Passkeys.of(
            own.config.instance.public_url,
            # Not the key of recipients' challenges: neither is good at the other's door.
            key=own.store.sealed.derive("webauthn-staff"),
            lifetime=_LIFETIME,
        )

    @property
    def rp_id(self) -> str:
        """The name passkeys are registered under."""
        return self._passkeys.rp_id

    def challenge(self, scope: str) -> str:
        """Return a fresh challenge for one browser at the door, or one enrolment link."""
        nonce = os.urandom(CHALLENGE_NONCE_BYTES)
        return self._passkeys.challenge(scope, now=self._now(), nonce=nonce)

    def shown(self, text: str, scope: str) -> Shown | None:
        """Return whose passkey signed, or None. Each challenge is answered once."""
        named = _named(text)
        if named is None:
            return None
        credential, challenge = named
        found = staff_store.passkey_of(self._store.reader, self._key, credential)
        if found is None or not self._spend(challenge):
            return None
        staff, factor = found
        proven = self._passkeys.asserted(
            [factor], Assertion(text=text, scope=scope), now=self._now()
        )
        if proven is None:
            return None
        counter = proven.last
        return Shown(
            staff=staff, use=lambda connection: staff_store.use(connection, credential, counter)
        )

    async def register(self, token: str, text: str) -> StaffId | None:
        """Register the passkey a browser made for whoever has a link; None: nothing was."""
        made = self._passkeys.registered(text[:MAX_CREDENTIAL_BYTES], token, now=self._now())
        if made is None:
            return None
        link = staff_store.link_digest(self._store.sealed, token)
        return await self._store.commit(
            staff_store.register(link, made, self._key, now=self._now())
        )

    def _spend(self, challenge: str) -> bool:
        now = self._now()
        self._spent = {one: until for one, until in self._spent.items() if until > now}
        if challenge in self._spent or len(self._spent) >= _SPENT:
            return False
        self._spent[challenge] = now + _LIFETIME
        return True


def _named(text: str) -> tuple[bytes, str] | None:
    """Return which credential and challenge an assertion says it is of, or None."""
    from webauthn.helpers import (  # late, as it is slow to load
        base64url_to_bytes,
        parse_authentication_credential_json,
    )

    try:
        given = parse_authentication_credential_json(text[:MAX_CREDENTIAL_BYTES])
        challenge = json.loads(given.response.client_data_json)["challenge"]
        # What does not decode to itself would be the same challenge under another name.
        return given.raw_id, base64url_to_bytes(challenge).hex()
    except Exception:  # noqa: BLE001 - the text is anybody's: whatever it breaks, it proves nothing
        return None
