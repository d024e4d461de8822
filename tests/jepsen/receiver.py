"""One recipient, as a process: `python -m tests.jepsen.receiver FOLDER ID RUN`.

It takes webhooks and sometimes fails at it, opens them with code that is not the gateway's, writes
down each before it answers, at times looks at the log as it stands that very moment, and answers
some alerts. SIGUSR1: it is well from now on. SIGTERM: it finishes what it began and stops.
"""

import asyncio
import contextlib
import hashlib
import json
import signal
import sys
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from tests.jepsen.journal import Journal
from tests.jepsen.plan import Plan, Reader
from tests.keys.hpke_receiver import receive

_TIMEOUT = aiohttp.ClientTimeout(total=2)


class Receiver:
    """One recipient's endpoint and its ways of failing."""

    def __init__(self, plan: Plan, reader: Reader, run: int, journal: Journal) -> None:
        self._plan = plan
        self._reader = reader
        self._rng = plan.rng(f"{reader.id}/{run}")
        self._journal = journal
        self._well = asyncio.Event()
        self._answering: set[asyncio.Task[None]] = set()
        self._session: aiohttp.ClientSession | None = None

    async def serve(self) -> None:
        """Serve until SIGTERM."""
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGUSR1, self._well.set)
        loop.add_signal_handler(signal.SIGTERM, stop.set)
        application = web.Application(client_max_size=1024 * 1024)
        application.router.add_post("/hook", self._take)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=5)
        async with aiohttp.ClientSession(timeout=_TIMEOUT) as self._session:
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", self._reader.port, reuse_address=True).start()
            await stop.wait()
            await runner.cleanup()
            await asyncio.gather(*self._answering)

    async def _take(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        alert = request.headers["webhook-id"]
        content = self._opened(body)
        number = self._journal.begin(
            "delivery",
            alert=alert,
            body=hashlib.sha256(body).hexdigest(),
            entry=content.get("entry"),
            proof=json.loads(body)["data"].get("proof"),
        )
        if self._rng.random() < 0.3:
            await self._look()
        status = await self._outcome(request)
        self._journal.write("delivery", n=number, state="ok" if status else "fail", status=status)
        if not status:
            return web.Response(status=500)  # nobody is there to read it
        if status == 204 and self._rng.random() < 0.3 and "answer" in content:
            task = asyncio.create_task(self._answer(alert, content["answer"]["token"]))
            self._answering.add(task)
            task.add_done_callback(self._answering.discard)
        return web.Response(status=status)

    def _opened(self, body: bytes) -> dict[str, Any]:
        """Return what is inside the seal; nothing, if it does not open."""
        with contextlib.suppress(Exception):  # whatever is wrong: the judge sees no entry
            sealed = json.dumps(json.loads(body)["data"]["sealed"]).encode()
            content: dict[str, Any] = json.loads(receive(sealed, self._reader.private))
            return content
        return {}

    async def _outcome(self, request: web.Request) -> int:
        """Return what to reply; 0: the connection is cut instead."""
        if self._well.is_set():
            return 204
        chance = self._rng.random()
        if chance < 0.06:
            return self._rng.choice((500, 503, 502))
        if chance < 0.10:
            if request.transport is not None:
                request.transport.abort()
            return 0
        if chance < 0.10 + self._plan.slow:
            await asyncio.sleep(self._rng.uniform(0.05, 0.6))
        return 410 if chance > 0.99 else 204

    async def _look(self) -> None:
        """Fetch the log's newest checkpoint while the sender still waits for its answer."""
        assert self._session is not None
        number = self._journal.begin("checkpoint")
        try:
            url = self._rng.choice(self._plan.urls)
            async with self._session.get(f"{url}/log/checkpoint") as response:
                note, state = await response.text(), "ok" if response.status == 200 else "fail"
        except (aiohttp.ClientError, TimeoutError):
            note, state = "", "fail"
        self._journal.write("checkpoint", n=number, state=state, note=note)

    async def _answer(self, alert: str, token: str) -> None:
        """Say that a human has an alert, as its system would."""
        assert self._session is not None
        said = self._rng.choice(("acknowledged", "accepted"))
        number = self._journal.begin("answer", alert=alert, answer=said)
        url = f"{self._rng.choice(self._plan.urls)}/v1/alerts/{alert}/answer"
        headers = {"Authorization": f"Bearer {token}"}
        try:
            async with self._session.post(url, json={"answer": said}, headers=headers) as response:
                state = "ok" if response.status == 200 else "fail"
        except aiohttp.ClientConnectorError:
            state = "fail"
        except (aiohttp.ClientError, TimeoutError):
            state = "unknown"
        self._journal.write("answer", n=number, state=state, alert=alert, answer=said)


def _main(folder: Path, id_: str, run: int) -> None:
    plan = Plan.read(folder)
    reader = next(one for one in plan.readers if one.id == id_)
    with Journal(folder / f"{id_}.{run}.jsonl", seed=plan.seed) as journal:
        asyncio.run(Receiver(plan, reader, run, journal).serve())


if __name__ == "__main__":
    _main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
