"""Local accounts: staff who prove who they are with a passkey, and how they register one."""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from gateway.console.own import ConsoleOwn
from gateway.model.staff import Staff, StaffId
from gateway.second_factor import CHALLENGE_NONCE_BYTES, MAX_CREDENTIAL_BYTES, Assertion, Passkeys
from gateway.store import sessions as session_store
from gateway.store import staff as staff_store
from gateway.store.engine import Connection

_LIFETIME: Final = timedelta(minutes=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """Whose passkey was shown, and how to take note of it when they are let in."""

    staff: Staff
    use: Callable[[Connection], bool]  # False: the answer, or its passkey, was used before


class Accounts:
    """Makes and checks the challenges of one gateway's console."""

    def __init__(self, own: ConsoleOwn) -> None:
        self._store = own.store
        self._now = own.now
        self._key = staff_store.passkey_key(own.store.sealed)
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
        """Return whose passkey signed, or None. `use` lets each challenge be answered once."""
        named = _named(text)
        if named is None:
            return None
        credential, challenge = named
        found = staff_store.passkey_of(self._store.reader, self._key, credential)
        if found is None:
            return None
        staff, factor = found
        now = self._now()
        proven = self._passkeys.asserted([factor], Assertion(text=text, scope=scope), now=now)
        if proven is None:
            return None
        counter = proven.last
        mac = self._store.sealed.mac("console-challenge", challenge)

        def use(connection: Connection) -> bool:
            # Made before now, it ends before then.
            first = session_store.use_once(connection, mac, until=now + _LIFETIME, now=now)
            return first and staff_store.use(connection, credential, counter)

        return Shown(staff=staff, use=use)

    async def register(self, token: str, text: str) -> StaffId | None:
        """Register the passkey a browser made for whoever has a link; None: nothing was."""
        made = self._passkeys.registered(text[:MAX_CREDENTIAL_BYTES], token, now=self._now())
        if made is None:
            return None
        link = staff_store.link_digest(self._store.sealed, token)
        return await self._store.commit(
            staff_store.register(link, made, self._key, now=self._now())
        )


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
