"""What things are called in Redis: the instance's name, a kind, and an id or a digest."""

import hmac
from dataclasses import dataclass, field
from typing import Final

SHARDS: Final = 32

_DIGEST_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class Names:
    """The names of one instance's keys. All hash to one slot of a cluster, so that one script or
    transaction may use several."""

    instance: str
    key: bytes = field(repr=False)  # 32 bytes; digests are worth nothing without it

    def stream(self, shard: int) -> str:
        """Return the stream of a shard, 0..31."""
        if not 0 <= shard < SHARDS:
            raise ValueError("a shard is 0..31")
        return self._of("stream", str(shard))

    @property
    def epoch(self) -> str:
        """Whose absence says that all was forgotten."""
        return self._of("epoch")

    @property
    def live(self) -> str:
        """Which processes are there."""
        return self._of("live")

    @property
    def breakers(self) -> str:
        """Which endpoints are left alone."""
        return self._of("breakers")

    def probe(self, endpoint: str) -> str:
        """Return who may try an endpoint that is left alone."""
        return self._of("probe", self.digest("endpoint", endpoint))

    def rate(self, endpoint: str) -> str:
        """Return the bucket of an endpoint."""
        return self._of("rate", self.digest("endpoint", endpoint))

    def texts(self, number: str) -> str:
        """Return the texts of one number's last hour."""
        return self._of("texts", self.digest("number", number))

    def once(self, what: str, digest: str) -> str:
        """Return what says that something happened."""
        return self._of("once", what, digest)

    def digest(self, what: str, text: str) -> str:
        """Return 32 hex digits that stand for a text of one kind, in this instance alone."""
        said = f"{what}\n{text}".encode()
        return hmac.digest(self.key, said, "sha256")[:_DIGEST_BYTES].hex()

    def _of(self, *parts: str) -> str:
        return ":".join((f"tg:{{{self.instance}}}", *parts))
