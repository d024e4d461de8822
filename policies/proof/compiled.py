"""A rulebook as formulas: what every rule asks and forbids, over the whole fact space."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import cedarpy

from gateway.model.ids import RuleId
from policies.catalogue import Catalogues
from policies.catalogue_entries import ANY
from policies.proof.condition import ROLE, BeyondProof, Expression, mentioned
from policies.proof.fact_space import variables
from policies.proof.formula import Formula, Space, both, either
from policies.proof.reliance import TOLD, reliance
from policies.rule import Rule
from policies.rulebook import RULE_SUFFIX, Rulebook

DECIDED: Final = "resource.decided"


@dataclass(frozen=True, slots=True, kw_only=True)
class Compiled:
    """A rulebook that can be searched."""

    catalogues: Catalogues
    rules: Mapping[RuleId, Rule]
    space: Space
    permits: Mapping[RuleId, Formula]  # as Cedar answers
    grants: Mapping[RuleId, Formula]  # where a permit has a basis to grant the member told
    no_forbid: Mapping[RuleId, Formula]  # of a disclosure: each holds where that forbid does not
    no_lock: Mapping[RuleId, Formula]  # of a group in a form: likewise
    unreserved: Sequence[Formula]  # the member told is not kept for other roles

    @property
    def combinations(self) -> int:
        """How many cases there are."""
        count = 1
        for variable in self.space.variables:
            count *= len(variable.choices)
        return count


def compile_rulebook(
    rulebook: Rulebook, files: Mapping[str, str], conditions: Sequence[Expression] = ()
) -> Compiled:
    """Return a rulebook as formulas.

    Args:
        rulebook: As loaded from `files`, so known to be sound.
        files: Relative name to text, as `load_rulebook` takes them.
        conditions: Others that will be asked of the same space.

    Raises:
        BeyondProof: some condition cannot be followed exactly. The text names the rule.

    Pure.
    """
    policies = list(_policies(files))
    bodies = [*conditions, *(one["body"] for policy in policies for one in policy["conditions"])]
    space = Space(variables(rulebook.catalogues, bodies))
    asked = {_id(policy): _asked(policy, space) for policy in policies}
    forbids = {
        _id(policy): (_actions(policy), space.negated(asked[_id(policy)]))
        for policy in policies
        if policy["effect"] == "forbid"
    }
    _refuse_context(policies)
    permits = {one: asked[one] for one in asked if rulebook.rules[one].effect == "permit"}
    return Compiled(
        catalogues=rulebook.catalogues,
        rules=rulebook.rules,
        space=space,
        permits=permits,
        grants={
            one: both([formula, reliance(rulebook.rules[one], rulebook.catalogues, space)])
            for one, formula in permits.items()
        },
        no_forbid={one: held for one, (of, held) in forbids.items() if "disclose" in of},
        no_lock={one: held for one, (of, held) in forbids.items() if "include" in of},
        unreserved=tuple(_unreserved(rulebook.catalogues, space)),
    )


def without(law: Compiled, rule: RuleId) -> Compiled:
    """Return the same law but for one rule. Pure."""
    return replace(
        law,
        permits=_but(law.permits, rule),
        grants=_but(law.grants, rule),
        no_forbid=_but(law.no_forbid, rule),
        no_lock=_but(law.no_lock, rule),
    )


def _but(formulas: Mapping[RuleId, Formula], rule: RuleId) -> Mapping[RuleId, Formula]:
    return {one: formula for one, formula in formulas.items() if one != rule}


def _policies(files: Mapping[str, str]) -> Iterator[Mapping[str, Any]]:
    for name in sorted(files):
        if name.endswith(RULE_SUFFIX):
            parsed = json.loads(cedarpy.policies_to_json_str(files[name]))
            yield from parsed["staticPolicies"].values()


def _id(policy: Mapping[str, Any]) -> RuleId:
    return RuleId(policy["annotations"]["id"])


def _actions(policy: Mapping[str, Any]) -> frozenset[str]:
    match policy["action"]:
        case {"op": "All"}:
            return frozenset({"disclose", "include"})
        case {"entity": one}:
            return frozenset({one["id"]})
        case {"entities": several}:
            return frozenset(one["id"] for one in several)
    raise BeyondProof(f"rule {_id(policy)}: the proof does not follow its action")


def _asked(policy: Mapping[str, Any], space: Space) -> Formula:
    """Return where a policy's head and conditions are satisfied."""
    try:
        parts = [_head(policy, space)]
        for condition in policy["conditions"]:
            held = space.formula(condition["body"])
            parts.append(held if condition["kind"] == "when" else space.negated(held))
    except BeyondProof as err:
        raise BeyondProof(f"rule {_id(policy)}: {err}") from err
    return both(parts)


def _head(policy: Mapping[str, Any], space: Space) -> Formula:
    if policy["resource"] not in ({"op": "All"}, {"op": "is", "entity_type": "Event"}):
        raise BeyondProof("the proof follows no single event")
    if policy["principal"] in ({"op": "All"}, {"op": "is", "entity_type": "Recipient"}):
        return True
    match policy["principal"]:
        case {"op": "in", "entity": {"type": "Role", "id": str(role)}}:
            return space.where(ROLE, {role})
    raise BeyondProof("the proof follows a head of one role, or of all")


def _refuse_context(policies: Sequence[Mapping[str, Any]]) -> None:
    """A rule about groups and forms must be of action "include" alone: a disclosure has neither."""
    for policy in policies:
        names = {name for one in policy["conditions"] for name in mentioned(one["body"])}
        if any(name.startswith("context.") for name in names) and _actions(policy) != {"include"}:
            raise BeyondProof(f"rule {_id(policy)}: it asks of the group without being of include")


def _unreserved(catalogues: Catalogues, space: Space) -> Iterator[Formula]:
    for group in catalogues.groups.values():
        for reserved in group.reserved:
            members = group.members if ANY in reserved.members else reserved.members
            kept = space.where(TOLD, {f"{group.name}.{member}" for member in members})
            yield either([space.negated(kept), space.where(ROLE, reserved.roles)])
