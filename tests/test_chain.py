"""Silence, through the whole gateway as it is served: the next channel is a deputy, who answers."""

import asyncio
import contextlib
import datetime as dt
from pathlib import Path
from typing import Any

import orjson

from gateway.demo.cast import AREA
from gateway.demo.servers.certificates import make_certificates
from gateway.demo.servers.webhook import WebhookReceiver
from gateway.model.ids import EndpointId, RecipientId
from gateway.model.party import Endpoint, Recipient
from keys import hpke
from keys.seal import open_sealed
from tests.gateway.tellings import Clock
from tests.gateway_in_process import Gateway, gateway, planned_release
from tests.support.trusted import trusted

WAIT_S = 15.0
PUBLIC_URL = "https://alerts.example.org"
SECTIONS = (
    f'public_url = "{PUBLIC_URL}"\n'
    '[webhook]\nca_file = "ca.pem"\nallowed_networks = ["127.0.0.1/32"]\n'
)


def desk(name: str, url: str, public: str, *deputies: str) -> Recipient:
    return Recipient(
        id=RecipientId(name),
        organisation="Exampleshire Police",
        organisation_class="police",
        role="police_offender_manager",
        areas=frozenset({AREA}),
        standby=not deputies,
        endpoints=(
            Endpoint(
                id=EndpointId(f"{name}/webhook"),
                channel="webhook",
                address=url,
                keys=trusted("hpke", public),
            ),
        ),
        deputies=tuple(RecipientId(one) for one in deputies),
    )


async def arrived(hook: WebhookReceiver, count: int) -> None:
    async with asyncio.timeout(WAIT_S):
        while len(hook.received) < count:  # noqa: ASYNC110 - the gateway decides when
            await asyncio.sleep(0.02)


def inside(hook: WebhookReceiver, private: str) -> dict[str, Any]:
    opened: dict[str, Any] = orjson.loads(open_sealed(hook.received[-1].body, private.encode()))
    return opened


async def answer(it: Gateway, told: dict[str, Any]) -> int:
    async with it.session.post(
        told["api"].replace(PUBLIC_URL, it.url),
        headers={"Authorization": f"Bearer {told['token']}", "Content-Type": "application/json"},
        data=orjson.dumps({"answer": "accepted"}),
    ) as response:
        return response.status


async def test_nobody_answers_so_the_deputy_is_told_and_the_log_tells_it_in_order(
    tmp_path: Path,
) -> None:
    now = Clock()
    certificates = make_certificates(tmp_path)
    (officer_private, officer), (deputy_private, deputy) = hpke.generate(), hpke.generate()
    async with contextlib.AsyncExitStack() as stack:
        one, two = [
            await stack.enter_async_context(WebhookReceiver(certificates)) for _ in range(2)
        ]
        it = await stack.enter_async_context(
            gateway(
                tmp_path,
                recipients=[
                    desk("police", one.url, officer, "police-deputy"),
                    desk("police-deputy", two.url, deputy),
                ],
                sections=SECTIONS,
                now=now,
            )
        )
        status, _ = await it.post(planned_release())
        assert status == 202
        await arrived(one, 1)
        first = inside(one, officer_private)
        now.ahead = dt.timedelta(days=2, seconds=1)  # past what the rule gives
        await arrived(two, 1)
        second = inside(two, deputy_private)
        assert second["alert"]["facts"] == first["alert"]["facts"]
        assert second["alert"]["message_id"] != first["alert"]["message_id"]
        [climbed] = it.entries("escalation")
        assert (climbed["to"], climbed["reason"]) == ("police-deputy", "unanswered")
        assert climbed["raised"] == second["alert"]["message_id"]
        assert await answer(it, second["answer"]) == 200
        now.ahead = dt.timedelta(days=30)
        await asyncio.sleep(2.5)  # two looks of the escalation loop
        assert len(it.entries("escalation")) == 1
        [answered] = it.entries("acknowledgement")
        assert (answered["answer"], answered["means"]) == ("accepted", "api")
