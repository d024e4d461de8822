"""What each worker counts for its operators. Labels are closed sets: no id, address or person's
name is ever a label; a feed goes by its name in the configuration.

What the store knows is measured when somebody asks (`gateway.gauges`).
"""

from typing import Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
)

disable_created_metrics()  # type: ignore[no-untyped-call]

REGISTRY = CollectorRegistry()

_SHORT: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)
_LONG: Final = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 14_400, 86_400)
_MANY: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)

REQUESTS = Counter(
    "throughgate_requests_total",
    "Requests to post events, by answer",
    ["status"],
    registry=REGISTRY,
)
EVENTS = Counter("throughgate_events_total", "Events accepted", ["kind"], registry=REGISTRY)
DECISIONS = Counter(
    "throughgate_decisions_total", "Decisions, by answer", ["answer"], registry=REGISTRY
)
ATTEMPTS = Counter(
    "throughgate_attempts_total",
    "Attempts to deliver, by resulting state",
    ["channel", "state"],
    registry=REGISTRY,
)
BREAKER_CHANGES = Counter(
    "throughgate_breaker_changes_total",
    "Endpoints that were left alone (opened) or answered again (closed)",
    ["channel", "change"],
    registry=REGISTRY,
)
BREAKERS_OPEN = Gauge(
    "throughgate_breakers_open",
    "Endpoints left alone now, since they failed again and again",
    ["channel"],
    registry=REGISTRY,
)
RENDITIONS = Counter(
    "throughgate_renditions_total",
    "Alerts put into a recipient's own form, by form and outcome: made, declined or failed",
    ["form", "outcome"],
    registry=REGISTRY,
)
TEXTS_HEARD = Counter(
    "throughgate_texts_heard_total",
    "Receipts of texts and replies to them that were posted here, by verdict",
    ["what", "verdict"],
    registry=REGISTRY,
)
FED = Counter(
    "throughgate_fed_messages_total",
    "Messages fetched by a feed, by verdict",
    ["feed", "verdict"],
    registry=REGISTRY,
)
FEED_UP = Gauge(
    "throughgate_feed_up",
    "Whether a feed runs (1) or waits to try again (0)",
    ["feed"],
    registry=REGISTRY,
)
UNDECIDED = Gauge(
    "throughgate_undecided_events",
    "Accepted events awaiting a decision that this worker has taken up",
    registry=REGISTRY,
)
KEY_PROBLEMS = Counter(
    "throughgate_key_problems_total", "Endpoints whose key could not be used", registry=REGISTRY
)
BOUNCES = Counter(
    "throughgate_bounces_total",
    "Reports of what became of mail, by code",
    ["code"],
    registry=REGISTRY,
)
DECISION_SECONDS = Histogram(
    "throughgate_decision_seconds",
    "From an event's acceptance to its decision, its hold included",
    buckets=_LONG,
    registry=REGISTRY,
)
FIRST_ATTEMPT_SECONDS = Histogram(
    "throughgate_first_attempt_seconds",
    "From an event's acceptance to the end of the first attempt over an endpoint, by lane",
    ["lane"],
    buckets=_LONG,
    registry=REGISTRY,
)
ANSWERS = Counter(
    "throughgate_answers_total",
    "What recipients said of alerts, each once, by answer and means",
    ["answer", "means"],
    registry=REGISTRY,
)
ESCALATIONS = Counter(
    "throughgate_escalations_total",
    "Alerts that went on to the next step or person, by why",
    ["reason"],
    registry=REGISTRY,
)
COMMIT_SECONDS = Histogram(
    "throughgate_commit_seconds",
    "One transaction of the store, made durable",
    buckets=_SHORT,
    registry=REGISTRY,
)
COMMIT_BATCH = Histogram(
    "throughgate_commit_batch",
    "Units of work that shared one transaction",
    buckets=_MANY,
    registry=REGISTRY,
)
STORE_REFUSALS = Counter(
    "throughgate_store_refusals_total",
    "Transactions that the store could not make, by code",
    ["code"],
    registry=REGISTRY,
)
CHECKPOINT_AT = Gauge(
    "throughgate_checkpoint_timestamp_seconds",
    "When this worker last signed a checkpoint, in seconds since 1970",
    registry=REGISTRY,
)
HTTP_REQUESTS = Counter(
    "throughgate_http_requests_total",
    "Requests answered, by method, route template and status",
    ["method", "route", "status"],
    registry=REGISTRY,
)
HTTP_SECONDS = Histogram(
    "throughgate_http_request_seconds",
    "Requests answered, by route template",
    ["route"],
    buckets=_SHORT,
    registry=REGISTRY,
)
READY = Gauge(
    "throughgate_ready",
    "Whether this worker's loops run and its store takes work (1), or not (0)",
    registry=REGISTRY,
)
LOOPS_STOPPED = Gauge(
    "throughgate_loops_stopped", "Loops of this worker that have ended", registry=REGISTRY
)
