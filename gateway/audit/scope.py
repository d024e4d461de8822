"""Whose disclosures somebody may look at: those their own controller sent or received. Pure."""

from dataclasses import dataclass
from typing import Final

from gateway.model.ids import AgencyName


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """The controllers somebody audits for. Nothing else exists for them.

    Source: MAPPA Guidance 9.2 (each agency answers for what it owns); DPA 2018 s.71.
    """

    agencies: frozenset[AgencyName] = frozenset()  # what these posted
    organisations: frozenset[str] = frozenset()  # what recipients of these were told
    everything: bool = False

    def covers(self, *, agency: AgencyName | None, organisation: str | None) -> bool:
        """Return whether a disclosure is theirs to see, by who stated its event and who was told.

        An entry that names neither is nobody's in particular: only `everything` covers it.
        """
        return (
            self.everything
            or (agency is not None and agency in self.agencies)
            or (organisation is not None and organisation in self.organisations)
        )


EVERYTHING: Final = Scope(
    everything=True
)  # who holds the machine, holds the keys: the command line
NOTHING: Final = Scope()
