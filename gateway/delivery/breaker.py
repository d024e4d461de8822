"""The circuit breaker of one endpoint: after some failures in a row it is left alone for a while.

closed -> open -> (time passes) -> half-open, one probe at a time -> closed again, or open for
longer. Nothing is rejected and nobody is disabled: what is owed stays owed.
"""

import random
from dataclasses import dataclass
from typing import Final, Literal, Protocol

Verdict = Literal["answered", "failed", "neither"]  # of an endpoint: it spoke, it did not, no word
Change = Literal["opened", "closed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerTerms:
    """When a breaker opens, and for how long."""

    failures: int = 5  # in a row, of the endpoint's own making
    shortest_s: float = 30.0
    longest_s: float = 900.0


DEFAULT_TERMS: Final = BreakerTerms()


class EndpointBreaker(Protocol):
    """One endpoint's breaker, of this process or of several together."""

    @property
    def is_open(self) -> bool:
        """Whether it is open or half-open."""

    def wait(self, now: float) -> float | None:
        """Return in how many seconds an attempt may begin: as `Breaker.wait`."""

    def begin(self, now: float) -> bool:
        """Begin an attempt; return whether it is the probe. Raises RuntimeError: none may begin."""

    def ended(self, verdict: Verdict, now: float, *, probe: bool) -> Change | None:
        """Take in how an attempt ended; return what that changed."""


class Breaker:
    """One endpoint's breaker. Reads no clock: `now` is monotonic seconds."""

    def __init__(self, terms: BreakerTerms, rng: random.Random) -> None:
        self._terms = terms
        self._rng = rng
        self._failures = 0  # in a row
        self._opened = 0  # times in a row, without a word from the endpoint between
        self._until: float | None = None  # None: closed
        self._probing = False

    @property
    def is_open(self) -> bool:
        """Whether it is open or half-open."""
        return self._until is not None

    @property
    def state(self) -> tuple[float, int] | None:
        """Until when it is open, in monotonic seconds, and how many times in a row it has opened;
        None: closed."""
        return None if self._until is None else (self._until, self._opened)

    def follow(self, state: tuple[float, int] | None) -> None:
        """Be open, or closed, as another process found it. A probe under way goes on."""
        if state is None:
            self._failures, self._opened, self._until = 0, 0, None
        else:
            self._until, self._opened = state

    def wait(self, now: float) -> float | None:
        """Return in how many seconds an attempt may begin; 0 is now; None: when the probe under way
        has ended."""
        if self._until is None:
            return 0.0
        if now < self._until:
            return self._until - now
        return None if self._probing else 0.0

    def begin(self, now: float) -> bool:
        """Begin an attempt; return whether it is the probe.

        Raises:
            RuntimeError: none may begin now.
        """
        if self.wait(now) != 0.0:
            raise RuntimeError("the breaker is open")
        self._probing = self.is_open
        return self._probing

    def ended(self, verdict: Verdict, now: float, *, probe: bool) -> Change | None:
        """Take in how an attempt ended; return what that changed.

        A failure of an attempt begun before it opened says nothing new; an answer always does.
        """
        if probe:
            self._probing = False
        if verdict == "answered":
            was_open = self.is_open
            self._failures, self._opened, self._until = 0, 0, None
            return "closed" if was_open else None
        if verdict == "failed":
            return self._failed(now, probe=probe)
        return None

    def _failed(self, now: float, *, probe: bool) -> Change | None:
        if self.is_open:
            if probe:
                self._open(now)
            return None
        self._failures += 1
        if self._failures < self._terms.failures:
            return None
        self._open(now)
        return "opened"

    def _open(self, now: float) -> None:
        """Each time up to twice as long, so jittered that endpoints do not come back in step."""
        terms = self._terms
        ceiling = min(terms.longest_s, terms.shortest_s * 2.0 ** min(self._opened + 1, 30))
        floor = max(terms.shortest_s, ceiling / 2)
        self._until = now + min(terms.longest_s, self._rng.uniform(floor, max(floor, ceiling)))
        self._opened += 1
