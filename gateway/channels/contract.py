"""What every channel promises its caller, and the one family of errors channels raise inside.

Channels see a parcel: ciphertext or content-free text, an address, fixed ids and a proof. They
cannot name a rule, a key or a plaintext, and nothing they return quotes what they were given.
"""

from typing import Protocol

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
