"""What a human is asked to look at though no alert says it. Strict: an unknown key or kind is
refused."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from gateway.model.kinds import KINDS, OWN_KINDS, REVISING_KINDS
from gateway.model.person import StatedGroup
from policies.problem import BadRulebook
from policies.strict_toml import read

ATTENTION_FILE: Final = "attention.toml"
_GAP: Final = "NOT_RECORDED"
_LONGEST: Final = timedelta(days=366)

Line = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Path = Annotated[str, StringConstraints(pattern=r"^[a-z_]+\.[a-z_]+$")]


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Strands(_Entry):
    """When concerns of several agencies about one person add up."""

    agencies: Annotated[int, Field(ge=2, le=20)]
    within: Annotated[timedelta, Field(gt=timedelta(), le=_LONGEST)]
    kinds: Annotated[frozenset[str], Field(min_length=1)]
    source: Line


class Gaps(_Entry):
    """Which members, stated as not recorded, a human is asked to close."""

    members: Annotated[tuple[Path, ...], Field(min_length=1)]
    kinds: Annotated[frozenset[str], Field(min_length=1)]
    source: Line

    def found(self, kind: str, facts: Mapping[str, StatedGroup]) -> tuple[str, ...]:
        """Return the members now stated as not recorded, if this kind of event asks. Pure."""
        if kind not in self.kinds:
            return ()
        return tuple(path for path in self.members if _stated(path, facts) == _GAP)


class Attention(_Entry):
    """What is asked of humans in force."""

    strands: Strands
    gaps: Gaps


def _stated(path: str, facts: Mapping[str, StatedGroup]) -> object:
    group, _, member = path.partition(".")
    stated = facts.get(group)
    return stated.members.get(member) if stated else None


def load_attention(text: str, *, paths: frozenset[str], file: str = ATTENTION_FILE) -> Attention:
    """Read what is asked of humans.

    Args:
        paths: Every "group.member" of the catalogue.

    Raises:
        BadRulebook: not TOML, or a key, kind or member is unknown.

    Pure.
    """
    found = read(Attention, file, text)
    stated = KINDS - OWN_KINDS - REVISING_KINDS
    for section, kinds in (("strands", found.strands.kinds), ("gaps", found.gaps.kinds)):
        if not kinds <= stated:
            raise BadRulebook("kind-unknown", file=file, position=section)
    if not paths.issuperset(found.gaps.members):
        raise BadRulebook("member-unknown", file=file, position="gaps")
    return found
