"""The same request twice is one acceptance; other bytes under its id are a conflict (P3, F10)."""

import asyncio

import orjson

from gateway.model.ids import AgencyName
from gateway.model.posted import Conflict, Posted, Receipt
from tests.store.stores import (
    KEK,
    Where,
    accept,
    column,
    entries,
    one_release,
    opened,
    operations,
    posted,
    stored,
)


def count(path: Where, table: str) -> int:
    return int(column(path, f"SELECT count(*) FROM {table}")[0])


def codes(path: Where) -> list[str]:
    """Return the codes of the security entries."""
    return [one["code"] for one in map(orjson.loads, entries(path)) if one["op"] == "security"]


async def test_the_same_bytes_under_the_same_id_get_the_same_answer(path: Where) -> None:
    async with opened(path) as store:
        first = await accept(store, posted(one_release()))
        again = await accept(store, posted(one_release()))
    assert isinstance(first.answer, Receipt)
    assert again.answer == first.answer
    assert [event.ref for event in first.new] == list(first.answer.events)
    assert again.new == (), "nothing is decided again"
    assert operations(path) == ["collection"]
    assert count(path, "event") == count(path, "receipt") == count(path, "person") == 1


async def test_the_answer_is_the_same_after_the_store_was_opened_again(path: Where) -> None:
    async with opened(path) as store:
        first = await accept(store, posted(one_release()))
    async with opened(path) as store:
        again = await accept(store, posted(one_release()))
    assert again.answer == first.answer
    assert again.new == ()


async def test_a_hundred_at_once_are_one_acceptance(path: Where) -> None:
    async with opened(path) as store:
        found = await asyncio.gather(*(accept(store, posted(one_release())) for _ in range(100)))
    assert len({one.answer for one in found}) == 1
    assert sum(len(one.new) for one in found) == 1
    assert operations(path) == ["collection"]


async def test_other_bytes_under_the_same_id_are_a_conflict_and_a_security_entry(
    path: Where,
) -> None:
    async with opened(path) as store:
        first = await accept(store, posted(one_release()))
        other = await accept(store, posted(one_release(id="release-other")))
        assert other.answer == Conflict(what="request")
        assert other.new == ()
        assert (await accept(store, posted(one_release()))).answer == first.answer
    assert operations(path) == ["collection", "security"]
    assert codes(path) == ["request-id-reused"]
    assert count(path, "event") == 1


async def test_one_more_space_is_other_bytes(path: Where) -> None:
    async with opened(path) as store:
        signed = orjson.dumps(one_release())
        await accept(store, posted(one_release(), signed=signed))
        other = await accept(store, posted(one_release(), signed=signed + b" "))
    assert other.answer == Conflict(what="request")


async def test_the_same_id_from_another_agency_is_another_request(path: Where) -> None:
    async with opened(path) as store:
        first = await accept(store, posted(one_release()))
        other = await accept(
            store,
            posted(one_release(source="urn:example:other"), agency=AgencyName("other")),
        )
    assert isinstance(other.answer, Receipt)
    assert other.answer != first.answer
    assert len(other.new) == 1


async def test_the_same_event_under_another_message_id_is_the_same_event(path: Where) -> None:
    async with opened(path) as store:
        first = await accept(store, posted(one_release()))
        again = await accept(store, posted(one_release(), message_id="msg-2"))
    assert isinstance(first.answer, Receipt)
    assert isinstance(again.answer, Receipt)
    assert again.answer.id != first.answer.id
    assert again.answer.events == first.answer.events
    assert again.new == ()
    assert operations(path) == ["collection"]


async def test_an_event_id_reused_for_other_content_is_a_conflict(path: Where) -> None:
    async with opened(path) as store:
        await accept(store, posted(one_release(1, id="own-1")))
        other = await accept(store, posted(one_release(2, id="own-1"), message_id="msg-2"))
    assert other.answer == Conflict(what="event")
    assert codes(path) == ["event-id-reused"]
    assert count(path, "event") == 1


def batch_with_a_reused_id() -> Posted:
    fresh = [one_release(person) for person in range(10, 14)]
    return posted(*fresh, one_release(2, id="own-1"), one_release(15), message_id="msg-2")


async def test_a_batch_that_reuses_an_event_id_stores_nothing(path: Where) -> None:
    async with opened(path) as store:
        await accept(store, posted(one_release(1, id="own-1")))
        refused = await accept(store, batch_with_a_reused_id())
        assert refused.answer == Conflict(what="event")
        assert refused.new == ()
        assert count(path, "event") == count(path, "receipt") == count(path, "person") == 1
        assert count(path, "person_identifier") == 1
        assert operations(path) == ["collection", "security"]
        mended = await accept(
            store, posted(*(one_release(person) for person in range(10, 14)), message_id="msg-2")
        )
        assert len(mended.new) == 4, "the id of a refused request is free"


async def test_a_refused_batch_does_not_take_its_neighbours_with_it(path: Where) -> None:
    async with opened(path) as store:
        await accept(store, posted(one_release(1, id="own-1")))
        results = await asyncio.gather(
            accept(store, posted(one_release(20), message_id="msg-20")),
            accept(store, batch_with_a_reused_id()),
            accept(store, posted(one_release(21), message_id="msg-21")),
        )
    assert [isinstance(one.answer, Receipt) for one in results] == [True, False, True]
    assert count(path, "event") == 3


async def test_one_batch_may_state_the_same_event_twice(path: Where) -> None:
    async with opened(path) as store:
        found = await accept(store, posted(one_release(), one_release()))
    assert isinstance(found.answer, Receipt)
    assert len(found.answer.events) == 2
    assert len(set(found.answer.events)) == len(found.new) == 1
    assert operations(path) == ["collection"]


async def test_the_signature_is_kept_as_evidence_and_the_senders_id_is_not(path: Where) -> None:
    request = posted(one_release(id="own-identifiable"), message_id="msg-identifiable")
    async with opened(path) as store:
        await accept(store, request)
    assert column(path, "SELECT signature FROM receipt") == [
        f"{request.timestamp} {request.signature}"
    ]
    assert b"identifiable" not in stored(path)
    assert KEK.derive("index") not in stored(path)
