"""The law in force: what the rulebook permits, and which movements wait before anybody is told."""

from dataclasses import dataclass

from policies.attention import Attention
from policies.catalogue import Catalogues
from policies.holds import Holds
from policies.rulebook import Rulebook


@dataclass(frozen=True, slots=True, kw_only=True)
class Law:
    """The rulebook in force with its catalogues."""

    rulebook: Rulebook

    @property
    def catalogues(self) -> Catalogues:
        """Its catalogues."""
        return self.rulebook.catalogues

    @property
    def holds(self) -> Holds:
        """Which movements wait before anybody is told."""
        return self.catalogues.holds

    @property
    def attention(self) -> Attention:
        """What a human is asked to look at though no alert says it."""
        return self.catalogues.attention
