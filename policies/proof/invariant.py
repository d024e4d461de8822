"""The sentences that must hold whatever the rules say: invariants.toml, read strictly."""

import json
import tomllib
from collections.abc import Mapping
from typing import Annotated, Final, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    TypeAdapter,
    ValidationError,
)

from gateway.model.ids import BasisId
from gateway.model.party import Form
from policies.catalogue import Catalogues
from policies.catalogue_entries import ANY
from policies.problem import BadRulebook

INVARIANTS_FILE: Final = "invariants.toml"

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$")]
Word = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")]
Sentence = Annotated[str, StringConstraints(min_length=1, max_length=300)]


class _Invariant(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    text: Sentence  # what holds, in plain words
    source: Sentence


class Never(_Invariant):
    """Some facts never reach some roles in some cases, whatever a rule would permit."""

    what: Annotated[tuple[str, ...], Field(min_length=1)]  # groups, "group.member" paths, or "*"
    to: frozenset[Word] = frozenset()  # roles; empty: every role
    but: frozenset[Word] = frozenset()  # roles left out
    when: Sentence = "true"  # a condition in Cedar
    forms: Annotated[frozenset[Form], Field(min_length=1)] = frozenset({"sealed"})
    # "any": against a rule that anyone may add; "present": against the rules there are.
    rules: Literal["any", "present"] = "any"


class Answered(_Invariant):
    """Every kind of event is answered for every role: some rule may tell, or a forbid silences."""

    but: frozenset[Word] = frozenset()  # roles left out


class NoRoute(_Invariant):
    """A legal basis opens no route from some organisations to others."""

    basis: BasisId
    from_: Annotated[frozenset[Word], Field(alias="from", min_length=1)]  # standings or classes
    to: Annotated[frozenset[Word], Field(min_length=1)]


class ByAPerson(_Invariant):
    """Legal bases that only a named person may rely on: no rule does so by itself."""

    bases: Annotated[frozenset[BasisId], Field(min_length=1)]


class Invariants(BaseModel):
    """The whole file: tables by what they claim, each invariant under its id."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    never: Mapping[Name, Never] = Field(default_factory=dict)
    answered: Mapping[Name, Answered] = Field(default_factory=dict)
    no_route: Mapping[Name, NoRoute] = Field(default_factory=dict)
    by_a_person: Mapping[Name, ByAPerson] = Field(default_factory=dict)


def load_invariants(text: str, catalogues: Catalogues) -> Invariants:
    """Read the invariants and resolve every name in them but those of conditions.

    Raises:
        BadRulebook: not TOML, an unknown key, or a name the catalogues do not define.

    Pure.
    """
    try:
        read = TypeAdapter(Invariants).validate_json(json.dumps(tomllib.loads(text)))
    except (tomllib.TOMLDecodeError, TypeError) as err:
        raise BadRulebook("not-toml", file=INVARIANTS_FILE, reason=str(err)) from err
    except ValidationError as err:
        first = err.errors(include_input=False, include_url=False)[0]
        raise BadRulebook(
            "invariant-invalid",
            file=INVARIANTS_FILE,
            position=".".join(str(step) for step in first["loc"]),
            reason=first["msg"],
        ) from err
    for name, never in read.never.items():
        _known(name, "role-unknown", never.to | never.but, catalogues.roles)
        _known(name, "member-unknown", never.what, _tokens(catalogues))
    for name, answered in read.answered.items():
        _known(name, "role-unknown", answered.but, catalogues.roles)
    for name, route in read.no_route.items():
        words = catalogues.standings.keys() | frozenset().union(*catalogues.standings.values())
        _known(name, "basis-unknown", {route.basis}, catalogues.bases)
        _known(name, "standing-unknown", route.from_ | route.to, words | {"associate"})
    for name, person in read.by_a_person.items():
        _known(name, "basis-unknown", person.bases, catalogues.bases)
    return read


def members_meant(what: tuple[str, ...], catalogues: Catalogues) -> frozenset[str]:
    """Return the "group.member" paths that tokens of `Never.what` stand for. Pure."""
    paths = {
        f"{group.name}.{member}": group.name
        for group in catalogues.groups.values()
        for member in group.members
    }
    return frozenset(path for path, group in paths.items() if {path, group, ANY}.intersection(what))


def _tokens(catalogues: Catalogues) -> frozenset[str]:
    return members_meant((ANY,), catalogues) | {
        ANY,
        *(group.name for group in catalogues.groups.values()),
    }


def _known(name: str, code: str, words: object, known: object) -> None:
    for word in sorted(words):  # type: ignore[call-overload]
        if word not in known:  # type: ignore[operator]
            raise BadRulebook(code, file=INVARIANTS_FILE, position=name, reason=word)
