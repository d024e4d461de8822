"""The sealed store: the only place personal data rests, under a data key of each person's own.

Destroying a person's data key erases them here while every log proof still verifies.
"""

import hashlib
import hmac
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import orjson

from gateway.model.disclosure import AlertKept
from gateway.model.ids import AgencyName, AlertId, EventRef, PersonRef
from gateway.model.person import Origin, Person, StatedGroup
from gateway.store.engine import Connection
from keys.at_rest import DataKey, KeyEncryptionKey, RootKey

_CACHED_KEYS = 4096


class SealedStore:
    """Seals and opens rows, and makes the keyed digests that stand in for identifiers.

    Data keys are wrapped by the key-encryption key; digests hang on the instance's own root
    secret (32 bytes), so another key-encryption key changes none of them.

    Safe to use from the writer thread and the event loop: the cache is only ever replaced
    entry by entry, and a miss costs one unwrap.
    """

    def __init__(self, key_encryption_key: KeyEncryptionKey, root: bytes) -> None:
        self._kek = key_encryption_key
        self._root = RootKey(root)
        # Keyed once: what each digest begins with is copied, not made again.
        self._digest = hmac.new(self._root.derive("index"), digestmod=hashlib.sha256)
        self._keys: OrderedDict[PersonRef, DataKey] = OrderedDict()

    def mac(self, purpose: str, *parts: str | bytes) -> bytes:
        """Return a 32-byte keyed digest of the parts, unambiguous in their lengths."""
        digest = self._digest.copy()
        stated = [purpose.encode()]
        for part in parts:
            encoded = part.encode() if isinstance(part, str) else part
            stated += len(encoded).to_bytes(8, "big"), encoded
        digest.update(b"".join(stated))
        return digest.digest()

    def derive(self, purpose: str) -> bytes:
        """Return 32 bytes for one named purpose (link tokens), the same for the instance's whole
        life. No purpose yields what digests are made with."""
        return self._root.derive("own/" + purpose)

    def new_person(self, ref: PersonRef) -> bytes:
        """Make a data key for a new person and return it wrapped."""
        key = DataKey.generate()
        self._remember(ref, key)
        return self._kek.wrap(key.raw, person_context(ref))

    def data_key(self, ref: PersonRef, wrapped: bytes) -> DataKey:
        """Return a person's data key.

        Raises:
            KeyProblem: the wrapped key was not made for this person under a known key;
                ``erased``: it was destroyed, and is forgotten here too.
        """
        if not wrapped:
            self.forget(ref)
        key = self._keys.get(ref)
        if key is None:
            key = DataKey(self._kek.unwrap(wrapped, person_context(ref)))
            self._remember(ref, key)
        return key

    def key_of(self, connection: Connection, ref: PersonRef) -> DataKey:
        """Return a person's data key, from memory or their row. Reads only.

        Raises:
            KeyProblem: the wrapped key was not made for this person under this key.
        """
        key = self._keys.get(ref)
        if key is None:
            wrapped = connection.execute("SELECT wrapped_key FROM person WHERE ref = ?", (ref,)).get
            key = self.data_key(ref, wrapped)
        return key

    def known_key(self, ref: PersonRef) -> DataKey | None:
        """Return a person's data key if it is in memory."""
        return self._keys.get(ref)

    def forget(self, ref: PersonRef) -> None:
        """Drop a person's data key from memory."""
        self._keys.pop(ref, None)

    def _remember(self, ref: PersonRef, key: DataKey) -> None:
        self._keys[ref] = key
        if len(self._keys) > _CACHED_KEYS:
            self._keys.popitem(last=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What is held of a person: the facts, their version, and the key they are sealed under."""

    person: Person
    version: int
    key: DataKey

    def seal_facts(self, person: Person) -> bytes:
        """Seal what is now known of the person for their row."""
        return _seal_facts(self.key, person)

    def seal_alert(self, kept: AlertKept) -> bytes:
        """Seal what an alert tells, to be collected or sealed anew, bound to its alert."""
        return self.key.seal(kept.content, alert_context(kept.alert))


def _seal_facts(key: DataKey, person: Person) -> bytes:
    """Seal what is known of a person for their row."""
    plain = {
        name: [
            group.members,
            group.controller,
            group.as_of.isoformat(),
            {
                member: [one.controller, one.as_of.isoformat(), one.provenance]
                for member, one in group.earlier.items()
            },
        ]
        for name, group in person.facts.items()
    }
    return key.seal(orjson.dumps(plain), _facts_context(person.ref))


def open_facts(key: DataKey, ref: PersonRef, sealed: bytes | None) -> Person:
    """Open a person's row; None is a person of whom nothing is known yet.

    Raises:
        KeyProblem: the row was altered, moved from another person, or its key is gone.
    """
    if sealed is None:
        return Person(ref=ref)
    plain = orjson.loads(key.open(sealed, _facts_context(ref)))
    return Person(
        ref=ref,
        facts={
            name: StatedGroup(
                members=members,
                controller=AgencyName(controller),
                as_of=datetime.fromisoformat(as_of),
                earlier={member: _origin(one) for member, one in earlier.items()},
            )
            for name, (members, controller, as_of, earlier) in plain.items()
        },
    )


def _origin(plain: list[Any]) -> Origin:
    controller, as_of, provenance = plain
    return Origin(
        controller=AgencyName(controller),
        as_of=datetime.fromisoformat(as_of),
        provenance=provenance,
    )


def alert_context(alert: AlertId) -> bytes:
    """Bind what an alert tells to its row."""
    return b"alert:" + alert.encode()


def event_context(ref: EventRef) -> bytes:
    """Bind a sealed event to its row."""
    return b"event:" + ref.encode()


class Digests(Protocol):
    """What makes the keyed digests that stand in for identifiers."""

    def mac(self, purpose: str, *parts: str | bytes) -> bytes:
        """Return a 32-byte keyed digest of the parts."""


class ExerciseDigests:
    """Digests for exercises: nobody real is ever found by what an exercise states, nor the other
    way round."""

    def __init__(self, digests: Digests) -> None:
        self._digests = digests

    def mac(self, purpose: str, *parts: str | bytes) -> bytes:
        """Return a 32-byte keyed digest unlike any that live events have."""
        return self._digests.mac(f"exercise/{purpose}", *parts)


def identifier_mac(sealed: Digests, kind: str, text: str) -> bytes:
    """Return the digest an identifier in canonical form is found by."""
    return sealed.mac("identifier", kind, text)


def birth_mac(sealed: Digests, date_of_birth: str) -> bytes:
    """Return the digest dates of birth, YYYY-MM-DD, are compared by."""
    return sealed.mac("born", date_of_birth)


def person_context(ref: str) -> bytes:
    """Bind a wrapped data key to its person."""
    return b"person-key:" + ref.encode()


def _facts_context(ref: PersonRef) -> bytes:
    return b"facts:" + ref.encode()
