"""A test alert is about nobody, goes over every live way, and leaves no trace of anybody."""

import asyncio
import dataclasses
import datetime as dt
from pathlib import Path

import orjson

from gateway import clock
from gateway.assembly import disclosing_of, links_of
from gateway.instance import commit_one, load_keys, load_law, sealed_store
from gateway.model.ids import AlertId, RecipientId
from gateway.model.party import Recipient
from gateway.proving import Proving, send_test
from gateway.store import all_events, directory, sqlite
from gateway.store.engine import Connection
from gateway.store.group_commit import Staged
from tests import canaries
from tests.gateway.tellings import Scene, scene
from tests.gateway_in_process import planned_release

WITHIN = dt.timedelta(minutes=5)


def held(it: Scene, name: str = "police") -> Recipient:
    config = it.gateway.config
    reader = sqlite.open_reader(config.path(config.instance.database))
    try:
        return directory.recipients(reader)[RecipientId(name)]
    finally:
        reader.close()


async def proved(it: Scene, recipient: Recipient) -> AlertId | None:
    """Send a test alert beside the serving gateway, as the command does."""
    config = it.gateway.config
    [(marker,)] = it.rows("SELECT value FROM setting WHERE name = 'directory'")
    sealed = sealed_store(config)
    proving = Proving(
        sealed=sealed,
        disclosing=disclosing_of(
            config, load_keys(config), lambda *_: (), links_of(config, sealed)
        ),
        directory=lambda: marker,
        rulebook=load_law().rulebook.digest,
        new_id=clock.new_id,
        now=clock.now(),
    )
    found: list[AlertId | None] = []

    def unit(connection: Connection) -> Staged[None]:
        staged = send_test(recipient, WITHIN, proving)(connection)
        found.append(staged.result)
        return Staged(None, staged.entries, staged.finish)

    await commit_one(config, unit)
    return found[0]


async def test_every_test_is_under_one_record_of_nobody(tmp_path: Path) -> None:
    async with scene(tmp_path / "i") as it:
        await it.post(planned_release("live-1"))
        first = await proved(it, held(it))
        second = await proved(it, held(it, "probation"))
        assert first is not None
        assert second is not None
        await it.settled()
        assert it.messages()["police"] == ["NOTIFY", "TEST"]
        assert it.messages()["probation"] == ["NOTIFY", "TEST"]
        assert it.messages()["coordinator"] == ["NOTIFY"]
        people = it.rows("SELECT ref, exercise, facts FROM person ORDER BY exercise")
        [(real, _, _), (nobody, _, facts)] = people
        assert facts is None
        assert it.rows("SELECT 1 FROM person_identifier WHERE person = ?", nobody) == []
        alerts = it.rows("SELECT id FROM alert WHERE person = ?", nobody)
        assert {one for (one,) in alerts} == {first, second}
        config = it.gateway.config
        reader = sqlite.open_reader(config.path(config.instance.database))
        counted = all_events.everyone(reader, sealed_store(config), all_events.Unread())
        assert [ref for ref, _ in counted] == [real]
        reader.close()


async def test_a_test_says_nothing_of_anybody_and_asks_for_an_answer(tmp_path: Path) -> None:
    async with scene(tmp_path / "i") as it:
        alert = await proved(it, held(it))
        await it.settled()
        [told] = it.told("police")
        assert (told["message_id"], told["message_type"]) == (alert, "TEST")
        assert "facts" not in told
        assert "status" not in told, "it is no exercise"
        by = dt.datetime.fromisoformat(told["ack_required_by"])
        assert dt.timedelta() < by - clock.now() <= WITHIN
        entries = it.gateway.entries("disclosure")
        assert [(one["message"], one["reason"], one["grants"]) for one in entries] == [
            ("TEST", "test", [])
        ]
        said = orjson.dumps([told, *entries]).decode()
        assert canaries.found_in(said) == []


async def test_without_a_live_way_nothing_is_sent_and_nothing_promised(tmp_path: Path) -> None:
    async with scene(tmp_path / "i") as it:
        police = held(it)
        exercises = tuple(dataclasses.replace(one, exercise=True) for one in police.endpoints)
        assert await proved(it, dataclasses.replace(police, endpoints=exercises)) is None
        await asyncio.sleep(0)
        assert it.rows("SELECT 1 FROM alert") == []
        assert it.rows("SELECT 1 FROM outbox") == []
        assert all(not hook.received for hook in it.hooks.values())
