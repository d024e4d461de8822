"""Erasing a person: nothing of theirs opens or is found, and every proof still verifies."""

from pathlib import Path

import pytest

from gateway.disclosure_log import proof
from gateway.model.ids import PersonRef, TaskId
from gateway.model.kinds import type_of
from gateway.store import all_events, erasure, justifications, outbox, people, tasks
from gateway.store.acceptance import CorrectsUnknown
from gateway.store.all_events import Unread
from gateway.store.engine import Connection
from gateway.store.erasure import NobodyKnown, erase, fold
from gateway.store.group_commit import Staged
from gateway.store.history import alerts_about
from gateway.store.place import placed
from gateway.store.store import Store
from keys.problem import KeyProblem
from tests.store.owing import attempted, due, owe
from tests.store.stores import (
    LOG_KEY,
    NOW,
    Where,
    about,
    accepted,
    column,
    entries,
    one_release,
    opened,
    operations,
    undecided,
)
from tests.support.events import noms


async def erased(store: Store, person: str) -> tuple[PersonRef, ...]:
    unit = erase(store.sealed, PersonRef(person), by="dpo", reason="art-17-request", now=NOW)
    return await store.commit(unit)


async def test_nothing_of_an_erased_person_opens_and_others_are_untouched(path: Where) -> None:
    async with opened(path) as store:
        event, other = [await accepted(store, one_release(number)) for number in (1, 2)]
        assert await erased(store, event.person) == (event.person,)
        for call in (
            lambda: store.held(event.person),
            lambda: store.past(event.ref),
            lambda: store.history(event.person),
        ):
            with pytest.raises(KeyProblem) as caught:
                call()
            assert caught.value.code in {"erased", "malformed"}
        assert store.sealed.known_key(event.person) is None
        assert [one.ref for one in undecided(store)] == [other.ref]
        assert store.held(other.person).person.ref == other.person
    assert column(path, f"SELECT length(sealed) FROM event WHERE ref = '{event.ref}'") == [0]


async def test_no_page_of_any_file_holds_the_ciphertext_or_the_wrapped_key_any_more(
    file: Path,
) -> None:
    """Not even in free pages or the write-ahead log."""
    async with opened(file) as store:
        for number in range(20):
            await accepted(store, one_release(number))
        event = await accepted(store, one_release(30))
        sealed, wrapped, mac = store.reader.execute(
            "SELECT sealed, wrapped_key, mac FROM event JOIN person ON person.ref = event.person"
            " JOIN person_identifier ON person_identifier.person = person.ref WHERE event.ref = ?",
            (event.ref,),
        ).get
        await erased(store, event.person)
        assert fold(file)
        stored = b"".join(file.read_bytes() for file in file.parent.iterdir())
        for gone in (sealed, sealed[20:60], wrapped, wrapped[30:], mac):
            assert gone not in stored
        assert (file.parent / "throughgate.db-wal").stat().st_size == 0


async def test_every_proof_still_verifies_and_the_log_says_who_erased_and_why(path: Where) -> None:
    async with opened(path) as store:
        event = await owe(store, 1, "alt_1")
        await owe(store, 2, "alt_2")
        logged = entries(path)
        await erased(store, event.person)
    assert entries(path)[: len(logged)] == logged
    assert "erasure" in operations(path)
    (erasure_entry,) = [body for body in entries(path) if b'"erasure"' in body]
    for said in (event.person, "dpo", "art-17-request"):
        assert said.encode() in erasure_entry
    bodies = entries(path)
    for index, text in _proofs(path):
        proof.verify(text, entry=bodies[index], verifiers=[LOG_KEY.verifier_key])


def _proofs(path: Where) -> list[tuple[int, str]]:
    reader = placed(path).open_reader()
    try:
        rows = reader.execute("SELECT leaf_index, proof FROM outbox").fetchall()
        assert rows
        return [(int(str(index)), str(text)) for index, text in rows]
    finally:
        reader.close()


async def test_alerts_about_them_that_have_not_left_do_not_leave(path: Where) -> None:
    async with opened(path) as store:
        event = await owe(store, 1, "alt_1")
        await owe(store, 2, "alt_2")
        (row,) = [one for one in due(store) if one.alert == "alt_1"]
        await erased(store, event.person)
        assert [one.alert for one in due(store)] == ["alt_2"]
        await store.commit(outbox.record(attempted(row)))  # was on the wire meanwhile
        assert [alert.id for alert in alerts_about(store.reader, event.person)] == ["alt_1"]
    states = column(path, "SELECT reason FROM outbox WHERE alert = 'alt_1'")
    assert states != ["pending"]
    assert column(path, "SELECT length(sealed) FROM outbox WHERE alert = 'alt_1'") == [0]
    assert column(path, "SELECT held FROM alert WHERE id = 'alt_1'") == [None]
    assert column(path, "SELECT length(sealed) > 0 FROM outbox WHERE alert = 'alt_2'") == [1]
    assert b'"withheld"' in b"".join(entries(path))


async def test_a_later_event_with_the_same_identifier_makes_a_new_record(path: Where) -> None:
    async with opened(path) as store:
        event = await accepted(store, one_release(1))
        await erased(store, event.person)
        assert people.find(store.reader, store.sealed, "noms", noms(1)) is None
        assert not people.exists(store.reader, event.person)
        later = await accepted(store, one_release(1, id="evt-later"))
        assert later.person != event.person
        assert people.find(store.reader, store.sealed, "noms", noms(1)) == later.person
        assert store.held(later.person).person.ref == later.person


async def test_a_correction_of_an_erased_persons_event_finds_nothing_to_correct(
    path: Where,
) -> None:
    async with opened(path) as store:
        first = one_release(1)
        event = await accepted(store, first)
        await erased(store, event.person)
        correction = one_release(1, id="evt-correction", corrects=first["id"])
        correction["type"] = type_of("event.corrected")
        with pytest.raises(CorrectsUnknown):
            await accepted(store, correction)


async def test_records_merged_into_a_person_are_erased_with_them(path: Where) -> None:
    async with opened(path) as store:
        one = await accepted(store, about({"noms": noms(1)}, id_="evt-1"))
        other = await accepted(store, about({"noms": noms(2)}, id_="evt-2"))
        act = people.Act(
            sealed=store.sealed,
            new_id=lambda prefix: f"{prefix}_{'0' * 31}{len(prefix)}",
            by="desk",
            reason="photographs",
            now=NOW,
            today=NOW.date(),
        )
        await store.commit(people.merge(one.person, other.person, act))
        assert set(await erased(store, other.person)) == {one.person, other.person}
        assert column(path, "SELECT count(*) FROM person_identifier") == [0]
        for ref in (one.person, other.person):
            assert erasure.is_erased(store.reader, ref)
        with pytest.raises(people.NotPossible):
            await store.commit(people.unmerge(one.person, other.person, act))
    assert operations(path).count("erasure") == 2


async def test_reasons_and_tasks_about_them_go_too(path: Where) -> None:
    async with opened(path) as store:
        event = await accepted(store, one_release(1))

        def unit(connection: Connection) -> Staged[None]:
            justifications.keep(connection, store.sealed, event.person, "because of Testerson")
            connection.execute(
                "INSERT INTO task (id, kind, person, body, opened_at, state)"
                " VALUES ('tsk_1', 'likeness', ?, '{}', 0, 'open')",
                (event.person,),
            )
            return Staged(None)

        await store.commit(unit)
        await erased(store, event.person)
        mac = justifications.digest(store.sealed, "because of Testerson")
        assert justifications.words_of(store.reader, store.sealed, event.person, mac) is None
        assert tasks.open_tasks(store.reader) == []
        with pytest.raises(tasks.NoSuchTask):
            await store.commit(
                tasks.decide(store.sealed, TaskId("tsk_1"), "approved", by="d", reason="r", now=NOW)
            )


async def test_whoever_reads_everybody_passes_over_the_erased(path: Where) -> None:
    async with opened(path) as store:
        event = await owe(store, 1, "alt_1")
        other = await owe(store, 2, "alt_2")
        await erased(store, event.person)
        unread = Unread()
        found = dict(all_events.everyone(store.reader, store.sealed, unread))
        assert list(found) == [other.person]
        assert store.undecided(limit=10) == ([], []), "nothing of theirs is set aside over and over"


@pytest.mark.parametrize("who", ["per_" + "0" * 32, "per_unknown", ""])
async def test_nobody_known_is_not_erased_and_nobody_is_erased_twice(path: Where, who: str) -> None:
    async with opened(path) as store:
        event = await accepted(store, one_release(1))
        with pytest.raises(NobodyKnown):
            await erased(store, who)
        assert store.held(event.person).version == 0
        await erased(store, event.person)
        before = len(entries(path))
        with pytest.raises(NobodyKnown):
            await erased(store, event.person)
        assert len(entries(path)) == before


async def test_another_worker_with_the_key_in_memory_does_not_open_them_either(path: Where) -> None:
    async with opened(path) as store, opened(path, slot=1, slots=2) as other:
        event = await accepted(store, one_release(1))
        assert other.held(event.person).version == 0  # takes the key into memory
        await erased(store, event.person)
        with pytest.raises(KeyProblem):
            other.held(event.person)
        assert other.sealed.known_key(event.person) is None
