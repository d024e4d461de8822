"""Every page of the console over a log of a million entries: how long it takes, how large it is.

One process with its real routes on loopback. `python -m bench console` measures this alone at 10^6
entries; `python -m bench console 100000` at a size of your own.
"""

import asyncio
import os
import socket
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Final

import aiohttp
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from bench.console_store import ROLES, Stood, build
from bench.console_visits import Visit, visits
from bench.problem import NotMeasured
from gateway import clock
from gateway.console import shell
from gateway.console.own import ConsoleOwn
from gateway.console.page import ConsoleRoute
from gateway.console.pages import every
from gateway.console.session import COOKIE, Sessions
from gateway.directory import Directory
from gateway.instance import opened
from gateway.model.staff import StaffId
from gateway.store import staff as staff_store
from gateway.store.store import Store

_SMALL: Final = "small"  # whoever acts for a small agency
_LONG: Final = 2  # requests to what takes long
_TICK_S: Final = 0.002
_PATIENCE_S: Final = 60.0  # for what is worked out beside a page


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How much is measured."""

    entries: int = 1_000_000
    persons: int = 100_000
    requests: int = 5  # to each page, after one that warms up
    pdf: bool = True
    rulebook: bool = True  # matrix, comparison and replay: seconds of work


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What came of it, for one page. Times are the server's own, in milliseconds."""

    median_ms: float
    worst_ms: float
    held_ms: float  # the longest that everything else had to wait meanwhile
    kb: float  # of the answer, 1000 bytes each
    long: bool


@dataclass(slots=True)
class _Measured:
    """What the server noted of the request it answered last, and all it was asked for."""

    seconds: float = 0.0
    held: float = 0.0
    reached: set[str] = field(default_factory=set)


def measure(plan: Plan) -> Mapping[str, Figures]:
    """Measure.

    Raises:
        NotMeasured: a page does not answer, does not show what it should, or was not looked at.
    """
    with tempfile.TemporaryDirectory(prefix="throughgate-bench-") as folder:
        return asyncio.run(_measure(plan, Path(folder) / "instance"))


def lines(found: Mapping[str, Figures]) -> Iterator[str]:
    """Yield one `name: value` line per figure, the worst of all last."""
    for name, one in found.items():
        yield f"console_{name}_ms: {one.median_ms:.1f}"
        yield f"console_{name}_worst_ms: {one.worst_ms:.1f}"
        if one.long:
            yield f"console_{name}_held_ms: {one.held_ms:.1f}"
        yield f"console_{name}_kb: {one.kb:.1f}"
    pages = [one for one in found.values() if not one.long]
    yield f"console_slowest_ms: {max(one.median_ms for one in pages):.1f}"
    yield f"console_longest_held_ms: {max(one.held_ms for one in found.values()):.1f}"
    yield f"console_largest_kb: {max(one.kb for one in pages):.1f}"


async def _measure(plan: Plan, folder: Path) -> Mapping[str, Figures]:
    stood = await build(folder, entries=plan.entries, persons=plan.persons)
    return await visited(plan, stood)


async def visited(plan: Plan, stood: Stood) -> Mapping[str, Figures]:
    """Look at every page of an instance.

    Raises:
        NotMeasured: as `measure`.
    """
    async with opened(stood.config) as store, _served(stood, store) as desk:
        found = {}
        for visit in visits(stood):
            if not _planned(plan, visit):
                continue
            found[visit.name] = await desk.look(visit, plan.requests)
        desk.check(whole=plan.rulebook)
        return found


def _planned(plan: Plan, visit: Visit) -> bool:
    if visit.name.endswith("_pdf"):
        return plan.pdf
    return plan.rulebook or not visit.name.startswith("rulebook_")


@dataclass(slots=True, kw_only=True)
class _Desk:
    """A served console, and somebody of each role who is signed in to it."""

    url: str
    origin: str
    session: aiohttp.ClientSession
    cookies: Mapping[str, tuple[str, str]]  # by role: the cookie, and the token of its forms
    approval: str
    noted: _Measured
    pages: Sequence[ConsoleRoute]

    async def look(self, visit: Visit, requests: int) -> Figures:
        """Look at a page again and again; the first time warms up."""
        await self._until_shown(visit)
        spent, held = [], []
        for _ in range(min(requests, _LONG) if visit.long else requests):
            await asyncio.sleep(2 * _TICK_S)
            self.noted.held = 0.0
            body = await self._ask(visit)
            await asyncio.sleep(2 * _TICK_S)
            self._check(visit, body)
            spent.append(self.noted.seconds)
            held.append(self.noted.held)
        return Figures(
            median_ms=1e3 * median(spent),
            worst_ms=1e3 * max(spent),
            held_ms=1e3 * max(held),
            kb=len(body) / 1000,
            long=visit.long,
        )

    async def _until_shown(self, visit: Visit) -> None:
        """Look once, or for as long as what is on it is still being worked out."""
        until = time.monotonic() + _PATIENCE_S
        body = await self._ask(visit)
        while visit.long and visit.says.encode() not in body and time.monotonic() < until:
            await asyncio.sleep(0.2)
            body = await self._ask(visit)
        self._check(visit, body)

    async def _ask(self, visit: Visit) -> bytes:
        cookie, csrf = self.cookies[_SMALL if visit.only else visit.role]
        headers = {"Cookie": f"{COOKIE}={cookie}"}
        path = visit.path.format(approval=self.approval)
        if visit.fields is None:
            asked = self.session.get(self.url + path, headers=headers)
        else:
            headers |= {"Origin": self.origin, "Sec-Fetch-Site": "same-origin"}
            form = {"csrf": csrf, **visit.fields}
            asked = self.session.post(
                self.url + path, headers=headers, data=form, allow_redirects=False
            )
        async with asked as answer:
            body = await answer.read()
        if answer.status != visit.status:
            raise NotMeasured(f"{visit.name} answers {answer.status}")
        return body

    def _check(self, visit: Visit, body: bytes) -> None:
        if visit.says.encode() not in body:
            raise NotMeasured(f"{visit.name} does not show what it should")

    def check(self, *, whole: bool) -> None:
        """Check that every page there is was looked at.

        Raises:
            NotMeasured: one was not.
        """
        there = {one.path for one in self.pages if one.get is not None}
        missed = {one for one in there if _plain(one) not in self.noted.reached}
        if missed and whole:
            raise NotMeasured(f"not looked at: {', '.join(sorted(missed))}")


def _plain(path: str) -> str:
    """Return a route's path as aiohttp names its resource, without the patterns of its parts."""
    made, depth, skipping = [], 0, False
    for one in path:
        depth += (one == "{") - (one == "}")
        skipping = (skipping or one == ":") and depth > 0
        if not skipping:
            made.append(one)
    return "".join(made)


@asynccontextmanager
async def _served(stood: Stood, store: Store) -> AsyncIterator[_Desk]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        instance = stood.config.instance.model_copy(update={"public_url": url})
        law = stood.world.law
        own = ConsoleOwn(
            config=stood.config.model_copy(update={"instance": instance}),
            store=store,
            directory=Directory(store.reader, law.catalogues),
            law=law,
            now=clock.now,
            new_id=clock.new_id,
            random_bytes=os.urandom,
        )
        pages, noted = every.routes(own), _Measured()
        application = web.Application(middlewares=[_timed(noted)])
        application.add_routes(shell.routes(own, pages))
        runner = web.AppRunner(application, access_log=None, auto_decompress=False)
        await runner.setup()
        await web.SockSite(runner, listener).start()
        ticking = asyncio.create_task(_tick(noted))
        try:
            async with aiohttp.ClientSession() as session:
                yield _Desk(
                    url=url,
                    origin=url,
                    session=session,
                    cookies=await _signed_in(own),
                    approval=f"/console/approvals/{_approval(store)}",
                    noted=noted,
                    pages=pages,
                )
        finally:
            ticking.cancel()
            await runner.cleanup()


def _timed(noted: _Measured) -> Middleware:
    @web.middleware
    async def timed(request: web.Request, handler: Handler) -> web.StreamResponse:
        start = time.perf_counter()
        answer = await handler(request)
        noted.seconds = time.perf_counter() - start
        resource = request.match_info.route.resource
        noted.reached.add(resource.canonical if resource else "")
        return answer

    return timed


async def _tick(noted: _Measured) -> None:
    """Note how late this is woken: what holds the event loop holds everybody else's request."""
    while True:
        start = time.perf_counter()
        await asyncio.sleep(_TICK_S)
        noted.held = max(noted.held, time.perf_counter() - start - _TICK_S)


def _approval(store: Store) -> str:
    return str(store.reader.execute("SELECT id FROM approval").get)


async def _signed_in(own: ConsoleOwn) -> dict[str, tuple[str, str]]:
    sessions = Sessions(own.store, own.config.console, now=own.now, random_bytes=own.random_bytes)
    found = {}
    for name, id_ in (*((role, f"{role}-01") for role in ROLES), (_SMALL, "dpo-02")):
        who = staff_store.find(own.store.reader, StaffId(id_))
        cookie = await sessions.begin(who, "passkey", before=None) if who else None
        if cookie is None:
            raise NotMeasured(f"{id_} is not let in")
        found[name] = (cookie, sessions.csrf_of(cookie))
    return found


def main(words: Sequence[str]) -> int:
    plan = Plan(entries=int(words[0]), persons=int(words[0]) // 10) if words else Plan()
    try:
        print("\n".join(lines(measure(plan))))
    except NotMeasured as error:
        print(f"not measured: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
