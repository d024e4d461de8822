"""An instance as it stands after years: a log of so many entries, and the tables beside it.

The log is written by the real writer, so that every proof holds; what is not of the log goes into
the same transactions, many rows at a time.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from itertools import cycle, islice
from pathlib import Path
from typing import Any, Final

import orjson

from bench.console_cases import (
    AGENCIES,
    OF_ONE,
    Case,
    World,
    agency_of,
    noms_of,
    person_ref,
)
from gateway import clock
from gateway.config import Config, load_config
from gateway.directory import Directory
from gateway.disclosure_log import entry
from gateway.instance import CONFIG_NAME, create, load_law, opened
from gateway.law import Law
from gateway.model.ids import AgencyName, EndpointId, RecipientId
from gateway.model.keyring import confirmed
from gateway.model.party import Agency, Endpoint, Recipient
from gateway.model.person import Person, StatedGroup
from gateway.model.staff import ApprovalId, Staff, StaffId, StaffRole
from gateway.store import approvals, directory, sqlite
from gateway.store import staff as staff_store
from gateway.store.engine import Connection
from gateway.store.group_commit import Staged, Unit
from gateway.store.log_index import catch_up
from gateway.store.sealed import Held, SealedStore, event_context, identifier_mac
from gateway.store.store import Store
from gateway.store.times import milliseconds
from keys import hpke
from keys.seal import recipient_key
from keys.signing import SigningKey
from policies.review.model_cases import model_recipients

NAME: Final = "throughgate.example/bench"
ROLES: Final[tuple[StaffRole, ...]] = ("dpo", "coordinator", "operator")
_CASES_AT_ONCE: Final = 200
_PERSONS_AT_ONCE: Final = 10_000
_INDEXED_AT_ONCE: Final = 250_000
_OF_TASKS: Final = 5  # cases to one task
_SEALED: Final = bytes(1_200)  # as long as a sealed alert
_PROOF: Final = "0" * 900  # as long as a proof
RECIPIENTS: Final = 300
_EPOCH: Final = date(1970, 1, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stood:
    """The instance, and what it is made of."""

    config: Config
    world: World
    first: int  # leaf index of the first case's first entry

    def case(self, number: int) -> Case:
        """Return a case; a negative number counts from the newest."""
        number %= self.world.cases
        return Case(world=self.world, number=number, first=self.first + OF_ONE * number)


async def build(folder: Path, *, entries: int, persons: int) -> Stood:
    """Make the instance under a folder. Reads the clock, and takes two minutes for a million."""
    law = load_law()
    await create(folder, name=NAME, sections="")
    config = load_config(folder / CONFIG_NAME)
    async with opened(config) as store:
        await _begin(store, law)
        known = Directory(store.reader, law.catalogues)
        world = World(
            law=law,
            recipients=list(known.recipients.values()),
            cases=max(entries // OF_ONE, 1),
            persons=persons,
            ends=clock.now(),
        )
        for first in range(0, persons, _PERSONS_AT_ONCE):
            await store.commit(_persons(store.sealed, world, first))
        size: Any = store.reader.execute("SELECT size FROM log_head").get
        stood = Stood(config=config, world=world, first=int(size))
        for first in range(0, world.cases, _CASES_AT_ONCE):
            last = min(first + _CASES_AT_ONCE, world.cases)
            await store.commit(
                _cases(store.sealed, [stood.case(one) for one in range(first, last)])
            )
        await store.commit(_duties(world))
        await store.commit(
            approvals.propose(
                id_=ApprovalId(clock.new_id("apr")),
                kind="erasure",
                subject=person_ref(0),
                reason="retention-ended",
                by="dpo-09",
                now=clock.now(),
            )
        )
    index_log(config.path(config.instance.database))
    return stood


def agencies() -> Iterator[Agency]:
    for number in range(AGENCIES):
        name = f"agency-{number:02}"
        yield Agency(
            name=AgencyName(name),
            urn=f"urn:example:{name}",
            organisation_class="prison",
            public_keys=(SigningKey.generate().public_text,),
        )


def recipients(law: Law, at: datetime) -> Iterator[Recipient]:
    """Yield the directory, role by role, each an organisation with a webhook and a key."""
    models = model_recipients(law.catalogues).values()
    key = confirmed(recipient_key("hpke", hpke.generate()[1]), at=at, by="dpo-01")
    for number, one in enumerate(islice(cycle(models), RECIPIENTS)):
        id_ = f"bench-{number:03}"
        webhook = Endpoint(
            id=EndpointId(f"{id_}/webhook"),
            channel="webhook",
            address=f"https://{id_}.example/hook",
            keys=(key,),
        )
        yield replace(
            one, id=RecipientId(id_), organisation=f"Example {number}", endpoints=(webhook,)
        )


async def _begin(store: Store, law: Law) -> None:
    now = clock.now()

    def register(connection: Connection) -> Staged[None]:
        logged = entry.directory(
            at=now, action="imported", subject="all", actor="operator", digest="00" * 32
        )
        for one in agencies():
            directory.add_agency(one, b"", marker=clock.new_id("dir"))(connection)
        found = list(recipients(law, now))
        directory.put_recipients(found, [], marker=clock.new_id("dir"))(connection)
        return Staged(None, [logged.encode()])

    await store.commit(register)
    for role in ROLES:
        for number in range(1, 21):
            agency = AgencyName("agency-00") if number == 1 else agency_of(number)
            staff = Staff(
                id=StaffId(f"{role}-{number:02}"),
                roles=frozenset({role}),
                agencies=frozenset({agency}),
            )
            await store.commit(staff_store.add(staff, link=None, by="operator", now=now))


def _persons(sealed: SealedStore, world: World, first: int) -> Unit[None]:
    def unit(connection: Connection) -> Staged[None]:
        numbers = range(first, min(first + _PERSONS_AT_ONCE, world.persons))
        connection.executemany(
            "INSERT INTO person (ref, wrapped_key, facts, version) VALUES (?, ?, ?, 1)",
            (_person(sealed, world, one) for one in numbers),
        )
        connection.executemany(
            "INSERT INTO person_identifier (mac, kind, person) VALUES (?, 'noms', ?)",
            ((identifier_mac(sealed, "noms", noms_of(one)), person_ref(one)) for one in numbers),
        )
        return Staged(None)

    return unit


def _person(sealed: SealedStore, world: World, number: int) -> tuple[Any, ...]:
    ref = person_ref(number)
    wrapped = sealed.new_person(ref)
    held = Held(person=Person(ref=ref), version=0, key=sealed.data_key(ref, wrapped))
    custody = StatedGroup(
        members={"prison": "EXI"}, controller=agency_of(number), as_of=world.at(0)
    )
    return ref, wrapped, held.seal_facts(Person(ref=ref, facts={"custody": custody}))


def _cases(sealed: SealedStore, cases: Sequence[Case]) -> Unit[None]:
    def unit(connection: Connection) -> Staged[None]:
        connection.executemany(_EVENT, [_event(connection, sealed, one) for one in cases])
        both = [(one, which) for one in cases for which in (0, 1)]
        _insert(connection, "alert", [one.alert_row(which) | _HELD for one, which in both])
        _insert(connection, "outbox", [one.outbox_row(which) | _SENT for one, which in both])
        connection.executemany(_TASK, [_task(one) for one in cases if one.number % _OF_TASKS == 0])
        return Staged(None, [body for one in cases for body in one.entries()])

    return unit


_HELD: Final[dict[str, Any]] = {"held": _SEALED[:600]}
_SENT: Final[dict[str, Any]] = {"sealed": _SEALED, "proof": _PROOF}


def _insert(connection: Connection, table: str, rows: Sequence[Mapping[str, Any]]) -> None:
    names = list(rows[0])
    connection.executemany(
        f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})",
        [tuple(row.values()) for row in rows],
    )


def _event(connection: Connection, sealed: SealedStore, case: Case) -> tuple[Any, ...]:
    content = orjson.dumps(case.content.to_cloudevent(), option=orjson.OPT_SORT_KEYS)
    key = sealed.key_of(connection, case.person)
    return (
        case.event,
        agency_of(case.number),
        sealed.mac("source", "bench", case.event),
        sealed.mac("content", content),
        case.person,
        case.kind,
        milliseconds(case.at),
        key.seal(content, event_context(case.event)),
    )


_EVENT: Final = (
    "INSERT INTO event (ref, agency, source_mac, content_mac, person, kind, state, slot,"
    " received_at, sealed) VALUES (?, ?, ?, ?, ?, ?, 'decided', 0, ?, ?)"
)


def _task(case: Case) -> tuple[Any, ...]:
    rule = case.world.granted[case.recipient(2).role][0].rule
    turn = case.number // _OF_TASKS
    disclosure = turn // 4 % 2 == 0
    other = person_ref((case.number + 1) % case.world.persons)
    return (
        f"tsk_{case.number:032x}",
        "disclosure" if disclosure else "similar-person",
        case.person,
        case.event,
        case.recipient(2).id if disclosure else None,
        rule if disclosure else None,
        orjson.dumps({"members": ["mappa.level"]} if disclosure else {"others": [other]}).decode(),
        milliseconds(case.at),
        "open" if turn // 8 % 2 == 0 else "declined",
    )


_TASK: Final = (
    "INSERT INTO task (id, kind, person, event, recipient, rule, body, opened_at, state)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
)


def _duties(world: World) -> Unit[None]:
    def unit(connection: Connection) -> Staged[None]:
        connection.executemany(
            "INSERT INTO duty (person, clock, status, due, next_at) VALUES (?, ?, ?, ?, ?)",
            _duty_rows(world),
        )
        return Staged(None)

    return unit


def _duty_rows(world: World) -> Iterator[tuple[Any, ...]]:
    today = (world.ends.date() - _EPOCH).days
    clocks = [str(one) for one in world.law.catalogues.clocks]
    for number in range(world.persons):
        ref = person_ref(number)
        for which in (0, 1):
            due = today + (number * 277 + which * 31) % 730 - 365
            passed = due < today
            bad = number % 20 == which
            status = ("late" if bad else "met") if passed else "due"
            yield ref, clocks[(number + which) % len(clocks)], status, due, None
        at = milliseconds(world.ends + timedelta(days=1 + number % 30))
        yield ref, "*", "due", 0, at


def index_log(path: Path) -> None:
    """Index the log as the gateway does, but much at once."""
    writer = sqlite.open_writer(path)
    writer.pragma("synchronous", "OFF")
    writer.pragma("cache_size", -1_000_000)
    try:
        while True:
            with writer:
                if not catch_up(_INDEXED_AT_ONCE)(writer).result:
                    return
    finally:
        writer.close()
