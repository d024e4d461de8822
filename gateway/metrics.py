"""What operators count. Labels are closed sets: no id, address or person's name is ever a label; a
feed goes by its name in the configuration."""

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
    "throughgate_undecided_events", "Accepted events awaiting a decision", registry=REGISTRY
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
