"""What a feed is: it fetches messages, hands each over, and tells its source what became of it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

# accepted  durable: acknowledge it to the source
# refused   will never be taken as it stands: leave it where its sender can find it, and say so
# later     not now (the gateway is behind, or its store cannot commit): hand it over again
Verdict = Literal["accepted", "refused", "later"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """One whole message as its source holds it."""

    message_id: str  # the same each time it is fetched: what makes a repeat a repeat
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What became of a message, and for a refusal why: codes and paths, never a value."""

    verdict: Verdict
    reasons: tuple[str, ...] = ()


HandOver: TypeAlias = Callable[[Fetched], Awaitable[Answer]]


class FeedTrouble(Exception):
    """The source cannot be reached or does not keep to its protocol. `code` is for the log; the
    feed is started again after a back-off."""

    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__(code)


class Feed(Protocol):
    """One configured source of one agency's messages."""

    @property
    def name(self) -> str:
        """Its name in the configuration."""

    async def run(self, hand_over: HandOver) -> None:
        """Fetch, hand over and acknowledge until cancelled. Acknowledges only what is durable.

        Raises:
            FeedTrouble: start it again later.
        """

    async def close(self) -> None:
        """Let go of connections and files."""
