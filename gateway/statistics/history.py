"""How a person stood over time: category, level, area and place, folded from their events."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final, Literal

from gateway.model.event import Event
from gateway.model.groups import parse_time
from gateway.model.ids import PersonRef

Place = Literal["", "community", "custody", "hospital", "ended"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonHistory:
    """One person's events, corrections and retractions applied. Order does not matter."""

    ref: PersonRef
    events: tuple[Event, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How a person stood from a moment on, until the next."""

    since: datetime  # aware UTC
    category: int = 0  # 0: not eligible, or not known
    level: int = 0  # 0: not known
    area: str = ""  # as stated
    place: Place = ""  # "": nobody said, so not known to be in custody
    detained: bool = False  # under the Mental Health Act

    @property
    def in_community(self) -> bool:
        """Whether neither prison, hospital nor death keeps them out of a count of the community."""
        return self.place in {"", "community"} and not self.detained


# Not the very first day: that one has no date in every zone.
NOBODY_KNOWN: Final = Standing(since=datetime(1, 1, 2, tzinfo=UTC))

# A recalled, transferred or escaped prisoner is a prisoner; a day at court or on licence from the
# gate and back (release.temporary) changes nothing.
_PLACES: Final[Mapping[str, Place]] = {
    "release.actual": "community",
    "custody.received": "custody",
    "custody.recalled": "custody",
    "custody.transferred": "custody",
    "custody.sent_to_court": "custody",
    "custody.escaped": "custody",
    "release.temporary": "custody",
    "release.overdue": "custody",
    "custody.hospital_transfer": "hospital",
    "custody.died": "ended",
}

# Whoever is yet to be released is inside, if nobody has said where they are.
_YET_TO_LEAVE: Final = frozenset(
    {
        "release.planned", "release.date_change_proposed", "release.date_change_consulted",
        "release.date_changed", "release.cancelled",
    }
)  # fmt: skip

# UKCore-LegalStatusClassificationEngland: informal, guardianship, not applicable, not known.
_AT_LIBERTY: Final = frozenset({"01", "35", "36", "98", "99"})

_Change = Callable[[Standing], Standing]


def standings(history: PersonHistory) -> list[Standing]:
    """Return how the person stood, oldest first; beginning with "nothing known".

    A group counts from its `as_of`, else from when its event occurred. Pure.
    """
    changes = sorted(
        (
            (moment, order, change)
            for event in history.events
            for moment, order, change in _changes(event)
        ),
        key=lambda one: one[:2],
    )
    found = [NOBODY_KNOWN]
    for moment, _, change in changes:
        found.append(replace(change(found[-1]), since=moment))
    return found


def at(found: Iterable[Standing], moment: datetime) -> Standing:
    """Return the standing in force at a moment, given all of them, oldest first. Pure."""
    held = NOBODY_KNOWN
    for one in found:
        if one.since > moment:
            break
        held = one
    return held


def _changes(event: Event) -> Iterator[tuple[datetime, int, _Change]]:
    """Yield what an event changes, from when, and in which order among those of one moment."""
    when = event.occurred_at
    place = _PLACES.get(event.kind)
    if place is not None:
        yield when, 0, lambda held: _moved(held, place)
    elif event.kind in _YET_TO_LEAVE:
        yield when, 0, lambda held: replace(held, place=held.place or "custody")
    for name, read in _READ.items():
        members = event.groups.get(name)
        if members is not None and not (name == "mappa" and event.kind == _ENDED):
            stated = read(members)
            since = members.get("as_of")
            moment = parse_time(since) if isinstance(since, str) else when
            yield moment.astimezone(UTC), 1, _stating(stated)
    if event.kind == _ENDED:
        yield when, 2, lambda held: replace(held, category=0, level=0)
    elif event.kind in {"notification.ended", "notification.revoked"}:
        yield when, 2, _no_longer_notifies


_ENDED: Final = "mappa.eligibility_ended"


def _stating(stated: Mapping[str, Any]) -> _Change:
    return lambda held: replace(held, **stated)


def _moved(held: Standing, place: Place) -> Standing:
    if held.place == "ended":
        return held
    return replace(held, place=place, detained=held.detained and place != "community")


def _no_longer_notifies(held: Standing) -> Standing:
    """End category 1, which is subjection to notification (CJA 2003 s.327(2)), and no other."""
    return replace(held, category=0, level=0) if held.category == 1 else held


def _mappa(members: Mapping[str, Any]) -> dict[str, Any]:
    return {name: members[name] for name in ("category", "level") if name in members}


def _location(members: Mapping[str, Any]) -> dict[str, Any]:
    return {"area": members["home_area"]} if "home_area" in members else {}


def _health(members: Mapping[str, Any]) -> dict[str, Any]:
    if "mha_status" not in members:
        return {}
    return {"detained": members["mha_status"] not in _AT_LIBERTY}


_READ: Final[Mapping[str, Callable[[Mapping[str, Any]], dict[str, Any]]]] = {
    "mappa": _mappa,
    "location": _location,
    "health_routing": _health,
}
