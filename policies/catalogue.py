"""The catalogues a lawyer reads: field groups, roles, legal bases, organisations, documents.

Strict: a key not named in their shapes, or a name not defined elsewhere in them, is refused.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from fnmatch import fnmatchcase
from typing import Final, TypeVar

from gateway.model.ids import BasisId
from gateway.model.kinds import KINDS, OWN_KINDS
from policies.attention import ATTENTION_FILE, Attention, load_attention
from policies.catalogue_entries import (
    ANY,
    ASSOCIATE,
    FLAGS,
    AgreementEntry,
    BasisEntry,
    GroupEntry,
    HandlingEntry,
    OrganisationEntry,
    PolicyDocumentEntry,
    RoleEntry,
    TestName,
)
from policies.clocks import CLOCKS_FILE, Clocks, load_clocks
from policies.holds import HOLDS_FILE, Holds, load_holds
from policies.problem import BadRulebook
from policies.strict_toml import read, shaped, tables

__all__ = [
    "ANY",
    "ASSOCIATE",
    "CATALOGUE_FILES",
    "BasisEntry",
    "Catalogues",
    "GroupEntry",
    "TestName",
    "load_catalogues",
    "may_post",
]

CATALOGUE_FILES: Final = (
    "bases.toml",
    "groups.toml",
    "organisations.toml",
    "roles.toml",
    "agreements.toml",
    "policy_documents.toml",
    "handling.toml",
    CLOCKS_FILE,
    HOLDS_FILE,
    ATTENTION_FILE,
)
GATEWAY: Final = "gateway"  # the class under which the gateway states its own kinds

_NONE: Final = frozenset[str]()


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogues:
    """The catalogues, each name in them resolved."""

    groups: Mapping[str, GroupEntry]  # by group name, in the order G1..G16
    roles: Mapping[str, RoleEntry]
    bases: Mapping[BasisId, BasisEntry]
    organisations: Mapping[str, OrganisationEntry]
    standings: Mapping[str, frozenset[str]]  # by organisation class
    agreements: Mapping[str, AgreementEntry]  # by reference
    policy_documents: Mapping[str, PolicyDocumentEntry]  # by reference
    handling: HandlingEntry
    clocks: Clocks
    holds: Holds
    attention: Attention

    def standing_of(self, organisation_class: str) -> frozenset[str]:
        """Return a class's standings and its own name; empty for a class not listed. Pure."""
        return self.standings.get(organisation_class, _NONE)

    def title_of(self, organisation_class: str) -> str:
        """Return the words for a class, for a sentence. Pure."""
        entry = self.organisations.get(organisation_class)
        return entry.title if entry else "organisation unknown to the catalogue"

    def policy_document_for(
        self, organisation_class: str, condition: str, today: date
    ) -> PolicyDocumentEntry | None:
        """Return the first document in force today for this controller and condition. Pure."""
        for document in self.policy_documents.values():
            if document.covers(organisation_class, condition, today):
                return document
        return None


def load_catalogues(files: Mapping[str, str]) -> Catalogues:
    """Read the catalogues.

    Args:
        files: Relative name to TOML text; names other than `CATALOGUE_FILES` are left alone.

    Raises:
        BadRulebook: a file is missing or not TOML, a key is unknown, a name is not defined.

    Pure.
    """
    texts = {name.rpartition("/")[2]: (name, text) for name, text in files.items()}
    for name in CATALOGUE_FILES:
        if name not in texts:
            raise BadRulebook("file-missing", file=name)
    codes = read(dict[str, GroupEntry], *texts["groups.toml"])
    organisations = read(dict[str, OrganisationEntry], *texts["organisations.toml"])
    roles = read(dict[str, RoleEntry], *texts["roles.toml"])
    groups = {entry.name: entry for entry in codes.values()}
    (clocks_file, clocks), (holds_file, holds), (attention_file, attention) = (
        texts[name] for name in (CLOCKS_FILE, HOLDS_FILE, ATTENTION_FILE)
    )
    catalogues = Catalogues(
        groups=groups,
        roles=roles,
        bases=read(dict[BasisId, BasisEntry], *texts["bases.toml"]),
        organisations=organisations,
        standings={name: entry.standings(name) for name, entry in organisations.items()},
        agreements=_read_referenced(dict[str, AgreementEntry], *texts["agreements.toml"]),
        policy_documents=_read_referenced(
            dict[str, PolicyDocumentEntry], *texts["policy_documents.toml"]
        ),
        handling=read(HandlingEntry, *texts["handling.toml"]),
        clocks=load_clocks(clocks, roles=roles.keys(), file=clocks_file),
        holds=load_holds(holds, file=holds_file),
        attention=load_attention(attention, paths=paths_of(groups.values()), file=attention_file),
    )
    if len(catalogues.groups) != len(codes):
        raise BadRulebook("group-name-twice", file="groups.toml")
    for check in (_check_groups, _check_organisations, _check_bases, _check_documents):
        check(catalogues)
    _check_handling(catalogues.handling)
    return catalogues


def paths_of(groups: Iterable[GroupEntry]) -> frozenset[str]:
    """Return every "group.member" path of these groups. Pure."""
    return frozenset(f"{group.name}.{member}" for group in groups for member in group.members)


def may_post(catalogues: Catalogues, organisation_class: str, kind: str) -> bool:
    """Return whether this class posts this kind by default; False for an unknown class. Pure."""
    entry = catalogues.organisations.get(organisation_class)
    return entry is not None and any(fnmatchcase(kind, pattern) for pattern in entry.kinds)


Table = TypeVar("Table")


def _read_referenced(shape: type[Table], file: str, text: str) -> Table:
    """Read tables named by their reference, which becomes a member of each."""
    found = tables(file, text)
    for reference, table in found.items():
        if not isinstance(table, dict) or "reference" in table:
            raise BadRulebook(
                "catalogue-invalid",
                file=file,
                position=reference,
                reason="the table's name is its reference",
            )
        table["reference"] = reference
    return shaped(shape, file, found)


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
        if name in FLAGS:
            raise BadRulebook("name-is-a-standing", file="organisations.toml", position=name)
        for pattern in organisation.kinds:
            meant = {kind for kind in KINDS if fnmatchcase(kind, pattern)}
            if not meant or (name != GATEWAY and meant & OWN_KINDS):
                code = "kind-unknown" if not meant else "kind-reserved"
                raise BadRulebook(code, file="organisations.toml", position=name, reason=pattern)
    for name, role in catalogues.roles.items():
        _check_classes(catalogues, role.held_by, "roles.toml", name)


def _check_classes(catalogues: Catalogues, named: Iterable[str], file: str, position: str) -> None:
    if not catalogues.organisations.keys() >= set(named):
        raise BadRulebook("organisation-unknown", file=file, position=position)


def _check_bases(catalogues: Catalogues) -> None:
    known = FLAGS | catalogues.organisations.keys()
    paths = paths_of(catalogues.groups.values())
    for name, basis in catalogues.bases.items():
        words = frozenset[str]().union(*(route.from_ | route.to for route in basis.routes))
        if not words <= known:
            raise BadRulebook("standing-unknown", file="bases.toml", position=name)
        if basis.members != (ANY,) and not paths.issuperset(basis.members):
            raise BadRulebook("member-unknown", file="bases.toml", position=name)
        if not catalogues.bases.keys() >= set(basis.instead):
            raise BadRulebook("basis-unknown", file="bases.toml", position=name)
        opens = (bool(basis.routes), bool(basis.purposes), bool(basis.members))
        if opens != (basis.power,) * 3:
            reason = "a power has routes, purposes and members; what is no power has none"
            raise BadRulebook("power-and-route", file="bases.toml", position=name, reason=reason)


def _check_documents(catalogues: Catalogues) -> None:
    conditions = {basis.condition for basis in catalogues.bases.values()}
    for reference, document in catalogues.policy_documents.items():
        file = "policy_documents.toml"
        _check_classes(catalogues, document.controller_classes, file, reference)
        if not document.conditions <= conditions:
            raise BadRulebook("condition-unknown", file=file, position=reference)
    for reference, agreement in catalogues.agreements.items():
        _check_classes(catalogues, agreement.parties, "agreements.toml", reference)
        if not agreement.bases <= catalogues.bases.keys():
            raise BadRulebook("basis-unknown", file="agreements.toml", position=reference)


def _check_handling(handling: HandlingEntry) -> None:
    if handling.ceiling != handling.markings[-1]:
        raise BadRulebook("ceiling-not-highest", file="handling.toml", position="ceiling")
    if handling.refused.keys() & set(handling.markings):
        raise BadRulebook("marking-twice", file="handling.toml", position="refused")
