"""What a provider says when it cannot or will not. Fail closed: nothing here falls back."""

import time
from typing import Final

from keys.problem import KeyProblem

_LEAST_REST_S: Final = 0.5
_MOST_REST_S: Final = 60.0
_REST_FACTOR: Final = 5  # whoever waits for a provider that is away waits a sixth of the time

UNAVAILABLE: Final = "provider-unavailable"


class ProviderProblem(KeyProblem):
    """Where a key lives cannot or will not use it.

    Codes: ``provider-unavailable`` (gone, slow or failing; try again later), ``pin`` (refused, and
    not offered again until its file changes), ``no-such-key``, ``refused`` (by its access rules or
    state), ``wrong-answer`` (what came back cannot be right), ``not-installed``, ``key-id``.
    """


class Rest:
    """Leaves a provider that is away alone for a while: its callers wait for nothing else."""

    __slots__ = ("_until",)

    def __init__(self) -> None:
        self._until = 0.0

    def check(self) -> None:
        """Return if the provider may be asked.

        Raises:
            ProviderProblem: ``provider-unavailable``: it was away a moment ago.
        """
        if time.monotonic() < self._until:
            raise ProviderProblem(UNAVAILABLE, "where the key lives was away a moment ago")

    def after(self, began: float) -> None:
        """Note that a call begun at this monotonic time found the provider away."""
        took = time.monotonic() - began
        self._until = time.monotonic() + min(max(_REST_FACTOR * took, _LEAST_REST_S), _MOST_REST_S)
