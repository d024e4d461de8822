"""What policy answers for one event and one recipient. Both answers keep every reason."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from types import MappingProxyType
from typing import Literal

from gateway.model.ids import BasisId, EventRef, RecipientId, RuleId
from gateway.model.strict_json import JsonObject

Regime = Literal["P3", "GDPR"]  # DPA 2018 Part 3, or UK GDPR with DPA Part 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """One reason, as a stable code for programs and a sentence for the DPO. Names no person."""

    code: str
    text: str
    rule: RuleId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What one rule permits on one legal basis. Two grants never blur into one."""

    rule: RuleId
    basis: BasisId
    citation: str
    regime: Regime  # a property of this disclosure, not of the organisation (s.325(4E))
    condition: str  # sensitive-processing condition relied on
    purpose: str
    members: tuple[str, ...]  # sorted "group.member" paths, each present in the facts
    for_action: bool  # False: for information
    acknowledge_within: timedelta | None
    policy_document: str = ""  # reference of the appropriate policy document relied on (s.42)
    decided_by: str = ""  # what kind of person decided it; empty: the rule alone


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """What a rule would grant if a named person so decides: the content of a decision task."""

    rule: RuleId
    basis: BasisId
    citation: str
    purpose: str
    members: tuple[str, ...]  # sorted "group.member" paths, each present in the facts
    decided_by: str  # what kind of person may decide: "mappa_chair", "clinician", ...
    at_once: bool = False  # a decision task opens by itself; otherwise on request


@dataclass(frozen=True, slots=True, kw_only=True)
class Withheld:
    """A field group that was held, and why this recipient does not get it (or not all of it)."""

    group: str
    reason: Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Permit:
    """The law lets this recipient be told, of this event, exactly what the grants name."""

    event: EventRef
    recipient: RecipientId
    grants: tuple[Grant, ...]  # never empty
    withheld: tuple[Withheld, ...]
    rulebook: str  # digest of the rulebook in force, hex SHA-256
    proposals: tuple[Proposal, ...] = ()  # what more a human could decide

    @property
    def for_action(self) -> bool:
        """Whether any grant asks the recipient to act."""
        return any(grant.for_action for grant in self.grants)

    @property
    def members(self) -> tuple[str, ...]:
        """Every permitted "group.member" path, sorted, once."""
        return tuple(sorted({member for grant in self.grants for member in grant.members}))

    @property
    def by_group(self) -> Mapping[str, tuple[str, ...]]:
        """The permitted members of each group of which anything is, both sorted."""
        return _by_group(self.grants)

    @property
    def groups(self) -> tuple[str, ...]:
        """The names of the groups of which anything is permitted, sorted."""
        return tuple(self.by_group)


@lru_cache(maxsize=1024)  # the same grants are made again and again
def _by_group(grants: tuple[Grant, ...]) -> Mapping[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    for path in sorted({path for grant in grants for path in grant.members}):
        name, _, member = path.partition(".")
        found.setdefault(name, []).append(member)
    return MappingProxyType({name: tuple(found[name]) for name in sorted(found)})


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """This recipient is told nothing of this event, for every one of these reasons."""

    event: EventRef
    recipient: RecipientId
    reasons: tuple[Reason, ...]  # never empty
    rulebook: str
    proposals: tuple[Proposal, ...] = ()  # what a human could decide all the same


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """The minimised facts for one recipient: copied by selection, group by group."""

    groups: Mapping[str, JsonObject]
