"""The words answers are made of: whom, when, what, by which rule. They name no data subject."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from gateway.audit.asking import Asking
from gateway.audit.reading_codes import REASONS
from gateway.model.ids import BasisId, RecipientId, RuleId
from gateway.pages.words import GROUPS
from gateway.pages.words import moment as when
from gateway.store import rulebooks
from policies.problem import BadRulebook
from policies.rulebook import Rulebook, load_rulebook

__all__ = [
    "REGIMES",
    "Law",
    "cells",
    "group_names",
    "groups",
    "listed",
    "member_paths",
    "recipient",
    "spoken",
    "when",
]

REGIMES: Final[Mapping[str, str]] = {
    "P3": "DPA 2018 Part 3",
    "GDPR": "UK GDPR with DPA 2018 Part 2",
}
_DIGITS: Final = 16  # of a digest, as it is said


def listed(parts: Iterable[str]) -> str:
    """Return "a, b and c"; nothing for nothing."""
    *rest, last = tuple(parts) or ("",)
    return f"{', '.join(rest)} and {last}" if rest else last


def cells(parts: Iterable[str]) -> str:
    """Return a cell of kind "list"."""
    return "; ".join(parts)


def spoken(code: str) -> str:
    """Return a code as it is said: "public_protection" is public protection."""
    return code.replace("_", " ").replace("-", " ")


def counted(number: int, one: str, many: str | None = None) -> str:
    """Return "1 alert" or "3 alerts"."""
    return f"{number} {one if number == 1 else many or one + 's'}"


def member_paths(entry: Mapping[str, Any]) -> tuple[str, ...]:
    """Return every "group.member" path a disclosure told, sorted, once."""
    return tuple(sorted({path for grant in entry.get("grants", ()) for path in grant["members"]}))


def group_names(paths: Iterable[str]) -> tuple[str, ...]:
    """Return the groups of these paths, in the order of the catalogue."""
    held = {path.partition(".")[0] for path in paths}
    return tuple(name for name in GROUPS if name in held) + tuple(sorted(held - GROUPS.keys()))


def groups(names: Iterable[str]) -> str:
    """Return groups as they are said: "who the person is, MAPPA status"."""
    said = [GROUPS.get(name, spoken(name)) for name in names]
    return listed(one if one[:2].isupper() else one[0].lower() + one[1:] for one in said)


def recipient(asking: Asking, id_: str) -> str:
    """Return a recipient as they are said: organisation, role and id."""
    known = asking.directory.recipients.get(RecipientId(id_))
    if id_ == "*":
        return "nobody in particular"
    if known is None:
        return f"{id_}, who is no longer in the directory"
    role = asking.law.catalogues.roles.get(known.role)
    title = role.title if role else spoken(known.role)
    return f"{known.organisation}, {title} ({id_})"


@dataclass(frozen=True, slots=True)
class Law:
    """The rulebook an entry was made under: as it was then where its text was kept."""

    rulebook: Rulebook
    digest: str  # the one the entry names
    asked: bool  # False: its text was not kept, and `rulebook` is the one in force now

    @classmethod
    def of(cls, asking: Asking, digest: str) -> "Law":
        """Return the rulebook of a digest."""
        now = asking.law.rulebook
        if digest == now.digest:
            return cls(now, digest, True)
        texts = rulebooks.texts_of(asking.reader, digest)
        then = _loaded(tuple(sorted(texts.items()))) if texts else None
        return cls(then or now, digest, then is not None)

    @property
    def version(self) -> str:
        """Which it was, in words."""
        kept = "" if self.asked else ", whose text was not kept"
        return f"rulebook {self.digest[:_DIGITS]}{kept}"

    def rule(self, id_: str) -> str:
        """Return a rule with its source."""
        known = self.rulebook.rules.get(RuleId(id_))
        return f"rule {id_} ({known.source})" if known else f"rule {id_}"

    def basis(self, id_: str) -> str:
        """Return the law a basis cites."""
        known = self.rulebook.catalogues.bases.get(BasisId(id_))
        return f"{known.citation} [{id_}]" if known else id_

    def grant(self, grant: Mapping[str, Any]) -> str:
        """Return one grant as a sentence without its full stop."""
        condition = f", {grant['condition']}" if grant.get("condition") else ""
        document = grant.get("policy_document")
        relied = f", policy document {document}" if document else ""
        decided = grant.get("decided_by")
        by = f", decided by a {spoken(decided)}" if decided else ""
        regime = REGIMES.get(grant["regime"], grant["regime"])
        return (
            f"{self.rule(grant['rule'])}, relying on {self.basis(grant['basis'])} under"
            f" {regime}{condition}{relied}{by}, for {spoken(grant['purpose'])}"
        )

    def reason(self, reason: Mapping[str, Any]) -> str:
        """Return why something was not told: the rule's own words where a rule says so."""
        code, id_ = reason["code"], reason.get("rule")
        known = self.rulebook.rules.get(RuleId(id_)) if id_ else None
        if known is not None and known.reason:
            return f"{known.reason} [{code}, rule {id_}: {known.source}]"
        said = REASONS.get(code) or ("A key could not be used." if _of_key(code) else spoken(code))
        return f"{said} [{code}, rule {id_}]" if id_ else f"{said} [{code}]"


def reasons(law: Law, found: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return every reason once."""
    return list(dict.fromkeys(law.reason(one) for one in found))


def _of_key(code: str) -> bool:
    return code.startswith("key-")


@lru_cache(maxsize=8)
def _loaded(texts: tuple[tuple[str, str], ...]) -> Rulebook | None:
    try:
        return load_rulebook(dict(texts))
    except BadRulebook:  # of an older program: its words are no longer read
        return None
