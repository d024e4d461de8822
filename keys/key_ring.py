"""The key-encryption keys an instance knows: one wraps, and during a rotation any may unwrap.

Every wrapped key names its key, so it opens with exactly one of them at every point of a rotation.
"""

import contextlib
from collections.abc import Callable, Sequence
from typing import Protocol

from keys.at_rest import KeyEncryptionKey, key_id_of
from keys.problem import CannotOpen, KeyProblem
from keys.unpickled import NeverPickled


class Source(Protocol):
    """Where the keys of a ring come from, and whether they may be others by now."""

    def changed(self) -> bool:
        """Say whether what `load` returns may differ from what it returned last. Cheap."""

    def load(self) -> Sequence[KeyEncryptionKey]:
        """Return the keys, the active one first.

        Raises:
            KeyProblem: one of them cannot be read.
        """


class KeyRing(NeverPickled):
    """A key-encryption key made of several: the active one wraps, any known one unwraps.

    With a `source` it takes in a key made since: before it wraps, if the source says so, and when
    it meets a key it does not know. What cannot be loaded then leaves the ring as it was.
    """

    __slots__ = ("_keys", "_source")

    def __init__(
        self,
        active: KeyEncryptionKey,
        others: Sequence[KeyEncryptionKey] = (),
        *,
        source: Source | None = None,
    ) -> None:
        self._keys = _by_id((active, *others))
        self._source = source

    @classmethod
    def of(cls, source: Source) -> "KeyRing":
        """Return the ring a source describes.

        Raises:
            KeyProblem: one of its keys cannot be read.
        """
        active, *others = source.load()
        return cls(active, others, source=source)

    def __repr__(self) -> str:
        return f"KeyRing({', '.join(self._keys)})"

    @property
    def id(self) -> str:
        """The id of the key that wraps now."""
        return next(iter(self._keys))

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of every key known, the active one first."""
        return tuple(self._keys)

    def wrap(self, key: bytes, context: bytes) -> bytes:
        """Wrap with the active key, whichever that is by now."""
        if self._source is not None and self._source.changed():
            with contextlib.suppress(KeyProblem):
                self._reload(self._source.load)
        return self._keys[self.id].wrap(key, context)

    def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        """Unwrap with the key the wrapped one names.

        Raises:
            CannotOpen: ``unknown-key``, or as `KeyEncryptionKey.unwrap`.
        """
        named = key_id_of(wrapped)
        if named not in self._keys and self._source is not None:
            with contextlib.suppress(KeyProblem):
                self._reload(self._source.load)
        key = self._keys.get(named)
        if key is None:
            raise CannotOpen("unknown-key", "wrapped under a key that is not known here")
        return key.unwrap(wrapped, context)

    def _reload(self, load: Callable[[], Sequence[KeyEncryptionKey]]) -> None:
        """Take in the keys as they are now. Replaced as a whole: other threads see old or new."""
        self._keys = _by_id(load())


def _by_id(keys: Sequence[KeyEncryptionKey]) -> dict[str, KeyEncryptionKey]:
    found: dict[str, KeyEncryptionKey] = {}
    for key in keys:
        found.setdefault(key.id, key)
    return found
