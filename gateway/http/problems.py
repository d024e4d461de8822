"""RFC 9457 problem details: one shape for every refusal, never a value from the request."""

from collections.abc import Mapping, Sequence

import orjson
from aiohttp import web

from gateway.model.problem import Problem


def problem(
    status: int,
    code: str,
    title: str,
    *,
    detail: str | None = None,
    problems: Sequence[Problem] = (),
    headers: Mapping[str, str] | None = None,
) -> web.Response:
    """Return a problem response. `code` is stable; `detail` says what to do."""
    body: dict[str, object] = {
        "type": f"urn:throughgate:problem:{code}",
        "title": title,
        "status": status,
    }
    if detail:
        body["detail"] = detail
    if problems:
        body["problems"] = [{"path": one.path, "reason": one.reason} for one in problems]
    return web.Response(
        status=status,
        body=orjson.dumps(body),
        content_type="application/problem+json",
        headers=headers,
    )
