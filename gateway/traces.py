"""Traces for operators: one span for each stage of an event's way, and one for each request.

A span says which stage, how long, and what is on the list below; never whom it was about. The spans
of one event hang together by a trace id that only this instance could compute: an HMAC over the
event's reference, which itself is not in any span. A request's span has the route's template,
never its path: paths hold tokens.

Off unless `[telemetry]` is configured; then `OFF` stands in, which does nothing.
Source: OpenTelemetry trace specification 1.x; OTLP/HTTP 1.x (protobuf).
"""

import hashlib
import hmac
import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, Literal, Protocol

from gateway import clock
from gateway.config import BadConfig
from gateway.config.telemetry import TelemetryConfig

Stage = Literal["receive", "decide", "disclose", "commit", "attempt", "acknowledge"]

# What a span may say besides its name and its times. Everything else is dropped.
ATTRIBUTES: Final = frozenset(
    {
        "stage", "kind", "outcome", "channel", "events", "permits", "refusals", "disclosures",
        "http.request.method", "http.route", "http.response.status_code",
    }
)  # fmt: skip

_LONGEST: Final = 64  # characters of a value
_EXPORT_TIMEOUT_S: Final = 5.0
_TRACE_BYTES: Final = 16
_SPAN_BYTES: Final = 8
_WHOLE: Final = 2**64

Value = str | int


@dataclass(slots=True)
class Span:
    """A stage under way. What is put into it is looked through when it ends."""

    attributes: dict[str, Value] = field(default_factory=dict)
    events: list[str] = field(default_factory=list)  # references of what it is about

    def say(self, **attributes: Value) -> None:
        """Add attributes; those not on the list are dropped."""
        self.attributes.update(attributes)

    def about(self, *events: str) -> None:
        """Say which events the stage is about. Their references never leave."""
        self.events.extend(events)


class Traces(Protocol):
    """Where spans go."""

    def stage(
        self, stage: Stage, *events: str, **attributes: Value
    ) -> AbstractContextManager[Span]:
        """Return a context that spans a stage of these events' way, if it is known already."""

    def request(self, method: str, route: str) -> AbstractContextManager[Span]:
        """Return a context that spans one request, named by its route's template."""

    def close(self) -> None:
        """Send what is left, and stop. Blocks for some seconds at most."""


class _Nothing(Span, AbstractContextManager[Span]):
    """The span of a gateway without traces: remembers nothing."""

    __slots__ = ()

    def say(self, **_attributes: Value) -> None:
        """Do nothing."""

    def about(self, *_events: str) -> None:
        """Do nothing."""

    def __enter__(self) -> Span:
        return self

    def __exit__(self, *_raised: object) -> None:
        return None


class _Off:
    """No traces: one object, made once, that does nothing."""

    _span: Final = _Nothing()

    def stage(
        self,
        stage: Stage,  # noqa: ARG002 - the form of `Traces`
        *events: str,  # noqa: ARG002
        **attributes: Value,  # noqa: ARG002
    ) -> AbstractContextManager[Span]:
        """Return a context that does nothing."""
        return self._span

    def request(self, method: str, route: str) -> AbstractContextManager[Span]:  # noqa: ARG002
        """Return a context that does nothing."""
        return self._span

    def close(self) -> None:
        """Do nothing."""


OFF: Final[Traces] = _Off()


def traces_of(section: TelemetryConfig | None, *, instance: str, key: bytes) -> Traces:
    """Return where a gateway's spans go.

    Args:
        section: None: nowhere.
        instance: The gateway's name, as the collector sees it.
        key: 32 bytes that trace ids are derived with; the instance's own.

    Raises:
        BadConfig: `[telemetry]` is set and the extra `otel` is not installed.
    """
    if section is None:
        return OFF
    try:
        exporting = _exporting(section, instance)
    except ImportError:
        raise BadConfig(
            "telemetry: needs the extra otel: pip install 'throughgate[otel]'"
        ) from None
    return OtelTraces(exporting, key=key, sample=section.sample)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Exporting:
    """The parts of OpenTelemetry that are used, so that nothing is imported without the extra."""

    provider: Any
    tracer: Any
    ids: Any
    parent: Callable[[int, int], Any]  # trace id, span id -> context


def _exporting(section: TelemetryConfig, instance: str) -> _Exporting:
    from opentelemetry import trace
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
    from opentelemetry.sdk.trace.sampling import ALWAYS_ON

    class Ids(RandomIdGenerator):
        """Random, but for a span whose ids were settled just before it is made."""

        def __init__(self) -> None:
            self.settled: tuple[int, int] | None = None

        def generate_trace_id(self) -> int:
            return self.settled[0] if self.settled else super().generate_trace_id()

        def generate_span_id(self) -> int:
            return self.settled[1] if self.settled else super().generate_span_id()

    ids = Ids()
    # Not `Resource.create`: that would add what the environment and the machine say of themselves.
    resource = Resource({"service.name": "throughgate", "service.instance.id": instance})
    provider = TracerProvider(
        resource=resource, sampler=ALWAYS_ON, id_generator=ids, shutdown_on_exit=False
    )
    exporter = OTLPSpanExporter(endpoint=section.otlp_endpoint, timeout=_EXPORT_TIMEOUT_S)
    provider.add_span_processor(BatchSpanProcessor(exporter))

    def parent(trace_id: int, span_id: int) -> Any:  # noqa: ANN401 - opaque to us
        context = trace.SpanContext(
            trace_id, span_id, is_remote=True, trace_flags=trace.TraceFlags(1)
        )
        return trace.set_span_in_context(trace.NonRecordingSpan(context))

    return _Exporting(
        provider=provider, tracer=provider.get_tracer("throughgate"), ids=ids, parent=parent
    )


class OtelTraces:
    """Spans to an OpenTelemetry collector. Used by one event loop; exports in a thread."""

    def __init__(self, exporting: _Exporting, *, key: bytes, sample: float) -> None:
        self._with = exporting
        self._key = key
        self._sample = sample

    @contextmanager
    def stage(self, stage: Stage, *events: str, **attributes: Value) -> Iterator[Span]:
        """Span a stage; one span for each event it is about when it ends, none where none is."""
        span = Span(dict(attributes), list(events))
        began = clock.nanoseconds()
        try:
            yield span
        except BaseException as error:
            span.say(outcome=f"fault-{type(error).__name__}")
            raise
        finally:
            ended = clock.nanoseconds()
            for event in dict.fromkeys(span.events):
                self._emit(stage, event, {**span.attributes, "stage": stage}, began, ended)

    @contextmanager
    def request(self, method: str, route: str) -> Iterator[Span]:
        """Span one request, in a trace of its own."""
        span = Span({"http.request.method": method, "http.route": route})
        began = clock.nanoseconds()
        try:
            yield span
        finally:
            if self._is_sampled(random.getrandbits(64)):
                made = self._with.tracer.start_span(
                    f"{method} {route}",
                    context=_root(),
                    attributes=allowed(span.attributes),
                    start_time=began,
                )
                made.end(clock.nanoseconds())

    def close(self) -> None:
        """Send what is left, and stop. Blocks for some seconds at most."""
        self._with.provider.shutdown()

    def _emit(
        self, stage: Stage, event: str, said: Mapping[str, Value], began: int, ended: int
    ) -> None:
        digest = hmac.new(self._key, event.encode(), hashlib.sha256).digest()
        trace_id = int.from_bytes(digest[:_TRACE_BYTES])
        first = int.from_bytes(digest[_TRACE_BYTES : _TRACE_BYTES + _SPAN_BYTES])
        if not self._is_sampled(trace_id % _WHOLE):  # all of an event's stages, or none
            return
        root = stage == "receive"
        self._with.ids.settled = (trace_id, first) if root else None
        try:
            made = self._with.tracer.start_span(
                stage,
                context=_root() if root else self._with.parent(trace_id, first),
                attributes=allowed(said),
                start_time=began,
            )
        finally:
            self._with.ids.settled = None
        made.end(ended)

    def _is_sampled(self, number: int) -> bool:
        return number < self._sample * _WHOLE


def allowed(attributes: Mapping[str, Value]) -> dict[str, Value]:
    """Return the attributes on the list, their text cut short. Pure."""
    return {
        name: value[:_LONGEST] if isinstance(value, str) else value
        for name, value in attributes.items()
        if name in ATTRIBUTES
    }


def _root() -> Any:  # noqa: ANN401 - opaque to us
    from opentelemetry.context import Context

    return Context()
