"""The person an event is about, as the gateway knows them: an opaque reference and the facts
each agency has stated. Plaintext lives only in memory and in the sealed store."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from gateway.model.groups import PROVENANCE
from gateway.model.ids import AgencyName, PersonRef
from gateway.model.strict_json import JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Whose statement a fact is, and how it is known."""

    controller: AgencyName
    as_of: datetime  # aware UTC
    provenance: JsonObject  # the members of PROVENANCE, as stated


@dataclass(frozen=True, slots=True, kw_only=True)
class StatedGroup:
    """One field group as it stands: the newest statement, and what an earlier one by another
    agency said that nobody has said otherwise since. Each fact keeps its own controller."""

    members: JsonObject  # the provenance among them is the newest statement's
    controller: AgencyName  # of the newest statement
    as_of: datetime  # aware UTC
    earlier: Mapping[str, Origin] = field(default_factory=dict)  # by member: not the newest's

    @property
    def newest(self) -> Origin:
        """The newest statement's."""
        return Origin(
            controller=self.controller, as_of=self.as_of, provenance=self._newest_provenance()
        )

    def provenance_of(self, members: Iterable[str]) -> JsonObject:
        """Return how the newest statement among those of these members is known."""
        if not self.earlier:
            return self._newest_provenance()
        return self.by_origin(members)[0][0].provenance

    def _newest_provenance(self) -> JsonObject:
        held = self.members
        return {mark: held[mark] for mark in PROVENANCE if held.get(mark) is not None}

    def origin(self, member: str) -> Origin:
        """Return whose statement a member is."""
        return self.earlier.get(member) or self.newest

    def by_origin(self, members: Iterable[str]) -> list[tuple[Origin, list[str]]]:
        """Return members, sorted, with whose statement they are, the newest first."""
        newest = self.newest
        if not self.earlier:
            return [(newest, sorted(members))]
        found: dict[tuple[AgencyName, datetime], tuple[Origin, list[str]]] = {}
        for member in sorted(members):
            origin = self.earlier.get(member, newest)
            found.setdefault((origin.controller, origin.as_of), (origin, []))[1].append(member)
        return sorted(found.values(), key=lambda one: one[0].as_of, reverse=True)

    def controller_of(self, member: str) -> AgencyName:
        """Return who may disclose a member."""
        found = self.earlier.get(member)
        return found.controller if found else self.controller


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """The data subject: everything now held that a rule might permit some recipient to learn."""

    ref: PersonRef
    facts: Mapping[str, StatedGroup] = field(default_factory=dict)  # group name -> what stands
