"""What operators' machines call: health, readiness, metrics; and what measures every request."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import Final

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from gateway.http.local import is_local
from gateway.http.problems import problem
from gateway.metrics import HTTP_REQUESTS, HTTP_SECONDS, LOOPS_STOPPED, READY, REGISTRY
from gateway.pipeline import Pipeline
from gateway.store.engine import StoreUnavailable
from gateway.traces import OFF, Traces

Scrape = Callable[[], Awaitable[bytes]]

_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"})
_UNMATCHED: Final = "unmatched"

_LOG = structlog.get_logger()


async def _own_counts() -> bytes:
    return generate_latest(REGISTRY)


def _nothing() -> Iterable[str]:
    return ()


def routes(
    pipeline: Pipeline,
    *,
    refused: Callable[[], Iterable[str]] = _nothing,
    scrape: Scrape = _own_counts,
) -> list[web.RouteDef]:
    """Return the operators' routes.

    Args:
        pipeline: Whose loops must run.
        refused: Codes of why the store takes nothing now; none: it does.
        scrape: The exposition, as of now.
    """

    def reasons() -> Iterator[str]:
        yield from (f"loop-{task.get_name()}" for task in pipeline.tasks if task.done())
        yield from refused()

    said: list[str] = []

    async def live(_request: web.Request) -> web.Response:
        return web.json_response({"status": "live"})

    async def started(_request: web.Request) -> web.Response:
        """Answer at all: nothing listens before the loops have begun."""
        if not pipeline.tasks:
            return problem(503, "not-ready", "Not ready")
        return web.json_response({"status": "started"})

    async def ready(request: web.Request) -> web.Response:
        why = list(reasons())
        if why != said:
            said[:] = why
            if why:
                _LOG.error("not ready", code=",".join(why))
            else:
                _LOG.info("ready again")
        if why:
            # Strangers learn that, and not what: it would tell them what to lean on.
            detail = ", ".join(why) if is_local(request) else None
            return problem(503, "not-ready", "Not ready", detail=detail)
        return web.json_response({"status": "ready"})

    async def metrics(_request: web.Request) -> web.Response:
        return web.Response(body=await scrape(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    READY.set_function(lambda: float(not any(reasons())))
    LOOPS_STOPPED.set_function(lambda: float(sum(task.done() for task in pipeline.tasks)))
    return [
        web.get("/health/live", live),
        web.get("/health/ready", ready),
        web.get("/health/startup", started),
        web.get("/metrics", metrics),
    ]


def measured(traces: Traces = OFF, leaving: asyncio.Event | None = None) -> Middleware:
    """Return what counts, times and traces every request, under its route's template: paths hold
    tokens. Once we are leaving, each connection ends with its answer."""
    leaving = leaving or asyncio.Event()

    @web.middleware
    async def measure(request: web.Request, handler: Handler) -> web.StreamResponse:
        method = request.method if request.method in _METHODS else "other"
        resource = request.match_info.route.resource
        route = resource.canonical if resource is not None else _UNMATCHED
        status = 500
        began = time.perf_counter()
        with traces.request(method, route) as span:
            try:
                response = await handler(request)
                status = response.status
                if leaving.is_set():
                    response.force_close()
            except web.HTTPException as answer:
                status = answer.status
                raise
            except StoreUnavailable as error:  # met where a page looked something up
                _LOG.error("store cannot be asked", code=error.code, route=route)
                status, again = 503, {"Retry-After": "10"}
                response = problem(503, "unavailable", "Cannot look that up now", headers=again)
            finally:
                HTTP_REQUESTS.labels(method, route, str(status)).inc()
                HTTP_SECONDS.labels(route).observe(time.perf_counter() - began)
                span.say(**{"http.response.status_code": status})
        return response

    return measure
