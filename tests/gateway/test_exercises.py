"""An exercise is another world in the same gateway; and addresses that behave as they are named."""

import asyncio
import contextlib
import datetime as dt
import itertools
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import orjson

from gateway import clock
from gateway.channels.simulator import BEHAVIOURS, simulated_address
from gateway.demo.cast import AREA
from gateway.demo.servers.certificates import make_certificates
from gateway.demo.servers.webhook import WebhookReceiver
from gateway.instance import sealed_store
from gateway.model.ids import EndpointId, RecipientId
from gateway.model.party import Endpoint, Recipient
from gateway.registration import register_recipients
from gateway.store import all_events, directory, sqlite
from keys import hpke
from keys.seal import open_sealed
from tests import canaries
from tests.gateway.tellings import CAST, NEAR, Scene, happened, revising, scene
from tests.gateway_in_process import gateway, planned_release
from tests.support.command_line import throughgate
from tests.support.trusted import trusted

EXERCISE = {"status": "exercise"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """A scene whose recipients also have endpoints for exercises."""

    it: Scene
    hooks: Mapping[str, WebhookReceiver]  # for exercises, by recipient
    private: str

    def told(self, name: str) -> list[dict[str, Any]]:
        return [
            orjson.loads(open_sealed(one.body, self.private.encode()))["alert"]
            for one in self.hooks[name].received
        ]

    def live_posts(self) -> int:
        """Return how many requests live receivers got, of any kind."""
        return sum(len(hook.received) for hook in self.it.hooks.values())

    async def post(self, event: dict[str, Any]) -> tuple[int, Any]:
        answer = await self.it.gateway.post(event)
        await self.it.settled()
        return answer


@contextlib.asynccontextmanager
async def rehearsal(path: Path) -> AsyncIterator[Rehearsal]:
    (path / "certificates").mkdir(mode=0o700)
    certificates = make_certificates(path / "certificates")
    private, public = hpke.generate()
    async with scene(path / "i") as it, contextlib.AsyncExitStack() as stack:
        ca = (it.gateway.folder / "ca.pem").read_bytes()
        (it.gateway.folder / "ca.pem").write_bytes(
            ca + (path / "certificates" / "ca.pem").read_bytes()
        )
        hooks = {
            name: await stack.enter_async_context(WebhookReceiver(certificates))
            for name, *_ in CAST
        }
        config = it.gateway.config
        reader = sqlite.open_reader(config.path(config.instance.database))
        held = directory.recipients(reader)
        reader.close()
        both = [
            replace(one, endpoints=(*one.endpoints, Endpoint(
                id=EndpointId(f"{one.id}/webhook-exercise"),
                channel="webhook",
                address=hooks[one.id].url,
                keys=trusted("hpke", public),
                exercise=True,
            )))
            for one in held.values()
        ]  # fmt: skip
        await register_recipients(config, both)
        await it.restart()  # it trusts the other receivers' authority from now on
        yield Rehearsal(it=it, hooks=hooks, private=private)


def people(it: Scene) -> list[tuple[Any, ...]]:
    return it.rows("SELECT ref, facts, version, born, exercise, merged_into FROM person ORDER BY 1")


async def test_an_exercise_reaches_exercise_endpoints_and_not_one_byte_a_live_one(
    tmp_path: Path,
) -> None:
    async with rehearsal(tmp_path) as stage:
        status, _ = await stage.post(planned_release("ex-1", **EXERCISE))
        assert status == 202
        assert stage.live_posts() == 0
        assert {name for name in stage.hooks if stage.told(name)} == NEAR
        for name in NEAR:
            [told] = stage.told(name)
            assert told["status"] == "exercise"
        [disclosed] = {one["exercise"] for one in stage.it.gateway.entries("disclosure")}
        assert disclosed is True
        status, _ = await stage.post(planned_release("live-1"))
        assert status == 202
        assert {name for name in stage.it.hooks if stage.it.told(name)} == NEAR
        assert all("status" not in one for name in NEAR for one in stage.it.told(name))
        assert all(len(stage.told(name)) == 1 for name in NEAR)


async def test_an_exercise_about_somebody_real_is_about_another_record(tmp_path: Path) -> None:
    async with rehearsal(tmp_path) as stage:
        await stage.post(planned_release("live-1"))
        before = people(stage.it)
        live = stage.live_posts()
        event = happened("release.planned", "ex-1", mappa={"category": 3, "level": 3}) | EXERCISE
        assert (await stage.post(event))[0] == 202
        after = people(stage.it)
        [real] = [one for one in after if not one[4]]
        [rehearsed] = [one for one in after if one[4]]
        assert [real] == before, "nothing of the real record changed"
        assert rehearsed[0] != real[0]
        assert stage.live_posts() == live
        # The same again finds the exercise's own record, and still not the real one.
        again = happened("release.date_changed", "ex-2", custody={"planned_date": "2030-01-01"})
        assert (await stage.post(again | EXERCISE))[0] == 202
        assert len(people(stage.it)) == 2
        assert stage.live_posts() == live


async def test_neither_corrects_nor_retracts_the_other(tmp_path: Path) -> None:
    async with rehearsal(tmp_path) as stage:
        await stage.post(planned_release("live-1"))
        await stage.post(planned_release("ex-1", **EXERCISE))
        live, before = stage.live_posts(), people(stage.it)
        numbers = itertools.count()
        for kind in ("event.corrected", "event.retracted"):
            changes = {"mappa": {"level": 3}} if kind == "event.corrected" else {}
            rehearsed = revising(kind, f"r-{next(numbers)}", "live-1", **changes) | EXERCISE
            real = revising(kind, f"r-{next(numbers)}", "ex-1", **changes)
            for event in (rehearsed, real):
                status, answer = await stage.post(event)
                assert (status, answer["type"].rpartition(":")[2]) == (422, "corrects-unknown")
        assert people(stage.it) == before
        assert stage.live_posts() == live
        own = revising("event.retracted", "r-own", "ex-1") | EXERCISE
        assert (await stage.post(own))[0] == 202
        assert [one["message_type"] for one in stage.told("police")] == ["NOTIFY", "RECALL"]
        assert stage.live_posts() == live


async def test_statistics_count_no_exercise_and_no_command_merges_it(tmp_path: Path) -> None:
    async with rehearsal(tmp_path) as stage:
        await stage.post(planned_release("live-1"))
        await stage.post(planned_release("ex-1", **EXERCISE))
        config = stage.it.gateway.config
        reader = sqlite.open_reader(config.path(config.instance.database))
        unread = all_events.Unread()
        counted = list(all_events.everyone(reader, sealed_store(config), unread))
        reader.close()
        real, rehearsed = sorted(people(stage.it), key=lambda one: int(one[4]))
        assert [ref for ref, _ in counted] == [real[0]]
        assert unread.persons == 0
        for one, other in ((real, rehearsed), (rehearsed, real)):
            done = await throughgate(
                "person", "merge", one[0], other[0], "--by", "DPO-EXAMPLE", "--reason", "drill",
                "--config", stage.it.gateway.folder / "throughgate.toml",
            )  # fmt: skip
            assert done.code != 0
            assert "exercises only" in done.err
        assert people(stage.it) == sorted([real, rehearsed])


async def test_a_duty_missed_in_an_exercise_is_told_in_the_exercise(tmp_path: Path) -> None:
    two_weeks = (clock.now() + dt.timedelta(days=14)).date().isoformat()
    async with rehearsal(tmp_path) as stage:
        event = happened("release.planned", "ex-1", custody={"planned_date": two_weeks})
        await stage.post(event | EXERCISE)
        await stage.it.restart()
        async with asyncio.timeout(20):
            while not stage.it.rows("SELECT 1 FROM event WHERE kind = 'duty.missed'"):
                await stage.it.moment()
        await stage.it.settled()
        late = [one for one in stage.told("coordinator") if "duty.missed" in one["event_type"]]
        assert late
        assert all(one["status"] == "exercise" for one in late)
        assert stage.live_posts() == 0


async def test_a_recipient_without_an_exercise_endpoint_is_told_nothing_of_one(
    tmp_path: Path,
) -> None:
    async with scene(tmp_path / "i") as it:
        await it.post(planned_release("ex-1", **EXERCISE))
        assert all(not hook.received for hook in it.hooks.values())
        assert it.rows("SELECT 1 FROM outbox") == []
        codes = {
            reason["code"] for one in it.gateway.entries("refusal") for reason in one["reasons"]
        }
        assert "no-exercise-route" in codes


def _simulated(name: str) -> Recipient:
    endpoint = Endpoint(
        id=EndpointId(f"{name}/webhook"),
        channel="webhook",
        address=simulated_address("webhook", name),  # type: ignore[arg-type]  # one of BEHAVIOURS
        keys=trusted("hpke", hpke.generate()[1]),
    )
    return Recipient(
        id=RecipientId(name),
        organisation=f"Example {name}",
        organisation_class="police",
        role="police_offender_manager",
        areas=frozenset({AREA}),
        endpoints=(endpoint,),
    )


async def test_simulated_recipients_behave_as_they_are_named(tmp_path: Path) -> None:
    sections = (
        "[simulator]\nenabled = true\n"
        "[delivery]\nladder_s = [0.2, 0.5]\ngive_up_after_s = 4\nbreaker_failures = 1000\n"
    )
    async with gateway(
        tmp_path / "i", recipients=[_simulated(one) for one in BEHAVIOURS], sections=sections
    ) as served:
        status, _ = await served.post(planned_release("live-1"))
        assert status == 202
        config = served.config
        reader = sqlite.open_reader(config.path(config.instance.database))
        rows: dict[str, tuple[Any, ...]] = {}
        async with asyncio.timeout(60):
            while True:
                rows = {
                    row[0]: row[1:]
                    for row in reader.execute(
                        "SELECT recipient, state, attempts, reason, receipt FROM outbox"
                    )
                }
                settled = rows and all(state != "pending" for state, *_ in rows.values())
                if settled and rows["receipt-failed"][3]:
                    break
                await asyncio.sleep(0.05)
        names = {row[0]: row[1] for row in reader.execute("SELECT id, recipient FROM alert")}
        reader.close()
        assert set(rows) == set(BEHAVIOURS)
        for name in ("accepted", "slow", "no-acknowledgement", "acknowledges"):
            assert rows[name][:2] == ("accepted", 1), name
        assert rows["recovers"][:2] == ("accepted", 3)
        assert rows["permanent-failure"][:3] == ("rejected", 1, "http-410")
        assert rows["temporary-failure"][0] == "dead"
        assert rows["temporary-failure"][1] > 3
        assert rows["receipt-failed"][3] == "failed"
        answers = served.entries("acknowledgement")
        assert {names[one["alert"]] for one in answers} == {"acknowledges"}
        assert canaries.found_in(orjson.dumps(served.entries("attempt")).decode()) == []
