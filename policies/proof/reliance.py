"""What a rule grants once its legal bases are asked, as a formula over the fact space.

As `policies.bases` and `policies.weigh` decide it for one case, with two freedoms: the facts may
be any controller's that the basis lets disclose, and every policy document is in place.
"""

from collections.abc import Iterator
from itertools import product
from types import SimpleNamespace
from typing import Final, cast

from policies.bases import passes
from policies.catalogue import Catalogues
from policies.catalogue_entries import BasisEntry, TestName
from policies.facts import FactClass
from policies.proof.condition import Value
from policies.proof.formula import Formula, Is, Space, both, either
from policies.rule import Rule

TOLD: Final = "told"
STANDING: Final = "principal.standing"


def reliance(rule: Rule, catalogues: Catalogues, space: Space) -> Formula:
    """Return where a permit names the member told and some basis of it lets that go. Pure."""
    members = space.where(TOLD, {path for _, pairs in rule.groups for _, path in pairs})
    bases = [
        both(_relied_on(catalogues.bases[basis], rule, catalogues, space)) for basis in rule.bases
    ]
    return both([members, either(bases)])


def _relied_on(
    entry: BasisEntry, rule: Rule, catalogues: Catalogues, space: Space
) -> Iterator[Formula]:
    yield entry.power and (bool(rule.decided_by) or not entry.human_only)
    number = space.number(STANDING)
    standings = space.variables[number].choices
    opened = {
        at
        for at, choice in enumerate(standings)
        if _opens(entry, cast("frozenset[str]", choice.reads[STANDING]), catalogues)
    }
    yield Is(number, sum(1 << at for at in opened))
    if entry.only is not None:
        yield space.where(TOLD, entry.only)
    if not entry.condition:
        sensitive = {group.name for group in catalogues.groups.values() if group.sensitive}
        yield space.negated(space.where("context.group", sensitive))
    for test in entry.tests:
        yield _test(test, space)


def _opens(entry: BasisEntry, receiver: frozenset[str], catalogues: Catalogues) -> bool:
    """Whether some class of controller may disclose on this basis to such a recipient."""
    senders = catalogues.standings.values()
    return any(
        route.to & receiver and any(route.from_ & sender for sender in senders)
        for route in entry.routes
    )


def _test(test: TestName, space: Space) -> Formula:
    """Return where the facts meet a test, having asked it of every value of what it reads."""
    names: set[str] = set()
    while True:
        read: set[str] = set()
        met = [chosen for chosen, passed in _tried(test, sorted(names), space, read) if passed]
        if read <= names:
            return either([both(chosen) for chosen in met])
        names |= read


def _tried(
    test: TestName, names: list[str], space: Space, read: set[str]
) -> Iterator[tuple[list[Formula], bool]]:
    """Yield every combination of the named facts, and whether it passes; note what is read."""
    extents = [
        [choice.reads[name] for choice in space.variables[space.number(name)].choices]
        for name in names
    ]
    for values in product(*extents):
        known: dict[str, Value] = dict(zip(names, values, strict=True))
        facts = _Noting(known, read)
        passed = passes(test, cast("FactClass", facts))
        yield [space.where(name, {value}) for name, value in known.items()], passed


class _Noting(SimpleNamespace):
    """Facts that note which of them are read; those not known yet are plain ones."""

    def __init__(self, known: dict[str, Value], read: set[str]) -> None:
        super().__init__(known=known, read=read)

    def __getattribute__(self, name: str) -> object:
        own = super().__getattribute__
        if name not in FactClass.__dataclass_fields__:
            return own(name)
        own("read").add(f"resource.{name}")
        return own("known").get(f"resource.{name}", _PLAIN[name])


_PLAIN: Final = {
    name: getattr(FactClass(kind="", sender_class=""), name)
    for name in FactClass.__dataclass_fields__
}
