"""What operators count. Labels are closed sets: no id, address or name is ever a label."""

from prometheus_client import CollectorRegistry, Counter, Gauge

REGISTRY = CollectorRegistry()

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
UNDECIDED = Gauge(
    "throughgate_undecided_events", "Accepted events awaiting a decision", registry=REGISTRY
)
KEY_PROBLEMS = Counter(
    "throughgate_key_problems_total", "Endpoints whose key could not be used", registry=REGISTRY
)
