"""Answering an alert over HTTP: with the token that came inside it, and with no other."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import orjson
from aiohttp import web

from gateway.http import alerts as http_alerts
from gateway.http.alerts import MAX_BODY_BYTES
from gateway.model.ids import AlertId
from tests import canaries
from tests.gateway.nights import HOUR, TWO, Night, Sleeper, night

POLICE = Sleeper(name="police", number="+447700900101")


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    """A gateway's alerts behind a socket, and one alert of the police's."""

    it: Night
    url: str
    session: aiohttp.ClientSession
    alert: AlertId
    token: str

    async def get(self, token: str | None = None, alert: str = "") -> tuple[int, Any]:
        url = f"{self.url}/v1/alerts/{alert or self.alert}"
        async with self.session.get(url, headers=self._headers(token)) as reply:
            return reply.status, orjson.loads(await reply.read())

    async def post(
        self, body: object, token: str | None = None, alert: str = ""
    ) -> tuple[int, Any]:
        content = body if isinstance(body, bytes) else orjson.dumps(body)
        url = f"{self.url}/v1/alerts/{alert or self.alert}/answer"
        async with self.session.post(url, data=content, headers=self._headers(token)) as reply:
            return reply.status, orjson.loads(await reply.read())

    def _headers(self, token: str | None) -> Mapping[str, str]:
        given = self.token if token is None else token
        return {"Authorization": f"Bearer {given}"} if given else {}


@contextlib.asynccontextmanager
async def serving(folder: Path) -> AsyncIterator[Api]:
    async with night(folder, [POLICE]) as it:
        await it.happens("custody.escaped")
        [(alert,)] = it.rows("SELECT id FROM alert")
        application = web.Application()
        application.add_routes(http_alerts.routes(it.answering))
        runner = web.AppRunner(application, access_log=None)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            async with aiohttp.ClientSession() as session:
                yield Api(
                    it=it,
                    url=f"http://127.0.0.1:{runner.addresses[0][1]}",
                    session=session,
                    alert=AlertId(alert),
                    token=it.sealed("police")[0]["answer"]["token"],
                )
        finally:
            await runner.cleanup()


async def test_the_whole_way_from_acknowledged_to_actioned(tmp_path: Path) -> None:
    async with serving(tmp_path) as api:
        status, shown = await api.get()
        assert (status, shown["state"], shown["answer"]) == (200, "sent", None)
        assert shown["answer_by"] == "2026-11-20T03:00:00.000Z"
        assert [(one["channel"], one["step"], one["state"]) for one in shown["ways"]] == [
            ("webhook", 1, "accepted"),
            ("sms", 2, "waiting"),
        ]
        for said in ("acknowledged", "accepted", "actioned"):
            status, shown = await api.post({"answer": said, "by": "duty-officer-7"})
            assert (status, shown["state"]) == (200, said)
        assert shown["answer_by"] is None
        assert [one["by"] for one in api.it.story("acknowledgement")] == ["duty-officer-7"] * 3
        assert await api.it.at(TWO + HOUR) == 0


async def test_nothing_an_alert_says_is_in_the_answer(tmp_path: Path) -> None:
    async with serving(tmp_path) as api:
        _, shown = await api.get()
        text = orjson.dumps(shown).decode()
        for secret in (canaries.NAME, canaries.NOMS, canaries.NHS_NUMBER, "+447700900101", "per_"):
            assert secret not in text
        assert shown["reference"].replace("-", "").lower() == api.alert[-12:]


async def test_saying_it_again_is_the_same_answer(tmp_path: Path) -> None:
    async with serving(tmp_path) as api:
        first, again = [await api.post({"answer": "accepted"}) for _ in range(2)]
        assert first == again
        assert len(api.it.story("acknowledgement")) == 1
        status, refused = await api.post({"answer": "acknowledged"})
        assert (status, refused["type"]) == (409, "urn:throughgate:problem:answer-not-taken")


async def test_a_rejection_with_its_reason_sets_the_chain_going(tmp_path: Path) -> None:
    async with serving(tmp_path) as api:
        status, shown = await api.post({"answer": "rejected", "reason": "wrong-person"})
        assert (status, shown["state"]) == (200, "rejected")
        assert shown["answer_by"] == "2026-11-20T02:00:00.000Z", "due at once"


async def test_unknown_and_wrong_are_one_answer(tmp_path: Path) -> None:
    async with serving(tmp_path) as api:
        other = "alt_" + "0" * 32
        asked = [
            await api.get(token="A" * 22),
            await api.get(token=""),
            await api.get(alert=other),
            await api.get(alert="what%20ever"),
            await api.post({"answer": "accepted"}, token="A" * 22),
            await api.post({"answer": "accepted"}, token=""),
            await api.post({"answer": "accepted"}, alert=other),
            await api.post(b"not JSON, and nobody says so", token="A" * 22),
            await api.post(
                {"answer": "accepted"}, alert=other,
                token=api.it.answering.links.answer_token(AlertId(other)),
            ),
        ]  # fmt: skip
        assert {status for status, _ in asked} == {404}
        assert len({orjson.dumps(body) for _, body in asked}) == 1
        assert api.it.story("acknowledgement") == []


MALFORMED: tuple[tuple[object, str], ...] = (
    (b"", "$"),
    (b"[]", "$"),
    (b'{"answer": "accepted", "answer": "rejected"}', "$"),
    ({"answer": "yes"}, "$.answer"),
    ({"answer": None}, "$.answer"),
    ({"answer": ["accepted"]}, "$.answer"),
    ({}, "$.answer"),
    ({"answer": "accepted", "note": "x"}, "$"),
    ({"answer": "rejected"}, "$.reason"),
    ({"answer": "rejected", "reason": "because"}, "$.reason"),
    ({"answer": "rejected", "reason": {}}, "$.reason"),
    ({"answer": "accepted", "reason": "other"}, "$.reason"),
    ({"answer": "accepted", "by": "Jo Example, duty"}, "$.by"),
    ({"answer": "accepted", "by": 7}, "$.by"),
)


async def test_what_is_no_answer_is_refused_where_it_is_wrong(tmp_path: Path) -> None:
    async with serving(tmp_path) as api:
        for body, path in MALFORMED:
            status, refused = await api.post(body)
            assert status == 400, body
            assert refused["type"] == "urn:throughgate:problem:malformed-answer"
            assert any(one["path"].startswith(path) for one in refused["problems"]), body
            assert "Jo Example" not in str(refused)
        assert api.it.story("acknowledgement") == []


async def test_a_body_is_small(tmp_path: Path) -> None:
    async with serving(tmp_path) as api:
        status, refused = await api.post(b" " * (MAX_BODY_BYTES + 1))
        assert (status, refused["type"]) == (413, "urn:throughgate:problem:too-large")


async def test_many_at_once_leave_one_entry(tmp_path: Path) -> None:
    async with serving(tmp_path) as api:
        replies = await asyncio.gather(*(api.post({"answer": "acknowledged"}) for _ in range(20)))
        assert {status for status, _ in replies} == {200}
        assert len(api.it.story("acknowledgement")) == 1
