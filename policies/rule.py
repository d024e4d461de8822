"""One rule of the rulebook: a Cedar policy's annotations, read and resolved."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, Literal, TypeAlias

from pydantic import TypeAdapter, ValidationError

from gateway.model.ids import BasisId, RuleId
from gateway.model.kinds import KINDS
from policies.catalogue import ANY, Catalogues, GroupEntry
from policies.problem import BadRulebook

_PERMIT: Final = ("id", "basis", "purpose", "groups", "for", "source")
_PERMIT_MAY: Final = ("acknowledge", "decided_by", "ask")
_FORBID: Final = ("id", "reason", "source")
_FORBID_MAY: Final = ("decided_by", "ask")

_ID: Final = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_WORDS: Final = re.compile(r"[a-z]+(_[a-z]+)*")
_DURATION: Final = TypeAdapter(timedelta)
_LONGEST: Final = timedelta(days=92)


Member: TypeAlias = tuple[str, str]  # its name, and its "group.member" path


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What one Cedar policy permits or forbids, apart from its condition, which Cedar keeps.

    A forbid has a reason and no basis or groups; a permit has no reason.
    """

    id: RuleId
    effect: Literal["permit", "forbid"]
    file: str
    source: str
    action: str = ""  # "disclose" or "include"; a forbid of both names none
    role: str = ""  # in its head; a forbid that names none is for every role
    bases: tuple[BasisId, ...] = ()  # in order of preference: the first that holds is relied on
    purpose: str = ""
    groups: tuple[tuple[str, tuple[Member, ...]], ...] = ()  # by group name, then by member
    for_action: bool = False
    acknowledge_within: timedelta | None = None
    decided_by: str = ""  # a permit: who must decide each time. A forbid: who may lift it
    ask_at_once: bool = False  # what needs deciding opens a task by itself, not on request
    reason: str = ""
    kinds: frozenset[str] = KINDS  # that its condition names; every kind if it names none


def read_rule(policy: Mapping[str, Any], *, file: str, catalogues: Catalogues) -> Rule:
    """Read one policy in Cedar's JSON form.

    Raises:
        BadRulebook: an annotation is missing, unknown or ill-formed; a group, basis or role is
            not in the catalogues; a member is reserved to other roles; no single role is named.

    Pure.
    """
    annotations: Mapping[str, str | None] = policy.get("annotations", {})
    id_ = annotations.get("id") or ""
    if not _ID.fullmatch(id_):
        raise BadRulebook("rule-without-id", file=file, reason="@id is words joined by hyphens")
    reading = _Reading(file=file, position=f"rule {id_}", annotations=annotations)
    role = _role(policy, reading, catalogues)
    kinds = frozenset(_texts(policy.get("conditions"))) & KINDS or KINDS
    if policy["effect"] == "forbid":
        reading.expect(_FORBID, _FORBID_MAY)
        return Rule(
            id=RuleId(id_),
            effect="forbid",
            file=file,
            source=reading.text("source"),
            action=_action(policy),
            role=role,
            decided_by=_decided_by(reading),
            ask_at_once=_ask_at_once(reading),
            reason=reading.text("reason"),
            kinds=kinds,
        )
    reading.expect(_PERMIT, _PERMIT_MAY)
    if not role:
        raise reading.fault("rule-names-no-role", 'begin: principal in Role::"..."')
    if _action(policy) != "disclose":
        raise reading.fault("rule-permits-no-disclosure", 'write: action == Action::"disclose"')
    return Rule(
        id=RuleId(id_),
        effect="permit",
        file=file,
        source=reading.text("source"),
        action="disclose",
        role=role,
        bases=_bases(reading, catalogues),
        purpose=_purpose(reading, catalogues),
        groups=_groups(reading, role, catalogues),
        for_action=_for_action(reading),
        acknowledge_within=_acknowledge(reading),
        decided_by=_decided_by(reading),
        ask_at_once=_ask_at_once(reading),
        kinds=kinds,
    )


def _texts(part: Any) -> Iterator[str]:  # noqa: ANN401 - Cedar's JSON form
    """Yield every string in a part of a policy."""
    if isinstance(part, str):
        yield part
    elif isinstance(part, Mapping):
        for value in part.values():
            yield from _texts(value)
    elif isinstance(part, list):
        for value in part:
            yield from _texts(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reading:
    """One policy's annotations, and where to say a fault lies."""

    file: str
    position: str
    annotations: Mapping[str, str | None]

    def fault(self, code: str, reason: str) -> BadRulebook:
        return BadRulebook(code, file=self.file, position=self.position, reason=reason)

    def expect(self, required: tuple[str, ...], optional: tuple[str, ...] = ()) -> None:
        for name in required:
            if not self.annotations.get(name):
                raise self.fault("annotation-missing", f"@{name}")
        for name in self.annotations:
            if name not in required and name not in optional:
                raise self.fault("annotation-unknown", f"@{name}")

    def text(self, name: str) -> str:
        return self.annotations.get(name) or ""

    def words(self, name: str) -> list[str]:
        words = self.text(name).split()
        if not words or len(set(words)) != len(words):
            raise self.fault("annotation-invalid", f"@{name} wants words, each once")
        return words


def _role(policy: Mapping[str, Any], reading: _Reading, catalogues: Catalogues) -> str:
    # The role stands in the head, so that reserved members can be checked without evaluating.
    match policy["principal"]:
        case {"op": "in", "entity": {"type": "Role", "id": str(role)}}:
            if role not in catalogues.roles:
                raise reading.fault("role-unknown", role)
            return role
    return ""


def _action(policy: Mapping[str, Any]) -> str:
    match policy["action"]:
        case {"op": "==", "entity": {"id": str(action)}}:
            return action
    return ""


def _ask_at_once(reading: _Reading) -> bool:
    when = reading.text("ask") or "on_request"
    if when not in {"at_once", "on_request"}:
        raise reading.fault("annotation-invalid", '@ask is "at_once" or "on_request"')
    if "ask" in reading.annotations and not _decided_by(reading):
        raise reading.fault("annotation-missing", "@decided_by, without which nobody is asked")
    return when == "at_once"


def _decided_by(reading: _Reading) -> str:
    if "decided_by" not in reading.annotations:
        return ""
    who = reading.text("decided_by")
    if not _WORDS.fullmatch(who):
        raise reading.fault("annotation-invalid", "@decided_by is words joined by underscores")
    return who


def _bases(reading: _Reading, catalogues: Catalogues) -> tuple[BasisId, ...]:
    named = tuple(BasisId(word) for word in reading.words("basis"))
    for basis in named:
        if basis not in catalogues.bases:
            raise reading.fault("basis-unknown", basis)
        if catalogues.bases[basis].human_only and not _decided_by(reading):
            raise reading.fault("basis-human-only", f"{basis} wants @decided_by")
    return named


def _purpose(reading: _Reading, catalogues: Catalogues) -> str:
    purpose = reading.text("purpose")
    if not _WORDS.fullmatch(purpose):
        raise reading.fault("annotation-invalid", "@purpose is words joined by underscores")
    for basis in _bases(reading, catalogues):
        if purpose not in catalogues.bases[basis].purposes:
            raise reading.fault("purpose-not-of-basis", f"{basis} does not serve {purpose}")
    return purpose


def _for_action(reading: _Reading) -> bool:
    meant = reading.text("for")
    if meant not in {"action", "information"}:
        raise reading.fault("annotation-invalid", '@for is "action" or "information"')
    return meant == "action"


def _acknowledge(reading: _Reading) -> timedelta | None:
    if "acknowledge" not in reading.annotations:
        return None
    text = reading.text("acknowledge")
    try:
        within = _DURATION.validate_python(text if text.startswith("P") else None)
    except ValidationError:
        within = timedelta(0)
    if not timedelta(0) < within <= _LONGEST:
        raise reading.fault("annotation-invalid", "@acknowledge is an ISO 8601 duration: P2D")
    return within


def _groups(
    reading: _Reading, role: str, catalogues: Catalogues
) -> tuple[tuple[str, tuple[Member, ...]], ...]:
    named: dict[str, set[str]] = {}
    for token in reading.words("groups"):
        group, members = _resolve(token, reading, catalogues)
        named.setdefault(group.name, set()).update(members)
    for name, wanted in named.items():
        kept_back = wanted & _reserved_from(role, catalogues.groups[name])
        if kept_back:
            raise reading.fault("member-reserved", f"{name}.{min(kept_back)}")
    return tuple(
        (name, tuple((member, f"{name}.{member}") for member in sorted(members)))
        for name, members in sorted(named.items())
    )


def _resolve(
    token: str, reading: _Reading, catalogues: Catalogues
) -> tuple[GroupEntry, tuple[str, ...]]:
    name, dot, part = token.partition(".")
    group = catalogues.groups.get(name)
    if group is None:
        raise reading.fault("group-unknown", token)
    if not dot:
        return group, group.members
    if part in group.members:
        return group, (part,)
    if part in group.forms:
        return group, group.forms[part]
    raise reading.fault("group-unknown", token)


def _reserved_from(role: str, group: GroupEntry) -> set[str]:
    kept_back: set[str] = set()
    for reserved in group.reserved:
        if role not in reserved.roles:
            whole = ANY in reserved.members
            kept_back.update(group.members if whole else reserved.members)
    return kept_back
