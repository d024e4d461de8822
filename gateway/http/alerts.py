"""What a recipient's system says of an alert it opened: that a human has it, or has not.

The token travels inside the seal alone, so having it is having opened the alert. An unknown alert
and a wrong token are one answer.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final, cast

from aiohttp import web

from gateway.answering import Answering
from gateway.disclosure_log.operation import timestamp
from gateway.http.problems import problem
from gateway.model.alert_answer import ANSWERS, REJECTIONS
from gateway.model.alert_state import Answer
from gateway.model.ids import AlertId
from gateway.model.problem import MalformedEvent, Problem
from gateway.model.reference import reference
from gateway.model.strict_json import Json, JsonObject, read_object
from gateway.store import alerts
from gateway.store.alerts import AlertRow, AnswerResult
from gateway.store.sqlite import StoreUnavailable

MAX_BODY_BYTES: Final = 4096
STAFF: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/\-]{0,63}")

_MEMBERS: Final = {"answer", "reason", "by"}
_BEARER: Final = re.compile(r"[Bb]earer +([A-Za-z0-9_-]{1,64})")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Said:
    answer: Answer
    reason: str | None
    by: str | None


def routes(answering: Answering) -> list[web.RouteDef]:
    """Return the routes of alerts."""

    async def show(request: web.Request) -> web.Response:
        alert = AlertId(request.match_info["alert"])
        row = answering.opened(alert, _token(request))
        return _not_found() if row is None else _answered(answering, row)

    async def answer(request: web.Request) -> web.Response:
        alert, token = AlertId(request.match_info["alert"]), _token(request)
        if not answering.links.is_answer(token, alert):
            return _not_found()
        try:
            said = _read(await _body(request))
            result = await answering.answer(
                alert, token, said.answer, means="api", by=said.by, reason=said.reason
            )
        except web.HTTPRequestEntityTooLarge:
            detail = f"at most {MAX_BODY_BYTES} bytes"
            return problem(413, "too-large", "Body too large", detail=detail)
        except MalformedEvent as error:
            return problem(400, "malformed-answer", "Not an answer", problems=error.problems)
        except StoreUnavailable as error:
            headers = {"Retry-After": "10"}
            return problem(503, error.code, "The store cannot take this now", headers=headers)
        row = alerts.find(answering.store.reader, alert)
        if row is None or result.verdict == "unknown":
            return _not_found()
        return _refused(result) or _answered(answering, row)

    return [
        web.get("/v1/alerts/{alert}", show),
        web.post("/v1/alerts/{alert}/answer", answer),
    ]


def _token(request: web.Request) -> str:
    given = _BEARER.fullmatch(request.headers.get("Authorization", ""))
    return given[1] if given else ""


async def _body(request: web.Request) -> bytes:
    if (request.content_length or 0) > MAX_BODY_BYTES:
        raise web.HTTPRequestEntityTooLarge(MAX_BODY_BYTES, request.content_length or 0)
    body = bytearray()
    async for chunk in request.content.iter_any():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise web.HTTPRequestEntityTooLarge(MAX_BODY_BYTES, len(body))
    return bytes(body)


def _read(body: bytes) -> _Said:
    """Return what a body says.

    Raises:
        MalformedEvent: not JSON, or a member is missing, unknown or not of its list.
    """
    asked = read_object(body)
    said, reason, by = (asked.get(name) for name in ("answer", "reason", "by"))
    faults: list[Problem] = []
    if asked.keys() - _MEMBERS:
        faults.append(Problem(path="$", reason=f"members are {', '.join(sorted(_MEMBERS))}"))
    if said not in ANSWERS:
        faults.append(Problem(path="$.answer", reason=f"one of {', '.join(ANSWERS)}"))
    if (said == "rejected") != (reason is not None) or (
        reason is not None and reason not in REJECTIONS
    ):
        codes = ", ".join(REJECTIONS)
        faults.append(Problem(path="$.reason", reason=f"of a rejection and no other: {codes}"))
    if by is not None and not (isinstance(by, str) and STAFF.fullmatch(by)):
        faults.append(Problem(path="$.by", reason="a role or staff id, never a name"))
    if faults:
        raise MalformedEvent(*faults)
    return _Said(answer=cast("Answer", said), reason=_text(reason), by=_text(by))


def _text(value: Json) -> str | None:
    return value if isinstance(value, str) else None


def _refused(result: AnswerResult) -> web.Response | None:
    if result.verdict in {"taken", "repeated"}:
        return None
    if result.verdict == "recalled":
        detail = "the alert was recalled: it may be acknowledged, and is to be disregarded"
    else:
        detail = f"the alert stands at {result.state}: answers only go forward"
    return problem(409, "answer-not-taken", "Not an answer to this any more", detail=detail)


def _not_found() -> web.Response:
    return problem(404, "not-found", "No alert this token is of")


def _answered(answering: Answering, row: AlertRow) -> web.Response:
    headers = {"Cache-Control": "no-store"}
    return web.json_response(alert_json(answering, row), headers=headers)


def alert_json(answering: Answering, row: AlertRow) -> JsonObject:
    """Return where an alert stands, without anything of what it says. Reads only."""
    connection = answering.store.reader
    return {
        "alert": row.id,
        "reference": reference(row.id),
        "message": row.message,
        "state": alerts.state(connection, row, answering.now()),
        "decided_at": timestamp(row.decided_at),
        "answer": row.answer,
        "answered_at": _time(row.answered_at),
        "answer_by": _time(row.answer_by),
        "collected_at": _time(row.collected_at),
        "escalated": row.rung,
        "recalled": row.recalled,
        "ways": [one.shown() for one in alerts.ways_of(connection, row.id)],
    }


def _time(at: datetime | None) -> str | None:
    return timestamp(at) if at else None
