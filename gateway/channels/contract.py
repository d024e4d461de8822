"""What every channel promises its caller, and the one family of errors channels raise inside.

Channels see a parcel: ciphertext or content-free text, an address, fixed ids and a proof. They
cannot name a rule, a key or a plaintext, and nothing they return quotes what they were given.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from gateway.model.disclosure import Parcel
from gateway.model.outcome import Outcome


class Undeliverable(Exception):
    """The parcel can never leave over this channel: its `code` becomes the outcome's reason."""

    def __init__(self, code: str) -> None:
        self.code = code  # stable, names no value
        super().__init__(code)


class Channel(Protocol):
    """One way to reach an endpoint."""

    async def deliver(self, parcel: Parcel) -> Outcome:
        """Make one attempt and say what came of it.

        Returns:
            An outcome whose reason and detail hold codes and provider ids only: never an address,
            a body, a secret or the far side's words.

        Raises:
            Never, but for cancellation. The whole attempt, name lookup included, ends by the
            channel's own deadline.

        Cancellation: what may have left stays unknown; no connection is reused half-spoken.
        """

    async def close(self) -> None:
        """Close idle connections. Attempts still under way end as lost connections."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Together:
    """What came of one attempt at several parcels."""

    said: Outcome  # of the whole, and so of the endpoint
    each: tuple[Outcome, ...]  # of the first so many parcels; the rest found no room and stayed


@runtime_checkable
class BatchChannel(Channel, Protocol):
    """A way that can take several parcels to one endpoint at once."""

    async def deliver_together(self, parcels: Sequence[Parcel], *, most_bytes: int) -> Together:
        """Make one attempt at several parcels and say what came of each.

        Args:
            parcels: Two or more, of one endpoint, in the order they are to be read.
            most_bytes: What the endpoint takes at once; a parcel that alone is longer goes alone.

        Raises:
            Never, but for cancellation: as `Channel.deliver`.
        """
