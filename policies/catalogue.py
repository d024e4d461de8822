"""The catalogues a lawyer reads: field groups, roles, legal bases, organisation classes.

Strict: a key not named here, or a name not defined elsewhere in the catalogues, is refused.
"""

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from typing import Annotated, Final, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError

from gateway.model.decision import Regime
from gateway.model.ids import BasisId
from gateway.model.kinds import KINDS
from policies.problem import BadRulebook

Line = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Word = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")]

TestName = Literal[
    "mappa_category_known", "risk_to_children", "housing_consent", "chosen_authority_is_recipient"
]

CATALOGUE_FILES: Final = ("bases.toml", "groups.toml", "organisations.toml", "roles.toml")
ANY: Final = "*"
ASSOCIATE: Final = "associate"  # a standing a recipient has by designation, never by class


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Reserved(_Entry):
    """Members that no rule may give to a role outside these."""

    members: tuple[str, ...]  # ("*",) is the whole group
    roles: frozenset[Word]


class GroupEntry(_Entry):
    """One field group, its named parts, and who alone may ever have some of it."""

    name: Word
    title: Line
    sensitive: bool
    members: Annotated[tuple[Word, ...], Field(min_length=1)]
    forms: Mapping[Word, tuple[Word, ...]] = Field(default_factory=dict)
    reserved: tuple[Reserved, ...] = ()


class RoleEntry(_Entry):
    """One recipient role."""

    codes: Annotated[tuple[Line, ...], Field(min_length=1)]
    title: Line
    held_by: frozenset[Word]


class Route(_Entry):
    """From any of these to any of those: standings, flags, classes or "associate"."""

    from_: Annotated[frozenset[Word], Field(alias="from")]
    to: frozenset[Word]


class BasisEntry(_Entry):
    """One legal basis, and what must hold before a disclosure may rest on it."""

    citation: Line
    regime: Regime
    condition: str  # empty: none, so no sensitive group goes on this basis
    routes: tuple[Route, ...]
    tests: tuple[TestName, ...]
    members: tuple[str, ...]  # "group.member" paths, or ("*",)
    human_only: bool
    source: Line
    verified: Literal["V", "G"]

    @cached_property
    def only(self) -> frozenset[str] | None:
        """The only paths that may go on this basis, or None for any."""
        return None if self.members == (ANY,) else frozenset(self.members)


class OrganisationEntry(_Entry):
    """What a class of organisation is in law, and what it posts."""

    title: Line
    standing: frozenset[Literal["responsible_authority", "duty_to_cooperate"]]
    s11_body: bool
    oma_s14: Literal["core", "listed", "none"]
    housing_referrer: bool
    kinds: tuple[str, ...]

    def standings(self, name: str) -> frozenset[str]:
        """Return every word a route may know this class by, its own name included. Pure."""
        flags = {
            "s11_body": self.s11_body,
            "oma_core": self.oma_s14 == "core",
            "oma_listed": self.oma_s14 == "listed",
            "housing_referrer": self.housing_referrer,
        }
        return frozenset({name, *self.standing, *(flag for flag, on in flags.items() if on)})


_FLAGS: Final = frozenset(
    {
        "responsible_authority",
        "duty_to_cooperate",
        "s11_body",
        "oma_core",
        "oma_listed",
        "housing_referrer",
        ASSOCIATE,
    }
)


_NONE: Final = frozenset[str]()


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogues:
    """The four catalogues, each name in them resolved."""

    groups: Mapping[str, GroupEntry]  # by group name, in the order G1..G15
    roles: Mapping[str, RoleEntry]
    bases: Mapping[BasisId, BasisEntry]
    organisations: Mapping[str, OrganisationEntry]
    standings: Mapping[str, frozenset[str]]  # by organisation class

    def standing_of(self, organisation_class: str) -> frozenset[str]:
        """Return a class's standings and its own name; empty for a class not listed. Pure."""
        return self.standings.get(organisation_class, _NONE)

    def title_of(self, organisation_class: str) -> str:
        """Return the words for a class, for a sentence. Pure."""
        entry = self.organisations.get(organisation_class)
        return entry.title if entry else "organisation unknown to the catalogue"


def load_catalogues(files: Mapping[str, str]) -> Catalogues:
    """Read the four catalogues.

    Args:
        files: Relative name to TOML text; names other than the four are left alone.

    Raises:
        BadRulebook: a file is missing or not TOML, a key is unknown, a name is not defined.

    Pure.
    """
    texts = {name.rpartition("/")[2]: (name, text) for name, text in files.items()}
    for name in CATALOGUE_FILES:
        if name not in texts:
            raise BadRulebook("file-missing", file=name)
    codes = _read(dict[str, GroupEntry], *texts["groups.toml"])
    organisations = _read(dict[str, OrganisationEntry], *texts["organisations.toml"])
    catalogues = Catalogues(
        groups={entry.name: entry for entry in codes.values()},
        roles=_read(dict[str, RoleEntry], *texts["roles.toml"]),
        bases=_read(dict[BasisId, BasisEntry], *texts["bases.toml"]),
        organisations=organisations,
        standings={name: entry.standings(name) for name, entry in organisations.items()},
    )
    if len(catalogues.groups) != len(codes):
        raise BadRulebook("group-name-twice", file="groups.toml")
    _check_groups(catalogues)
    _check_organisations(catalogues)
    _check_bases(catalogues)
    return catalogues


def may_post(catalogues: Catalogues, organisation_class: str, kind: str) -> bool:
    """Return whether this class posts this kind by default; False for an unknown class. Pure."""
    entry = catalogues.organisations.get(organisation_class)
    return entry is not None and any(fnmatchcase(kind, pattern) for pattern in entry.kinds)


Table = TypeVar("Table")


def _read(shape: type[Table], file: str, text: str) -> Table:
    try:
        # Through JSON, where strict validation still takes an array for a tuple or a set.
        return TypeAdapter(shape).validate_json(json.dumps(tomllib.loads(text)))
    except tomllib.TOMLDecodeError as err:
        raise BadRulebook("not-toml", file=file, reason=str(err)) from err
    except TypeError as err:  # a TOML date, where no catalogue has one
        raise BadRulebook("catalogue-invalid", file=file, reason=str(err)) from err
    except ValidationError as err:
        first = err.errors(include_input=False, include_url=False)[0]
        position = ".".join(str(step) for step in first["loc"])
        raise BadRulebook(
            "catalogue-invalid", file=file, position=position, reason=first["msg"]
        ) from err


def _check_groups(catalogues: Catalogues) -> None:
    for group in catalogues.groups.values():
        members = set(group.members)
        if len(members) != len(group.members):
            raise BadRulebook("member-twice", file="groups.toml", position=group.name)
        for form, parts in group.forms.items():
            # A form named like a member would make "group.name" mean two things.
            if form in members or not parts or not members.issuperset(parts):
                raise BadRulebook(
                    "form-invalid", file="groups.toml", position=f"{group.name}.{form}"
                )
        for reserved in group.reserved:
            if not {*members, ANY}.issuperset(reserved.members):
                raise BadRulebook("member-unknown", file="groups.toml", position=group.name)
            if not reserved.roles <= catalogues.roles.keys():
                raise BadRulebook("role-unknown", file="groups.toml", position=group.name)


def _check_organisations(catalogues: Catalogues) -> None:
    for name, organisation in catalogues.organisations.items():
        if name in _FLAGS:
            raise BadRulebook("name-is-a-standing", file="organisations.toml", position=name)
        for pattern in organisation.kinds:
            if not any(fnmatchcase(kind, pattern) for kind in KINDS):
                raise BadRulebook(
                    "kind-unknown", file="organisations.toml", position=name, reason=pattern
                )
    for name, role in catalogues.roles.items():
        if not role.held_by <= catalogues.organisations.keys():
            raise BadRulebook("organisation-unknown", file="roles.toml", position=name)


def _check_bases(catalogues: Catalogues) -> None:
    known = _FLAGS | catalogues.organisations.keys()
    paths = {
        f"{group.name}.{member}" for group in catalogues.groups.values() for member in group.members
    }
    for name, basis in catalogues.bases.items():
        words = frozenset[str]().union(*(route.from_ | route.to for route in basis.routes))
        if not words <= known:
            raise BadRulebook("standing-unknown", file="bases.toml", position=name)
        if basis.members != (ANY,) and not paths.issuperset(basis.members):
            raise BadRulebook("member-unknown", file="bases.toml", position=name)
        if basis.human_only == bool(basis.routes):
            raise BadRulebook("route-and-human-only", file="bases.toml", position=name)
