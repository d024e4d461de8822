"""What operators' machines call: health, readiness, metrics."""

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from gateway.http.problems import problem
from gateway.metrics import REGISTRY
from gateway.pipeline import Pipeline


def routes(pipeline: Pipeline) -> list[web.RouteDef]:
    """Return the operators' routes."""

    async def live(_request: web.Request) -> web.Response:
        return web.json_response({"status": "live"})

    async def ready(_request: web.Request) -> web.Response:
        ended = [task.get_name() for task in pipeline.tasks if task.done()]
        if ended:
            return problem(503, "not-ready", "A loop has stopped", detail=", ".join(ended))
        return web.json_response({"status": "ready"})

    async def metrics(_request: web.Request) -> web.Response:
        return web.Response(
            body=generate_latest(REGISTRY), headers={"Content-Type": CONTENT_TYPE_LATEST}
        )

    return [
        web.get("/health/live", live),
        web.get("/health/ready", ready),
        web.get("/metrics", metrics),
    ]
