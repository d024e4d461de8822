"""What agencies call: post events, read the schemas and the list of adapters."""

import asyncio
from collections.abc import Mapping
from contextlib import nullcontext
from typing import Final

import orjson
from aiohttp import web

from adapters.contract import Adapter, UnsupportedEvent
from gateway.adapters_of import described
from gateway.event_queue import Pushback
from gateway.http.problems import problem
from gateway.metrics import REQUESTS
from gateway.model.posted import Conflict, Receipt
from gateway.model.problem import MalformedEvent
from gateway.model.schemas import POSTED, schema_for, schema_index
from gateway.pipeline import Pipeline
from gateway.receive import (
    BATCH,
    MAX_BATCH_BYTES,
    MAX_BODY_BYTES,
    NotAllowed,
    Request,
    UnsupportedContent,
    UntrustedSource,
)
from gateway.store.acceptance import CorrectsUnknown
from gateway.store.sqlite import StoreUnavailable

_LARGE_AT_ONCE: Final = 8  # bodies over the common bound, in memory until they are answered
_LARGE_WITHIN_S: Final = 20.0


def routes(pipeline: Pipeline, adapters: Mapping[str, Adapter]) -> list[web.RouteDef]:
    """Return the agencies' routes."""
    room = asyncio.Semaphore(_LARGE_AT_ONCE)

    async def post(request: web.Request) -> web.Response:
        large = _is_large(request)
        if large and room.locked():
            response = _later("behind", "Too much is waiting", 1)
        else:
            async with room if large else nullcontext():
                response = await _answered(pipeline, request)
        REQUESTS.labels(str(response.status)).inc()
        return response

    async def list_adapters(_request: web.Request) -> web.Response:
        return _json({"adapters": [described(one) for one in adapters.values()]})

    async def list_schemas(_request: web.Request) -> web.Response:
        return _json(schema_index())

    async def one_schema(request: web.Request) -> web.Response:
        kind = request.match_info["kind"]
        if kind not in POSTED:
            return problem(404, "not-found", "No such schema")
        return _json(schema_for(kind), "application/schema+json")

    return [
        web.post("/v1/events", post),
        web.post("/v1/events/{adapter}", post),
        web.get("/v1/adapters", list_adapters),
        web.get("/v1/schemas/", list_schemas),
        web.get("/v1/schemas/{kind}", one_schema),
    ]


async def _answered(pipeline: Pipeline, request: web.Request) -> web.Response:
    try:
        return await _answer(pipeline, request)
    except TimeoutError:
        return problem(408, "too-slow", "The body did not come in time")


async def _answer(pipeline: Pipeline, request: web.Request) -> web.Response:
    try:
        answer = await pipeline.post(await _read(request))
    except MalformedEvent as error:
        return _malformed(error)
    except UntrustedSource as error:
        return _untrusted(error)
    except CorrectsUnknown:
        return problem(
            422,
            "corrects-unknown",
            "It corrects or retracts an event never received",
            detail="corrects is the id of an earlier event of the same source; post that one first",
        )
    except NotAllowed as error:
        return problem(403, "not-allowed", "This agency may not post this", detail=str(error))
    except UnsupportedContent as error:
        return problem(
            415, "unsupported-content", "Not a form this gateway takes", detail=str(error)
        )
    except web.HTTPRequestEntityTooLarge:
        return problem(413, "too-large", "Body too large", detail=_TOO_LARGE)
    except Pushback as error:
        return _later("behind", "Too much is waiting", error.retry_after_s)
    except StoreUnavailable as error:
        return _later(error.code, "The store cannot take this now", 10)
    if isinstance(answer, Conflict):
        return problem(
            409,
            f"{answer.what}-id-reused",
            "That id was used before with other bytes",
            detail="repeat a request byte for byte, or use a new id",
        )
    return _receipt(answer)


_TOO_LARGE: Final = (
    f"at most {MAX_BODY_BYTES} bytes; a batch ({BATCH}) with Content-Length, {MAX_BATCH_BYTES}"
)


def _is_large(request: web.Request) -> bool:
    """Return whether a body may be, and says it is, longer than the common bound."""
    return (
        request.content_type == BATCH
        and "adapter" not in request.match_info
        and (request.content_length or 0) > MAX_BODY_BYTES
    )


async def _read(request: web.Request) -> Request:
    """Read the whole body, but only if it comes as it is: nothing is ever decompressed."""
    headers = {name.lower(): value for name, value in request.headers.items()}
    if headers.get("content-encoding", "identity").lower() not in {"identity", ""}:
        raise UnsupportedContent("send the body without Content-Encoding")
    if _is_large(request):
        async with asyncio.timeout(_LARGE_WITHIN_S):
            body = await request.clone(client_max_size=MAX_BATCH_BYTES).read()
    else:
        body = await request.read()
    return Request(headers=headers, body=body, adapter=request.match_info.get("adapter"))


def _receipt(receipt: Receipt) -> web.Response:
    return web.Response(
        status=202,
        body=orjson.dumps({"receipt": receipt.id, "events": receipt.events}),
        content_type="application/json",
    )


def _malformed(error: MalformedEvent) -> web.Response:
    if isinstance(error, UnsupportedEvent):
        return problem(
            422,
            "unsupported-event",
            "This adapter does not translate that event",
            problems=error.problems,
        )
    return problem(400, "malformed-event", "Not a well-formed event", problems=error.problems)


def _untrusted(error: UntrustedSource) -> web.Response:
    detail = (
        "webhook-timestamp is more than 300 s from this gateway's clock"
        if error.code == "stale"
        else "sign id.timestamp.body under Standard Webhooks with a registered key, and name the "
        "agency in Throughgate-Agency or as the CloudEvents source"
    )
    return problem(
        401,
        "untrusted-source",
        "The signature does not verify",
        detail=detail,
        headers={"WWW-Authenticate": 'StandardWebhooks realm="throughgate"'},
    )


def _later(code: str, title: str, retry_after_s: int) -> web.Response:
    return problem(503, code, title, headers={"Retry-After": str(retry_after_s)})


def _json(value: object, content_type: str = "application/json") -> web.Response:
    return web.Response(body=orjson.dumps(value), content_type=content_type)
