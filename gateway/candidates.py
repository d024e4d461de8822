"""Who might need to know, found by index: the cost grows with those concerned, not with all."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet

from gateway.model.ids import RecipientId
from gateway.model.kinds import OWN_KINDS
from gateway.model.party import Recipient
from gateway.model.person import Person
from gateway.model.strict_json import Json, JsonObject
from policies.facts import FactClass


class Candidates:
    """One snapshot of the directory's recipients, by where they serve and what they are called.

    A candidate is one that serves every area, one of the person's areas or the prison; one that
    the record itself names, wherever they are; and one that was told of the person before. Of a
    duty, so is the manager of a candidate whose role owes it. Where no area is known everybody
    is. Only the law decides further.
    """

    __slots__ = ("_all", "_by_area", "_by_name", "_everywhere", "_managed", "_number")

    def __init__(self, recipients: Iterable[Recipient]) -> None:
        self._all: tuple[Recipient, ...] = tuple(sorted(recipients, key=lambda one: one.id))
        self._number = {one.id: number for number, one in enumerate(self._all)}
        self._everywhere = [number for number, one in enumerate(self._all) if not one.areas]
        managed: dict[RecipientId, set[str]] = defaultdict(set)
        by_area: dict[str, list[int]] = defaultdict(list)
        by_name: dict[str, list[int]] = defaultdict(list)
        for number, one in enumerate(self._all):
            if one.manager is not None:
                managed[one.manager].add(one.role)
            for area in one.areas:
                by_area[area].append(number)
            for name in {one.organisation.casefold(), one.id.casefold()}:
                by_name[name].append(number)
        self._by_area: Mapping[str, list[int]] = dict(by_area)
        self._by_name: Mapping[str, list[int]] = dict(by_name)
        self._managed = {id_: frozenset(roles) for id_, roles in managed.items()}

    def managed_by(self, recipient: RecipientId) -> frozenset[str]:
        """Return the roles of those whose manager this recipient is."""
        return self._managed.get(recipient, frozenset())

    def find(
        self,
        facts: FactClass,
        person: Person,
        told: AbstractSet[RecipientId] = frozenset(),
    ) -> list[Recipient]:
        """Return the candidates for one event, each once, by id.

        Args:
            facts: The class of the event and the person.
            person: Whose record may name recipients.
            told: Who was told of this person before, and not recalled since. Those no longer in
                the directory are nobody's candidates.

        Pure.
        """
        if not facts.areas:
            return list(self._all)
        found = set(self._everywhere)
        for area in {*facts.areas, facts.prison}:
            found.update(self._by_area.get(area, ()))
        for name in named_in(person):
            found.update(self._by_name.get(name.casefold(), ()))
        found.update(self._numbers(told))
        if facts.kind in OWN_KINDS:
            owner = _members(person, "duty").get("owner")
            owing = [self._all[number] for number in found if self._all[number].role == owner]
            found.update(self._numbers(one.manager for one in owing))
        return [self._all[number] for number in sorted(found)]

    def _numbers(self, ids: Iterable[RecipientId | None]) -> Iterator[int]:
        return (self._number[one] for one in ids if one in self._number)


def named_in(person: Person) -> Iterator[str]:
    """Yield each organisation, ODS code or recipient id that a person's record names. Pure."""
    handling, location = _members(person, "handling"), _members(person, "location")
    for names in (
        handling.get("restricted_to"),
        handling.get("excluded"),
        handling.get("vetoed"),
        _members(person, "professionals").get("plan_agencies"),
        _members(person, "victim").get("known_to"),
        _members(person, "children").get("known_to"),
        [location.get("approved_premises")],
        [_member(location.get("housing_referral"), "chosen_authority")],
    ):
        if isinstance(names, list):
            yield from (name for name in names if isinstance(name, str))
    routing = _members(person, "health_routing")
    for carer in ("community_gp", "registered_practice", "mental_health_team"):
        for name in (_member(routing.get(carer), "name"), _member(routing.get(carer), "ods")):
            if isinstance(name, str):
                yield name


def _members(person: Person, group: str) -> JsonObject:
    stated = person.facts.get(group)
    return {} if stated is None else stated.members


def _member(part: Json, name: str) -> Json:
    return part.get(name) if isinstance(part, dict) else None
