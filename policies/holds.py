"""Which movements wait before anybody is told, and what undoes them. Strict: an unknown key or
kind is refused."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from pydantic import model_validator as checked

from gateway.model.kinds import KINDS, REVISING_KINDS, URGENT
from policies.facts import FactClass
from policies.problem import BadRulebook
from policies.strict_toml import read

HOLDS_FILE: Final = "holds.toml"
_LONGEST: Final = timedelta(hours=4)  # a hold is for mistakes at a keyboard, not for thinking over
_LEVELS: Final = {"low": 1, "medium": 2, "high": 3, "very_high": 4}
_AT_ONCE: Final = timedelta()

Wait = Annotated[timedelta, Field(ge=_AT_ONCE, le=_LONGEST)]


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class NeverHeld(_Entry):
    """What, known of a person, lets nothing about them wait."""

    imminent: Literal[True]
    rosh: Literal["low", "medium", "high", "very_high"]


class KindHold(_Entry):
    """How long one kind waits, and what undoes it."""

    hold: Wait
    reversed_by: frozenset[str] = frozenset()
    window: Wait = _AT_ONCE
    source: Annotated[str, StringConstraints(min_length=1, max_length=200)]

    @checked(mode="after")
    def _undone_at_least_while_held(self) -> Self:
        if bool(self.reversed_by) != bool(self.window):
            raise ValueError("reversed_by and window go together")
        if self.reversed_by and self.window < self.hold:
            raise ValueError("what undoes an event must do so at least while it is held")
        return self


class Holds(_Entry):
    """The holds in force."""

    never_held: NeverHeld
    kinds: Mapping[str, KindHold]

    def hold_for(self, facts: FactClass) -> timedelta:
        """Return how long an event of this class waits before anybody is told; zero: not. Pure.

        Args:
            facts: As they stand with the event.
        """
        kind = self.kinds.get(facts.kind)
        return _AT_ONCE if kind is None or self.never_for(facts) else kind.hold

    def never_for(self, facts: FactClass) -> bool:
        """Return whether nothing about a person of this class waits. Pure."""
        return facts.imminent or facts.rosh >= _LEVELS[self.never_held.rosh]

    def undone_by(self, kind: str) -> Mapping[str, timedelta]:
        """Return the kinds that an event of this kind undoes, and for how long. Pure."""
        return {
            name: entry.window for name, entry in self.kinds.items() if kind in entry.reversed_by
        }


def load_holds(text: str, *, file: str = HOLDS_FILE) -> Holds:
    """Read the holds.

    Raises:
        BadRulebook: not TOML, a key or kind is unknown, an urgent kind would wait, or what undoes
            a kind would wait longer than it can undo.

    Pure.
    """
    holds = read(Holds, file, text)
    for name, entry in holds.kinds.items():
        if not {name, *entry.reversed_by} <= KINDS - REVISING_KINDS or name in entry.reversed_by:
            raise BadRulebook("kind-unknown", file=file, position=name)
        if entry.hold and name in URGENT:
            raise BadRulebook("urgent-kind-held", file=file, position=name)
    return holds
