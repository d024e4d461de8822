"""One recipient is dead for an hour while thousands of alerts flow to others: theirs are as quick
as before; its own all arrive when it is back, in order per person, within its rate (P4, P13, F16).

The hour is played in the time the alerts take: every wait of the delivery is shortened alike.
THROUGHGATE_LONG_FAULTS=1 lets 10,000 alerts flow.
"""

import asyncio
import contextlib
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import orjson
import pytest
from aiohttp import web

from gateway.deliver import LANE_WIDTH, MAX_IN_MEMORY, Deliverer
from gateway.model.ids import EndpointId, RecipientId
from gateway.model.party import Recipient
from gateway.store import sqlite
from tests import gateway_in_process as path
from tests.gateway_in_process import Gateway, gateway
from tests.support.events import release_members
from tests.support.night import LONG

pytestmark = [pytest.mark.faults, pytest.mark.timeout(1800)]

ALERTS = 10_000 if LONG else 160  # to the others, while one is dead
A_SECOND = 125 if LONG else 40
PER_MINUTE = 9_600 if LONG else 1_200  # what the dead one takes
POSTS_AT_ONCE = 4  # of one person each: what is posted of them leaves in that order
PER_PERSON = 2
HOUR = ALERTS / A_SECOND / 3600.0  # of the delivery's waits

Trouble = Literal["hangs", "cuts", "errs"]


@dataclass(slots=True)
class Receiver:
    """A recipient's system: what reached it and when, and what is the matter with it."""

    trouble: Trouble | None = None
    tried: int = 0
    arrived: dict[str, float] = field(default_factory=dict)  # alert -> monotonic seconds
    url: str = ""

    async def answer(self, request: web.Request) -> web.Response:
        body = orjson.loads(await request.read())
        self.tried += 1
        if self.trouble == "hangs":
            await asyncio.sleep(60)
        elif self.trouble == "cuts":
            assert request.transport is not None
            request.transport.abort()
        elif self.trouble is None:
            self.arrived.setdefault(body["id"], time.monotonic())
        return web.Response(status=503 if self.trouble else 204)


@contextlib.asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    application = web.Application(client_max_size=2**20)
    application.router.add_post("/hook", receiver.answer)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    try:
        yield receiver
    finally:
        await runner.cleanup()


def sections(scale: float) -> str:
    ladder = [seconds * scale for seconds in (5, 30, 120, 300, 900, 1800, 3600)]
    return f"""
[webhook]
allow_plain_http = true
allowed_networks = ["127.0.0.1/32"]
timeout_s = {max(0.3, 20 * scale)}

[delivery]
ladder_s = {ladder}
breaker_first_s = {30 * scale}
breaker_longest_s = {900 * scale}
"""


def told(name: str, url: str, *, per_minute: int | None = None) -> Recipient:
    recipient, _private = path.police(url)
    (hook,) = recipient.endpoints
    hook = replace(hook, id=EndpointId(f"{name}/webhook"), per_minute=per_minute)
    return replace(recipient, id=RecipientId(name), endpoints=(hook,))


@dataclass(slots=True)
class Flow:
    """Alerts that flow at a steady pace, and how long each takes."""

    served: Gateway
    deliverer: Deliverer
    first: int = 0  # person of the next phase
    posted: dict[str, float] = field(default_factory=dict)  # event -> monotonic seconds
    most_in_memory: int = 0

    async def go(self, alerts: int) -> set[str]:
        """Post so many events at the pace; return their references."""
        before = set(self.posted)
        persons = asyncio.Queue[int]()
        for person in range(self.first, self.first + alerts // PER_PERSON):
            persons.put_nowait(person)
        self.first += alerts // PER_PERSON
        began, sent = time.monotonic(), 0

        async def post() -> None:
            nonlocal sent
            while not persons.empty():
                person = persons.get_nowait()
                for number in range(PER_PERSON):
                    await asyncio.sleep(began + sent / A_SECOND - time.monotonic())
                    sent += 1
                    await self._post(person, number)

        await asyncio.gather(*(post() for _ in range(POSTS_AT_ONCE)))
        return set(self.posted) - before

    async def _post(self, person: int, number: int) -> None:
        event = release_members(person, id_=f"release-{person}-{number}")
        event["data"]["custody"]["planned_date"] = f"2026-04-{20 + number}"
        at = time.monotonic()
        status, answer = await self.served.post(event)
        assert status == 202, answer
        self.posted[answer["events"][0]] = at
        self.most_in_memory = max(self.most_in_memory, len(self.deliverer.taken))

    def p99(self, receiver: Receiver, events: set[str]) -> float:
        """Return the 99th percentile of the seconds from post to arrival of events' alerts."""
        alerts = self.alerts(events)
        took = sorted(
            receiver.arrived[alert] - self.posted[event]
            for alert, event in alerts.items()
            if alert in receiver.arrived
        )
        assert len(took) >= len(events), "an event without an alert that arrived"
        return took[int(len(took) * 0.99)]

    def alerts(self, events: set[str]) -> dict[str, str]:
        """Return every alert about these events, and its event."""
        rows = self.rows("SELECT id, event FROM alert")
        return {alert: event for alert, event in rows if event in events}

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        config = self.served.config
        with contextlib.closing(sqlite.open_reader(config.path(config.instance.database))) as one:
            return one.execute(sql).fetchall()

    async def settled(self, where: str, *, within_s: float) -> None:
        """Wait until all is decided, and nothing of some endpoint is pending any more."""
        still = f"SELECT 1 FROM outbox WHERE state = 'pending' AND {where} UNION ALL"
        still += " SELECT 1 FROM event WHERE state = 'accepted' LIMIT 1"
        async with asyncio.timeout(within_s):
            while self.rows(still):  # noqa: ASYNC110 - the gateway decides when
                await asyncio.sleep(0.05)


@pytest.fixture
def deliverers(monkeypatch: pytest.MonkeyPatch) -> list[Deliverer]:
    """Return every deliverer that is made from now on, to look into its memory."""
    made: list[Deliverer] = []
    make = Deliverer.__init__

    def watched(deliverer: Deliverer, *words: Any) -> None:
        make(deliverer, *words)
        made.append(deliverer)

    monkeypatch.setattr(Deliverer, "__init__", watched)
    return made


@pytest.mark.parametrize("trouble", ["hangs", "cuts", "errs"] if LONG else ["hangs"])
async def test_a_dead_recipient_delays_nobody_and_loses_nothing(
    tmp_path: Path, trouble: Trouble, deliverers: list[Deliverer]
) -> None:
    async with (
        receiving() as live,
        receiving() as dead,
        gateway(
            tmp_path / "gateway",
            recipients=[
                told("police-live", live.url),
                told("police-dead", dead.url, per_minute=PER_MINUTE),
            ],
            sections=sections(HOUR),
        ) as served,
    ):
        (deliverer,) = deliverers
        flow = Flow(served, deliverer)
        await flow.go(max(20, ALERTS // 10))  # what is done once is done
        calm = await flow.go(ALERTS)
        await flow.settled("TRUE", within_s=120)

        dead.trouble, dead.tried = trouble, 0
        stormy = await flow.go(ALERTS)
        await flow.settled("endpoint = 'police-live/webhook'", within_s=60)
        before, during = flow.p99(live, calm), flow.p99(live, stormy)
        assert during <= 3.0 * before + 0.1, "the others wait for the dead one"
        assert dead.tried <= 6 * LANE_WIDTH, "it is left alone"
        assert flow.most_in_memory <= MAX_IN_MEMORY
        assert len(flow.rows("SELECT 1 FROM outbox WHERE state = 'pending'")) == ALERTS
        assert len(flow.deliverer.taken) <= LANE_WIDTH, "what it is owed waits on disk"

        dead.trouble, back = None, time.monotonic()
        await flow.settled("TRUE", within_s=120 + ALERTS * 60 / PER_MINUTE + 900 * HOUR * 2)
        owed = flow.alerts(stormy)
        assert owed.keys() - dead.arrived.keys() - live.arrived.keys() == set()
        assert flow.rows("SELECT DISTINCT state FROM outbox") == [("accepted",)]
        assert_in_order(flow, dead)
        assert_within_rate([at for at in dead.arrived.values() if at >= back])
        report = f"p99 {before * 1e3:.1f} ms, with it dead {during * 1e3:.1f} ms; {len(owed)}"
        print(f"\n{trouble}: {report} alerts, {dead.tried} tries, {flow.most_in_memory} in memory")


def assert_in_order(flow: Flow, receiver: Receiver) -> None:
    """About one person, what was decided first arrived first."""
    persons: dict[str, list[str]] = defaultdict(list)
    ours = "endpoint = 'police-dead/webhook' AND urgent = 0"
    for alert, person in flow.rows(
        f"SELECT alert, person FROM outbox WHERE {ours} ORDER BY decided_at, alert"
    ):
        persons[person].append(alert)
    assert any(len(alerts) > 1 for alerts in persons.values()), "no order to keep"
    for alerts in persons.values():
        times = [receiver.arrived[alert] for alert in alerts]
        assert times == sorted(times)


def assert_within_rate(arrivals: list[float]) -> None:
    """A burst of the tenth part of a minute's worth, and from then on an even flow."""
    arrivals.sort()
    burst, a_second = PER_MINUTE // 10, (PER_MINUTE * 9 // 10 + 1) / 60
    for begin in range(0, len(arrivals), 50):
        for end in range(begin, len(arrivals), 50):
            allowed = burst + a_second * (arrivals[end] - arrivals[begin]) + LANE_WIDTH
            assert end - begin <= allowed
