"""Facts that vary together, with every value they can take: the axes of the fact space."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from policies.proof.condition import World


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One value of a variable: what conditions read, and the words for it."""

    reads: World
    words: str  # empty: the plain case, not worth a word
    plain: bool


@dataclass(frozen=True, kw_only=True)
class Variable:
    """Facts that vary together, and every value they can take. A mask has bit n for choice n."""

    name: str
    choices: tuple[Choice, ...]

    @cached_property
    def whole(self) -> int:
        """The mask of every value."""
        return (1 << len(self.choices)) - 1

    @cached_property
    def plain(self) -> int:
        """The mask of the values that need no saying."""
        return self.where(lambda choice: choice.plain)

    def where(self, holds: Callable[[Choice], bool]) -> int:
        """Return the mask of the values for which something holds."""
        return sum(1 << n for n, choice in enumerate(self.choices) if holds(choice))
