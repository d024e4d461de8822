"""What operators see of a gateway, taken apart."""

import contextlib
import re
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field

import structlog
from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from prometheus_client.parser import text_string_to_metric_families

import gateway.spread.health  # noqa: F401 - its metrics are there where Redis is
from gateway import exposition, gauges
from gateway.metrics import REGISTRY

_NAME = re.compile(r"\bthroughgate_[a-z0-9_]+")
_PARTS = ("_bucket", "_sum", "_count")

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def samples(text: str) -> Samples:
    """Return the samples of an exposition by name and labels."""
    return {
        (one.name, frozenset(one.labels.items())): one.value
        for family in text_string_to_metric_families(text)
        for one in family.samples
    }


def known_metrics() -> dict[str, tuple[str, ...]]:
    """Return every metric there is with its labels, as it is named in an expression."""
    found = {name: labels for name, (_, labels) in gauges.DESCRIBED.items()}
    found |= dict.fromkeys(exposition.DESCRIBED, ())
    for family in REGISTRY._collector_to_names:
        name = family._name + ("_total" if family._type == "counter" else "")  # type: ignore[attr-defined]
        found[name] = tuple(family._labelnames)  # type: ignore[attr-defined]
    return found


def named_in(expression: str) -> set[str]:
    """Return the metrics an expression names, a histogram by its family's name."""
    known = known_metrics()
    found = set()
    for name in _NAME.findall(expression):
        stem = next((name.removesuffix(part) for part in _PARTS if name.endswith(part)), name)
        found.add(stem if stem in known else name)
    return found


@dataclass(slots=True)
class Collector:
    """An OpenTelemetry collector's receiver: keeps what it is sent, decoded and as it came."""

    url: str = ""
    bodies: list[bytes] = field(default_factory=list)

    @property
    def spans(self) -> list[Span]:
        """Return every span that arrived."""
        found: list[Span] = []
        for body in self.bodies:
            request = ExportTraceServiceRequest.FromString(body)
            for resource in request.resource_spans:
                for scope in resource.scope_spans:
                    found.extend(scope.spans)
        return found

    def stages(self) -> dict[str, list[Span]]:
        """Return the spans that are no requests, by name."""
        found: dict[str, list[Span]] = {}
        for span in self.spans:
            if "stage" in attributes(span):
                found.setdefault(span.name, []).append(span)
        return found


def attributes(span: Span) -> dict[str, str | int]:
    """Return a span's attributes."""
    return {one.key: one.value.string_value or int(one.value.int_value) for one in span.attributes}


@contextlib.asynccontextmanager
async def collector() -> AsyncIterator[Collector]:
    """Receive spans on loopback until the block ends."""
    kept = Collector()

    async def take(request: web.Request) -> web.Response:
        assert request.content_type == "application/x-protobuf"
        kept.bodies.append(await request.read())
        return web.Response(body=b"", content_type="application/x-protobuf")

    application = web.Application()
    application.add_routes([web.post("/v1/traces", take)])
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    kept.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1/traces"
    try:
        yield kept
    finally:
        await runner.cleanup()


@contextlib.contextmanager
def logging_anew() -> Iterator[None]:
    """Let loggers take in how they are configured inside the block, and forget it afterwards."""
    before = structlog.get_config()
    _forget()
    try:
        yield
    finally:
        structlog.configure(**before)
        _forget()


def _forget() -> None:
    for module in list(sys.modules.values()):
        kept = getattr(getattr(module, "_LOG", None), "__dict__", {})
        kept.pop("bind", None)  # what structlog remembers of its first use
