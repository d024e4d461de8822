"""Weigh satisfied rules against legal bases: what each controller may tell this recipient."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Final

from gateway.model.decision import Grant, Reason, Withheld
from gateway.model.groups import PROVENANCE
from gateway.model.ids import AgencyName, BasisId, EventRef, RuleId
from gateway.model.party import Recipient
from gateway.model.person import StatedGroup
from policies.bases import holds
from policies.catalogue import Catalogues
from policies.facts import FactClass
from policies.rule import Member, Rule

_NO_CLASS: Final = ""  # a controller the gateway has no class for; no standing, so no basis
_PROVENANCE: Final = frozenset(PROVENANCE)

_PARTLY: Final = Reason(
    code="minimised", text="This role is given only the part of this group it needs."
)
_NO_NEED: Final = Reason(
    code="no-need", text="No rule that applies gives this role any of this group."
)
_NOTHING_HELD: Final = Reason(
    code="nothing-to-disclose", text="A rule applies, but none of the facts it names are held."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One event, one recipient, and everything a decision may look at."""

    event: EventRef
    recipient: Recipient
    stated: Mapping[str, StatedGroup]
    facts: FactClass  # as towards this recipient
    controller_classes: Mapping[AgencyName, str]
    today: date
    catalogues: Catalogues
    claimed: BasisId | None = None  # judge as if every rule relied on this basis


@dataclass(frozen=True, slots=True, kw_only=True)
class Scales:
    """Rules put on one after another; what they grant and what held them back adds up."""

    case: Case
    locked: Mapping[str, Reason]  # by group: why a forbid holds it back
    grants: list[Grant] = field(default_factory=list)
    _granted: dict[str, set[str]] = field(default_factory=dict)  # group -> members
    _setbacks: dict[str, list[Reason]] = field(default_factory=dict)  # group -> in order found
    _obstacles: dict[tuple[BasisId, str, bool], Reason | None] = field(default_factory=dict)
    _weighed: list[RuleId] = field(default_factory=list)

    @property
    def weighed(self) -> bool:
        """Whether any rule was put on."""
        return bool(self._weighed)

    def put(self, rule: Rule) -> None:
        """Add the rule's grants: one per basis relied on, groups by name."""
        self._weighed.append(rule.id)
        by_basis: dict[BasisId, list[str]] = {}
        held = [
            (group, present)
            for group, members in rule.groups
            if (present := _held(self.case.stated.get(group), members))
        ]
        for group, present in held:
            if group in self.locked:
                self._setbacks.setdefault(group, []).append(self.locked[group])
                continue
            for controller, theirs in self._by_controller(group, present).items():
                basis = self._first_that_holds(rule, group, controller)
                if basis is not None:
                    by_basis.setdefault(basis, []).extend(self._carried(basis, group, theirs))
        self.grants.extend(
            self._grant(rule, basis, paths) for basis, paths in by_basis.items() if paths
        )

    def withheld(self) -> Iterator[Withheld]:
        """Yield each held group not fully granted, once per reason."""
        for group, stated in self.case.stated.items():
            granted = self._granted.get(group, set())
            left = stated.members.keys() - granted - _PROVENANCE
            if not left or all(stated.members[member] is None for member in left):
                continue
            reasons = self._setbacks.get(group) or (_PARTLY if granted else _NO_NEED,)
            for reason in dict.fromkeys(reasons):
                yield Withheld(group=group, reason=reason)

    def why_nothing(self) -> tuple[Reason, ...]:
        """Return, for rules that granted nothing, every reason once."""
        found = dict.fromkeys(reason for group in self._setbacks.values() for reason in group)
        return tuple(found) or (_NOTHING_HELD,)

    def _by_controller(self, group: str, held: Sequence[Member]) -> Mapping[str, Sequence[Member]]:
        """Return members by the class of organisation that may disclose them."""
        stated = self.case.stated[group]
        if not stated.earlier:
            return {self._class_of(stated.controller): held}
        found: dict[str, list[Member]] = {}
        for one in held:
            found.setdefault(self._class_of(stated.controller_of(one[0])), []).append(one)
        return found

    def _first_that_holds(self, rule: Rule, group: str, controller: str) -> BasisId | None:
        reasons: list[Reason] = []
        claimed = self.case.claimed
        for basis in rule.bases if claimed is None else (claimed,):
            obstacle = self._obstacle(basis, group, controller, by_human=bool(rule.decided_by))
            if obstacle is None:
                return basis
            reasons.append(replace(obstacle, rule=rule.id))
        self._setbacks.setdefault(group, []).extend(reasons)
        return None

    def _obstacle(
        self, basis: BasisId, group: str, controller: str, *, by_human: bool
    ) -> Reason | None:
        """Return why this controller's part of a group may not go on this basis, or None."""
        case = self.case
        key = basis, controller, by_human
        if key not in self._obstacles:
            self._obstacles[key] = holds(
                basis,
                controller_class=controller,
                recipient=case.recipient,
                facts=case.facts,
                today=case.today,
                catalogues=case.catalogues,
                by_human=by_human,
            )
        if self._obstacles[key] is None and case.catalogues.groups[group].sensitive:
            return self._insensitive(basis, controller)
        return self._obstacles[key]

    def _class_of(self, controller: AgencyName) -> str:
        return self.case.controller_classes.get(controller, _NO_CLASS)

    def _insensitive(self, basis: BasisId, controller: str) -> Reason | None:
        """Return why sensitive facts may not go on this basis: DPA 2018 s.35(5) with s.42."""
        entry = self.case.catalogues.bases[basis]
        if not entry.condition:
            return Reason(
                code="no-sensitive-condition",
                text=f"{entry.citation} states no condition for sensitive processing.",
            )
        if self._policy_document(basis, controller):
            return None
        return Reason(
            code="policy-document-missing",
            text=f"No appropriate policy document of the controller covers {entry.condition} today "
            "(DPA 2018 ss.35(5) and 42).",
        )

    def _policy_document(self, basis: BasisId, controller: str) -> str:
        catalogues = self.case.catalogues
        condition = catalogues.bases[basis].condition
        found = catalogues.policy_document_for(controller, condition, self.case.today)
        return found.reference if found else ""

    def _carried(self, basis: BasisId, group: str, held: Sequence[Member]) -> list[str]:
        only = self.case.catalogues.bases[basis].only
        carried = held if only is None else [pair for pair in held if pair[1] in only]
        self._granted.setdefault(group, set()).update([member for member, _ in carried])
        return [path for _, path in carried]

    def _grant(self, rule: Rule, basis: BasisId, paths: list[str]) -> Grant:
        entry = self.case.catalogues.bases[basis]
        parts = [path.partition(".") for path in paths]
        documents = {
            self._policy_document(
                basis, self._class_of(self.case.stated[group].controller_of(member))
            )
            for group, _, member in parts
            if self.case.catalogues.groups[group].sensitive
        }
        return Grant(
            rule=rule.id,
            basis=basis,
            citation=entry.citation,
            regime=entry.regime,
            condition=entry.condition,
            purpose=rule.purpose,
            members=tuple(sorted(paths)),
            for_action=rule.for_action,
            acknowledge_within=rule.acknowledge_within,
            policy_document=" ".join(sorted(documents)),
            decided_by=rule.decided_by,
        )


def _held(stated: StatedGroup | None, members: Sequence[Member]) -> list[Member]:
    if stated is None:
        return []
    return [pair for pair in members if stated.members.get(pair[0]) is not None]
