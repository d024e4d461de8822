"""One endpoint's breaker among several processes."""

from typing import Final, Protocol

from gateway.delivery.breaker import Breaker, Change, Verdict
from gateway.model.ids import EndpointId

_ASKING_S: Final = 0.05
_UNUSED_S: Final = 4.0  # leave to probe, before it lapses at Redis


class Others(Protocol):
    """The other processes. Nothing here waits or raises."""

    @property
    def is_shared(self) -> bool:
        """Whether they can be asked."""

    def tell(self, breaker: "SharedBreaker") -> None:
        """Have them told what became of a breaker."""

    def ask(self, breaker: "SharedBreaker") -> None:
        """Have it asked for whether this process may make the probe."""

    def probing(self, breaker: "SharedBreaker") -> None:
        """Have them wait until the probe has ended."""

    def let_go(self, breaker: "SharedBreaker") -> None:
        """Have the next probe be anybody's."""


class SharedBreaker:
    """One endpoint's breaker among several processes. Reads no clock: as `Breaker`."""

    def __init__(self, own: Breaker, others: Others, endpoint: EndpointId) -> None:
        self._own = own
        self._others = others
        self.endpoint = endpoint
        self.is_known = False  # Redis has it open, as far as is known here
        self._probing = False
        self._asking = False
        self._may_until = 0.0  # it may probe until then
        self._ask_from = 0.0

    @property
    def is_open(self) -> bool:
        """Whether it is open or half-open."""
        return self._own.is_open

    @property
    def state(self) -> tuple[float, int] | None:
        """As `Breaker.state`."""
        return self._own.state

    def wait(self, now: float) -> float | None:
        """Return in how many seconds an attempt may begin. Asks to make the probe."""
        wait = self._own.wait(now)
        if wait != 0.0 or not self.is_open or not self._others.is_shared:
            return wait
        if now < self._may_until:
            return 0.0
        if now < self._ask_from:
            return self._ask_from - now
        if not self._asking:
            self._asking = True
            self._others.ask(self)
        return _ASKING_S

    def begin(self, now: float) -> bool:
        """Begin an attempt; return whether it is the probe.

        Raises:
            RuntimeError: none may begin now.
        """
        if self.wait(now) != 0.0:
            raise RuntimeError("the breaker is open")
        probe = self._own.begin(now)
        if probe:
            self._probing, self._may_until = True, 0.0
            self._others.probing(self)
        return probe

    def ended(self, verdict: Verdict, now: float, *, probe: bool) -> Change | None:
        """Take in how an attempt ended; tell the others what that changed, and return it."""
        before = self._own.state
        change = self._own.ended(verdict, now, probe=probe)
        if self._own.state != before:
            self._others.tell(self)
        if probe:
            self._probing = False
            self._others.let_go(self)
        return change

    def may_probe(self, now: float, *, granted: bool, rest_s: float) -> None:
        """Take in whether this process may make the probe; if not, ask again after a rest."""
        self._asking = False
        self._ask_from = now + _UNUSED_S + rest_s if granted else now + rest_s
        self._may_until = now + _UNUSED_S if granted else 0.0

    def follow(self, state: tuple[float, int] | None) -> Change | None:
        """Be as another process found it; return what that changed. Not while it probes itself."""
        if self._probing:
            return None
        was_open = self.is_open
        self._own.follow(state)
        if was_open == self.is_open:
            return None
        return "opened" if self.is_open else "closed"
