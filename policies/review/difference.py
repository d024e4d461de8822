"""What changed between two rulebooks, and what that changes in the matrix."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import cedarpy

from gateway.model.ids import RuleId
from policies.review.matrix import Cell, Matrix, matrix_of, told_kinds
from policies.rule import Rule
from policies.rulebook import BESIDE, RULE_SUFFIX, Rulebook, load_rulebook

Change = Literal["added", "removed", "changed"]

_COMPARED: Final = (
    "effect", "action", "role", "bases", "purpose", "for_action", "acknowledge_within",
    "decided_by", "reason", "source",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldChange:
    """One thing a rule says, before and after, in words of the rulebook."""

    name: str  # "groups", "bases", "condition", ...
    old: str
    new: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleChange:
    """One rule that is not what it was."""

    rule: RuleId
    change: Change
    fields: tuple[FieldChange, ...]  # of one added or removed: all it says


@dataclass(frozen=True, slots=True, kw_only=True)
class CellChange:
    """One cell of the matrix that is not what it was."""

    kind: str
    role: str
    group: str
    old: Cell
    new: Cell

    @property
    def gained(self) -> tuple[str, ...]:
        """The members now given (or, by a human, givable) that were not."""
        return tuple(sorted(set(self.new.members) - set(self.old.members)))

    @property
    def lost(self) -> tuple[str, ...]:
        """The members no longer given that were."""
        return tuple(sorted(set(self.old.members) - set(self.new.members)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Two rulebooks compared, rule by rule."""

    old: Rulebook
    new: Rulebook
    rules: tuple[RuleChange, ...]
    files: tuple[str, ...]  # catalogues and schema whose text differs

    @property
    def same(self) -> bool:
        """Whether the two are one rulebook, octet for octet."""
        return self.old.digest == self.new.digest

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of event for which some cell of the matrix may differ, sorted."""
        if self._everywhere:
            return tuple(sorted(_told(self.old) | _told(self.new)))
        return tuple(sorted(set[str]().union(*(rule.kinds for rule in self._touched))))

    @property
    def _touched(self) -> list[Rule]:
        books = (self.old.rules, self.new.rules)
        return [book[one.rule] for one in self.rules for book in books if one.rule in book]

    @property
    def _everywhere(self) -> bool:
        """Whether something changed that bears on every role: a forbid, a catalogue, the schema."""
        return bool(self.files) or any(rule.effect == "forbid" for rule in self._touched)

    def cells(self, kind: str) -> Iterator[CellChange]:
        """Yield the cells that are not what they were, for one of `kinds`."""
        touched = {rule.role for rule in self._touched if kind in rule.kinds}
        roles = None if self._everywhere else touched
        before = matrix_of(self.old, (kind,), roles=roles)
        yield from _cells(before, matrix_of(self.new, (kind,), roles=roles), kind)


def compare(old_files: Mapping[str, str], new_files: Mapping[str, str]) -> Difference:
    """Compare two rulebooks given as texts by relative name.

    Raises:
        BadRulebook: either is none.

    Pure.
    """
    old, new = load_rulebook(old_files), load_rulebook(new_files)
    return Difference(
        old=old,
        new=new,
        rules=tuple(
            _rules(_stated(old, _conditions(old_files)), _stated(new, _conditions(new_files)))
        ),
        files=tuple(sorted(_differing(old_files, new_files))),
    )


def _told(rulebook: Rulebook) -> set[str]:
    return {kind for role in rulebook.catalogues.roles for kind in told_kinds(rulebook, role)}


def _rules(
    old: Mapping[RuleId, Mapping[str, str]], new: Mapping[RuleId, Mapping[str, str]]
) -> Iterator[RuleChange]:
    for rule in sorted(old.keys() | new.keys()):
        before, after = old.get(rule, {}), new.get(rule, {})
        if before == after:
            continue
        change: Change = "changed" if before and after else "added" if after else "removed"
        names = [name for name in (after or before) if before.get(name) != after.get(name)]
        yield RuleChange(
            rule=rule,
            change=change,
            fields=tuple(
                FieldChange(name=name, old=before.get(name, ""), new=after.get(name, ""))
                for name in names
            ),
        )


def _stated(
    rulebook: Rulebook, conditions: Mapping[RuleId, str]
) -> Mapping[RuleId, Mapping[str, str]]:
    """Return all that each rule says, as text by name."""
    return {id_: _said(rule, conditions[id_]) for id_, rule in rulebook.rules.items()}


def _said(rule: Rule, condition: str) -> Mapping[str, str]:
    said = {name: _text(getattr(rule, name)) for name in _COMPARED}
    groups = " ".join(path for _, members in rule.groups for _, path in members)
    return {**said, "groups": groups, "condition": condition}


def _text(value: object) -> str:
    if isinstance(value, tuple):
        return " ".join(str(one) for one in value)
    return "" if value is None else str(value)


def _conditions(files: Mapping[str, str]) -> Mapping[RuleId, str]:
    """Return each rule's head and condition in Cedar's own words, comments and layout aside."""
    found: dict[RuleId, str] = {}
    for name, text in files.items():
        if name.endswith(RULE_SUFFIX):
            policies = json.loads(cedarpy.policies_to_json_str(text))["staticPolicies"]
            for policy in policies.values():
                found[RuleId(policy["annotations"]["id"])] = _cedar(policy)
    return found


def _cedar(policy: Mapping[str, Any]) -> str:
    bare = {"staticPolicies": {"rule": {**policy, "annotations": {}}}}
    text = cedarpy.policies_from_json_str(
        json.dumps({**bare, "templates": {}, "templateLinks": []})
    )
    return " ".join(str(text).split())


def _differing(old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[str]:
    before, after = _catalogues(old), _catalogues(new)
    for name in before.keys() | after.keys():
        if before.get(name) != after.get(name):
            yield name


def _catalogues(files: Mapping[str, str]) -> Mapping[str, str]:
    return {
        name.rpartition("/")[2]: text
        for name, text in files.items()
        if not name.endswith((RULE_SUFFIX, *BESIDE))
    }


_NO_CELL: Final = Cell(letter="-")


def _cells(old: Matrix, new: Matrix, kind: str) -> Iterator[CellChange]:
    before = {row.role: row for row in old.rows}
    after = {row.role: row for row in new.rows}
    for role in sorted(before.keys() | after.keys()):
        had = before[role].cells if role in before else {}
        has = after[role].cells if role in after else {}
        for group in dict.fromkeys((*had, *has)):
            was, now = had.get(group, _NO_CELL), has.get(group, _NO_CELL)
            if (was.letter, was.members) != (now.letter, now.members):
                yield CellChange(kind=kind, role=role, group=group, old=was, new=now)
