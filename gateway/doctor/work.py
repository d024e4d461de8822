"""What is owed: how long events wait to be decided and alerts to leave and to be answered."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Final

from gateway.doctor.asked import Asked
from gateway.doctor.finding import Finding, error, ok, unknown, warning
from gateway.incidents import CODES
from gateway.store import gauges
from gateway.store.engine import Connection
from gateway.store.trouble import TROUBLES

_Readings = Mapping[tuple[str, tuple[str, ...]], float]

# Gauge, its labels, seconds: longer is a warning, or an error.
_AGES: Final = (
    ("undecided_oldest_seconds", (), 300, "error", "An event has waited {} to be decided.",
     "docs/runbook.md, Nothing is decided."),
    ("outbox_oldest_seconds", ("urgent",), 300, "error", "An urgent alert has waited {} to leave.",
     "docs/runbook.md, Alerts wait to leave."),
    ("outbox_oldest_seconds", ("routine",), 3600, "warning", "An alert has waited {} to leave.",
     "docs/runbook.md, Alerts wait to leave."),
    ("unacknowledged_oldest_seconds", ("urgent",), 3600, "warning",
     "An urgent alert has gone {} without an answer.",
     "docs/runbook.md, An urgent alert is not acknowledged."),
)  # fmt: skip
_COUNTS: Final = (
    ("dead_letters_day", ("dead",), "{} alerts were given up in the last day.",
     "docs/runbook.md, Dead letters."),
    ("dead_letters_day", ("rejected",), "{} alerts were rejected in the last day.",
     "docs/runbook.md, Dead letters."),
    ("duties", ("late",), "{} duties are late.", "`throughgate duties --late`"),
    ("tasks_open", (), "{} tasks wait for a person.",
     "`throughgate decisions list`, `throughgate person tasks`"),
    ("approvals_open", (), "{} proposals wait for a second person.",
     "`throughgate approvals list`"),
)  # fmt: skip


def examine(asked: Asked) -> Iterator[Finding]:
    """Yield what waits for too long, and whether a gateway is there to do it."""
    if asked.is_served():
        yield ok("work.serving", "A gateway serves this instance.")
    else:
        yield warning("work.serving", "No gateway serves this instance.", "`throughgate serve`")
    try:
        with asked.reader() as connection:
            readings = _read(connection, asked)
    except TROUBLES:
        yield unknown("work", "What is owed cannot be read.", "docs/runbook.md, The store failed.")
        return
    yield from _ages(readings)
    yield from _counts(readings)
    yield from _incidents(readings)


def _read(connection: Connection, asked: Asked) -> _Readings:
    zero = timedelta()
    found = (
        *gauges.of_work(connection, asked.now),
        *gauges.of_desk(connection, asked.now, idle=zero, absolute=zero),
        *gauges.of_duties(connection),
        *gauges.of_incidents(connection, CODES),
    )
    return {(one.name.removeprefix("throughgate_"), one.labels): one.value for one in found}


def _ages(readings: _Readings) -> Iterator[Finding]:
    for name, labels, longest, verdict, text, do in _AGES:
        check = f"work.{'-'.join((name.removesuffix('_seconds'), *labels)).replace('_', '-')}"
        seconds = readings.get((name, labels), 0.0)
        if seconds > longest:
            make = error if verdict == "error" else warning
            yield make(check, text.format(f"{int(seconds)} s"), do)
        else:
            yield ok(check, f"Nothing has waited here for longer than {longest} s.")


def _counts(readings: _Readings) -> Iterator[Finding]:
    for name, labels, text, do in _COUNTS:
        check = f"work.{'-'.join((name, *labels)).replace('_', '-')}"
        count = int(readings.get((name, labels), 0))
        yield warning(check, text.format(count), do) if count else ok(check, "None.")


def _incidents(readings: _Readings) -> Iterator[Finding]:
    open_now = {
        labels[0]: int(value)
        for (name, labels), value in readings.items()
        if name == "incidents_open" and value
    }
    if open_now:
        said = ", ".join(f"{code} ({count})" for code, count in sorted(open_now.items()))
        yield warning("work.incidents", f"Incidents are open: {said}.",
                      "docs/escalation.md, What the operator hears.")  # fmt: skip
    else:
        yield ok("work.incidents", "No incident is open.")
