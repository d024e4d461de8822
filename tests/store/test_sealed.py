"""What rests in the database: sealed, bound to its row and its person, and to one key (P8)."""

import hashlib
from pathlib import Path

import pytest

from gateway.disclosure_log.checkpoint import LogKey
from gateway.known import with_event
from gateway.model.event import Event
from gateway.model.ids import PersonRef
from gateway.store.decisions import Decided, commit
from gateway.store.sealed import SealedStore
from gateway.store.sqlite import StoreUnavailable
from gateway.store.store import Store
from keys.at_rest import RootKey
from keys.problem import KeyProblem
from tests.store.stores import (
    KEK,
    NOW,
    Where,
    accepted,
    body,
    column,
    edit,
    entries,
    kept,
    one_release,
    opened,
    undecided,
)
from tests.support.events import MARK, noms

OTHER_KEK = RootKey(hashlib.sha256(b"another").digest())
ROOT, OTHER_ROOT = bytes(32), bytes(range(32))


async def decide(store: Store, event: Event) -> None:
    """Commit a decision that told nobody, but keeps what the event said of the person."""
    held = store.held(event.person)
    decided = Decided(
        event=event,
        directory=None,
        person_version=held.version,
        facts=held.seal_facts(with_event(held.person, event)),
        disclosures=(),
        alerts=(),
        refusals=(body(),),
        now=NOW,
        slot=0,
    )
    assert (await store.commit(commit(decided, directory=lambda: None))).verdict == "committed"


async def test_no_page_of_any_database_file_holds_what_an_event_said(file: Path) -> None:
    async with opened(file) as store:
        for number in range(30):
            await decide(store, await accepted(store, one_release(number)))
        files = sorted(file.name for file in file.parent.iterdir())
        assert files == ["throughgate.db", "throughgate.db-shm", "throughgate.db-wal"]
        searched = b"".join(file.read_bytes() for file in file.parent.iterdir())
    searched += file.read_bytes()  # closed: the write-ahead log is folded in
    assert len(searched) > 100_000
    for canary in (MARK, noms(7), "release-7", "SED_NO_LICENCE", "2026-04-20", "exampleshire"):
        assert canary.encode() not in searched, canary


async def test_what_was_sealed_is_read_back_whole(path: Where) -> None:
    async with opened(path) as store:
        event = await accepted(store, one_release(3))
        await decide(store, event)
    async with opened(path) as store:
        held = store.held(event.person)
    assert held.version == 1
    facts = held.person.facts
    assert {name: group.members for name, group in facts.items()} == dict(event.groups)


async def test_undecided_events_come_back_as_they_were_accepted(path: Where) -> None:
    async with opened(path) as store:
        events = [await accepted(store, one_release(number)) for number in range(5)]
    async with opened(path) as store:
        found = {event.ref: event for event in undecided(store)}
    assert found == {event.ref: event for event in events}


async def test_another_key_encryption_key_is_refused_before_anything_is_written(
    file: Path,
) -> None:
    async with opened(file) as store:
        await accepted(store, one_release(1))
    before = file.read_bytes(), entries(file)
    with pytest.raises((StoreUnavailable, KeyProblem)):
        async with opened(file, key=OTHER_KEK) as store:
            await accepted(store, one_release(2))
    assert (file.read_bytes(), entries(file)) == before


async def test_another_log_key_signs_nothing(path: Where) -> None:
    """Two keys under one origin are two logs: a checkpoint by another key is refused at start."""
    async with opened(path) as store:
        await accepted(store, one_release(1))
    before = entries(path)
    with pytest.raises(StoreUnavailable):
        async with opened(path, log_key=LogKey.generate("log.example.org/store")) as store:
            await accepted(store, one_release(2))
    assert entries(path) == before


async def test_facts_moved_to_another_person_do_not_open(path: Where) -> None:
    async with opened(path) as store:
        one, two = [await accepted(store, one_release(number)) for number in (1, 2)]
        await decide(store, one)
        await decide(store, two)
    edit(
        path,
        "UPDATE person SET facts = (SELECT facts FROM person WHERE ref = ?) WHERE ref = ?",
        (one.person, two.person),
    )
    async with opened(path) as store:
        with pytest.raises(KeyProblem):
            store.held(two.person)
        assert store.held(one.person).person.facts


async def test_a_data_key_moved_to_another_person_does_not_unwrap(path: Where) -> None:
    async with opened(path) as store:
        one, two = [await accepted(store, one_release(number)) for number in (1, 2)]
        await decide(store, one)
        await decide(store, two)
    edit(
        path,
        "UPDATE person SET (facts, wrapped_key) ="
        " (SELECT facts, wrapped_key FROM person WHERE ref = ?) WHERE ref = ?",
        (one.person, two.person),
    )
    async with opened(path) as store:
        with pytest.raises(KeyProblem):
            store.held(two.person)


ALTERED = {
    "given to another person": "SET person = (SELECT person FROM event WHERE ref = :two)",
    "content of another row": "SET sealed = (SELECT sealed FROM event WHERE ref = :two)",
    "content blanked": "SET sealed = x'" + "00" * 100 + "'",
}


@pytest.mark.parametrize("alteration", ALTERED.values(), ids=ALTERED.keys())
async def test_an_event_row_that_was_altered_does_not_open(path: Where, alteration: str) -> None:
    async with opened(path) as store:
        one, two = [await accepted(store, one_release(number)) for number in (1, 2)]
    edit(path, f"UPDATE event {alteration} WHERE ref = :one", {"one": one.ref, "two": two.ref})
    async with opened(path) as store:
        try:
            taken_up = {event.ref for event in undecided(store)}
        except KeyProblem:
            return
    assert taken_up == {two.ref}


async def test_a_row_that_does_not_open_does_not_keep_the_others_from_being_taken_up(
    path: Where,
) -> None:
    """P15: one damaged event is for a human; those behind it are still owed."""
    async with opened(path) as store:
        events = [await accepted(store, one_release(number)) for number in range(3)]
    edit(path, "UPDATE event SET sealed = x'" + "00" * 100 + "' WHERE ref = ?", (events[0].ref,))
    async with opened(path) as store:
        assert {event.ref for event in undecided(store)} == {event.ref for event in events[1:]}


async def test_what_is_sealed_for_a_row_opens_for_no_other(path: Where) -> None:
    async with opened(path) as store:
        event = await accepted(store, one_release(1))
        sealed = store.held(event.person).seal_alert(kept(event, "alt_1"))
        (wrapped,) = column(path, "SELECT wrapped_key FROM person")
        key = SealedStore(KEK, ROOT).data_key(event.person, wrapped)
        assert key.open(sealed, b"alert:alt_1") == b"content"
        with pytest.raises(KeyProblem):
            key.open(sealed, b"alert:alt_2")


async def test_the_same_content_is_never_sealed_to_the_same_bytes(path: Where) -> None:
    async with opened(path) as store:
        event = await accepted(store, one_release(1))
        held = store.held(event.person)
        assert held.seal_facts(held.person) != held.seal_facts(held.person)


def test_digests_are_keyed_and_parts_do_not_run_together() -> None:
    sealed, other = SealedStore(KEK, ROOT), SealedStore(KEK, OTHER_ROOT)
    assert sealed.mac("p", "ab", "c") == SealedStore(KEK, ROOT).mac("p", "ab", "c")
    assert sealed.mac("p", "ab", "c") != sealed.mac("p", "a", "bc")
    assert sealed.mac("p", "ab") != sealed.mac("q", "ab")
    assert sealed.mac("p", "ab") != other.mac("p", "ab")
    assert len(sealed.mac("p")) == 32


def test_what_is_derived_hangs_on_the_root_secret_and_not_on_the_key_encryption_key() -> None:
    sealed, rewrapped = SealedStore(KEK, ROOT), SealedStore(OTHER_KEK, ROOT)
    assert sealed.mac("p", "ab") == rewrapped.mac("p", "ab")
    assert sealed.derive("links") == rewrapped.derive("links")
    derived = {
        sealed.derive("links"),
        sealed.derive("other"),
        sealed.derive("index"),
        sealed.derive(""),
    }
    derived |= {SealedStore(KEK, OTHER_ROOT).derive("links"), sealed.mac("links")}
    assert len(derived) == 6
    assert {len(one) for one in derived} == {32}


def test_more_persons_than_are_kept_in_memory_are_still_opened() -> None:
    sealed = SealedStore(KEK, ROOT)
    wrapped = {ref: sealed.new_person(ref) for ref in map(_ref, range(5000))}
    for ref in (_ref(0), _ref(4999)):
        blob = sealed.data_key(ref, wrapped[ref]).seal(b"x", b"row")
        assert SealedStore(KEK, ROOT).data_key(ref, wrapped[ref]).open(blob, b"row") == b"x"


def _ref(number: int) -> PersonRef:
    return PersonRef(f"per_{number}")
