"""The rulebook: that it loads, and that it is the one this instance decides by."""

from collections.abc import Iterator

from gateway.doctor.asked import Asked
from gateway.doctor.finding import Finding, error, ok, unknown, warning
from gateway.instance import load_law
from gateway.store.trouble import TROUBLES
from policies.problem import BadRulebook

_SHOWN = 12  # characters of a digest


def examine(asked: Asked) -> Iterator[Finding]:
    """Yield whether the rulebook that is configured loads, and is in force."""
    try:
        digest = load_law(asked.config).rulebook.digest
    except BadRulebook as trouble:
        yield error("law.rulebook", f"The rulebook does not load: {trouble.code}.",
                    "`throughgate policy check` says where.")  # fmt: skip
        return
    yield ok("law.rulebook", f"The rulebook loads: {digest[:_SHOWN]}.")
    try:
        with asked.reader() as connection:
            in_force = connection.execute("SELECT value FROM setting WHERE name = 'rulebook'").get
    except TROUBLES:
        yield unknown("law.in-force", "Which rulebook is in force cannot be read.",
                      "See the other findings.")  # fmt: skip
        return
    if in_force == digest:
        yield ok("law.in-force", "It is the one this instance decides by.")
    elif asked.config.policy.adoption == "two-person":
        yield warning("law.in-force", "Another rulebook is in force than the one configured.",
                      "`throughgate policy adopt`, and a second person.")  # fmt: skip
    else:
        yield warning("law.in-force", "The gateway will decide by another rulebook once started.",
                      "`throughgate policy diff` shows what changes.")  # fmt: skip
