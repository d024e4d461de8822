"""The [telemetry] section: where traces go. Off unless it is there."""

from typing import Annotated

from pydantic import Field

from gateway.config.section import Section


class TelemetryConfig(Section):
    """OpenTelemetry over HTTP (extra `otel`). Spans carry stages and times, no content."""

    otlp_endpoint: str  # ends in /v1/traces
    sample: Annotated[float, Field(ge=0, le=1)] = 1.0
