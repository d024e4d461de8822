"""A store full of years against an empty one: what it accepts, and how soon it serves.

Ten million entries in the log and a million people, every one of them with a key of their own. Both
gateways are posted to in turns; every alert is checked afterwards, on both.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, Final

from bench.console_store import index_log
from bench.driver import Driver
from bench.journey import gateway_running
from bench.log import entry_of
from bench.receiver import Receiver
from bench.rounds import Side
from gateway.config import Config
from gateway.instance import opened
from gateway.model.ids import PersonRef
from gateway.model.person import Person
from gateway.store.engine import Connection
from gateway.store.group_commit import Staged, Unit
from gateway.store.sealed import Held, SealedStore, identifier_mac
from gateway.store.store import Store
from keys.signing import SigningKey

_PERSONS_AT_ONCE: Final = 10_000
_ENTRIES_AT_ONCE: Final = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How much is in the store, and how much is posted."""

    entries: int = 10_000_000
    persons: int = 1_000_000
    warm_up: int = 400
    rounds: int = 5
    round_s: float = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What came of it."""

    empty_per_s: float
    full_per_s: float
    empty_cpu_ms: float
    full_cpu_ms: float
    start_s: float  # from the process's start until it is ready, everything checked


def measure(plan: Plan, folder: Path) -> Figures:
    """Fill a store, and measure it beside an empty one.

    Raises:
        NotMeasured: an answer was not 202, a webhook is missing, or the log does not verify.
    """
    key = SigningKey.generate()
    with (
        Receiver() as receiver,
        Driver(connections=64) as driver,
        gateway_running(folder / "empty", key, receiver.url) as empty,
        gateway_running(folder / "full", key, receiver.url, fill=partial(fill, plan)) as full,
    ):
        sides = [Side(served, key, driver, receiver) for served in (empty, full)]
        for side in sides:
            side.play(plan.warm_up)
        for _ in range(plan.rounds):
            for side in sides:
                side.play(side.events_in(plan.round_s))
    bare, filled = (side.rounds[1:] for side in sides)
    return Figures(
        empty_per_s=median(one.per_second for one in bare),
        full_per_s=median(one.per_second for one in filled),
        empty_cpu_ms=median(1e3 * one.cpu_s / len(one.answers) for one in bare),
        full_cpu_ms=median(1e3 * one.cpu_s / len(one.answers) for one in filled),
        start_s=full.started_s,
    )


def lines(plan: Plan, found: Figures) -> Iterator[str]:
    """Yield one `name: value` line per figure, ratios last."""
    yield f"large_entries: {plan.entries}"
    yield f"large_persons: {plan.persons}"
    yield f"large_start_s: {found.start_s:.1f}"
    yield f"large_empty_cpu_ms_per_event: {found.empty_cpu_ms:.2f}"
    yield f"large_full_cpu_ms_per_event: {found.full_cpu_ms:.2f}"
    yield f"large_full_over_empty: {found.full_per_s / found.empty_per_s:.2f}"


async def fill(plan: Plan, config: Config) -> None:
    """Put people and entries into an instance that nobody serves, and index its log."""
    async with opened(config) as store:
        for first in range(0, plan.persons, _PERSONS_AT_ONCE):
            last = min(first + _PERSONS_AT_ONCE, plan.persons)
            await store.commit(_people(store.sealed, range(first, last)))
        await _log(store, plan.entries)
    index_log(config.path(config.instance.database))


def _people(sealed: SealedStore, numbers: range) -> Unit[None]:
    def unit(connection: Connection) -> Staged[None]:
        connection.executemany(
            "INSERT INTO person (ref, wrapped_key, facts, version) VALUES (?, ?, ?, 1)",
            (_person(sealed, PersonRef(f"per_{one:024x}")) for one in numbers),
        )
        connection.executemany(
            "INSERT INTO person_identifier (mac, kind, person) VALUES (?, 'noms', ?)",
            ((identifier_mac(sealed, "noms", f"Z{one:07}"), f"per_{one:024x}") for one in numbers),
        )
        return Staged(None)

    return unit


def _person(sealed: SealedStore, ref: PersonRef) -> tuple[Any, ...]:
    wrapped = sealed.new_person(ref)
    held = Held(person=Person(ref=ref), version=0, key=sealed.data_key(ref, wrapped))
    return ref, wrapped, held.seal_facts(Person(ref=ref))


async def _log(store: Store, entries: int) -> None:
    for first in range(0, entries, _ENTRIES_AT_ONCE):
        bodies = [entry_of(one) for one in range(first, min(first + _ENTRIES_AT_ONCE, entries))]
        await store.commit(lambda _connection, bodies=bodies: Staged(None, bodies))  # type: ignore[misc]
