"""The rate limit of one endpoint: a token bucket that lets no minute hold more than was agreed."""

from typing import Final, Protocol

_MINUTE_S: Final = 60.0
_BURST: Final = 10  # the tenth part of a minute's worth may leave at once
_WHOLE: Final = 1.0 - 1e-9  # a token is whole although its parts are floats


class EndpointRate(Protocol):
    """How much one endpoint takes, from this process or from several together."""

    def limit(self, per_minute: int | None) -> None:
        """Set what it takes in a minute: as `Rate.limit`."""

    def wait(self, now: float) -> float:
        """Return in how many seconds an attempt may begin; 0 is now."""

    def take(self, now: float) -> None:
        """Count an attempt that begins now. Raises RuntimeError: none may begin."""


class Rate:
    """How much one endpoint takes. Reads no clock: `now` is monotonic seconds.

    In any 60 seconds, whenever they begin, at most `per_minute` attempts begin: what may leave at
    once is taken off what the bucket is filled with.
    """

    def __init__(self, per_minute: int | None = None) -> None:
        self._per_minute: int | None = None
        self._capacity = 1
        self._tokens = 0.0
        self._at: float | None = None
        self.limit(per_minute)

    def limit(self, per_minute: int | None) -> None:
        """Set what the endpoint takes in a minute, 1 or more; None: whatever there is.

        Tokens in hand are kept as far as the new capacity allows.
        """
        if per_minute is not None and per_minute < 1:
            raise ValueError("a rate is 1 a minute or more")
        if per_minute == self._per_minute:
            return
        fresh = self._per_minute is None
        self._per_minute = per_minute
        self._capacity = max(1, (per_minute or 0) // _BURST)
        self._tokens = float(self._capacity) if fresh else min(self._tokens, self._capacity)

    def wait(self, now: float) -> float:
        """Return in how many seconds an attempt may begin; 0 is now."""
        if self._per_minute is None:
            return 0.0
        self._fill(now)
        missing = 1.0 - self._tokens
        return 0.0 if self._tokens >= _WHOLE else missing / self._a_second

    def take(self, now: float) -> None:
        """Count an attempt that begins now.

        Raises:
            RuntimeError: none may begin.
        """
        if self.wait(now) > 0.0:
            raise RuntimeError("over the rate")
        if self._per_minute is not None:
            self._tokens = max(0.0, self._tokens - 1.0)

    @property
    def _a_second(self) -> float:
        return ((self._per_minute or 0) - self._capacity + 1) / _MINUTE_S

    def _fill(self, now: float) -> None:
        elapsed = max(0.0, now - self._at) if self._at is not None else 0.0
        self._at = now if self._at is None else max(self._at, now)
        self._tokens = min(float(self._capacity), self._tokens + elapsed * self._a_second)
