"""Every page of the console."""

from gateway.console.own import ConsoleOwn
from gateway.console.page import ConsoleRoute
from gateway.console.pages import (
    approvals,
    auditors,
    deliveries,
    disclosure,
    disclosures,
    duties,
    evidence,
    log,
    overview,
    people_tasks,
    person,
    recipients,
    rulebook,
    statistics,
)


def routes(own: ConsoleOwn) -> list[ConsoleRoute]:
    """Return them, in the order of the navigation."""
    return [
        *overview.routes(own),
        *disclosures.routes(own),
        *disclosure.routes(own),
        *evidence.routes(own),
        *person.routes(own),
        *people_tasks.routes(own),
        *duties.routes(own),
        *deliveries.routes(own),
        *recipients.routes(own),
        *rulebook.routes(own),
        *approvals.routes(own),
        *statistics.routes(own),
        *log.routes(own),
        *auditors.routes(own),
    ]
