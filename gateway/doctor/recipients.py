"""Recipients: whether each can be reached, and sealed to."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from gateway.doctor.asked import Asked
from gateway.doctor.finding import Finding, error, ok, unknown, warning
from gateway.key_warnings import key_warnings
from gateway.model.party import Recipient
from gateway.store import directory
from gateway.store.trouble import TROUBLES

_NAMED: Final = 5  # of those concerned
_KEYS: Final = "`throughgate keys check` names them all: docs/directory.md, Keys."


def examine(asked: Asked) -> Iterator[Finding]:
    """Yield which recipients nothing reaches, and whose keys end or cannot be used."""
    try:
        with asked.reader() as connection:
            found = list(directory.recipients(connection).values())
    except TROUBLES:
        yield unknown("recipients", "The directory cannot be read.", "See the other findings.")
        return
    if not found:
        yield warning("recipients.registered", "Nobody is registered: nobody can be told.",
                      "`throughgate recipients import`")  # fmt: skip
        return
    yield ok("recipients.registered", f"{len(found)} recipients are registered.")
    yield _reached(asked, found)
    warnings = list(key_warnings(found, asked.now))
    unusable = [one.endpoint for one in warnings if one.unusable]
    ending = [one.endpoint for one in warnings if one.within_days]
    if unusable:
        yield error("recipients.keys", f"No key may be used of {_few(unusable)}.", _KEYS)
    if ending:
        yield warning("recipients.keys", f"A key ends soon of {_few(ending)}.", _KEYS)
    if not warnings:
        yield ok("recipients.keys", "Every endpoint that needs a key has one that holds.")


def _reached(asked: Asked, found: Iterable[Recipient]) -> Finding:
    """Return whether everybody has an endpoint whose channel this gateway has."""
    config = asked.config
    there = {"webhook"} | {
        name
        for name, section in (("email", config.email), ("sms", config.sms), ("mesh", config.mesh))
        if section is not None or config.simulator.enabled
    }
    none = [
        one.id
        for one in found
        if not any(
            endpoint.channel in there and not endpoint.exercise for endpoint in one.endpoints
        )
    ]
    if none:
        return error(
            "recipients.endpoints",
            f"No channel that is configured reaches {_few(none)}.",
            "Give each an endpoint, or configure its channel: docs/directory.md.",
        )
    return ok("recipients.endpoints", "A channel that is configured reaches every recipient.")


def _few(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_NAMED])
    return shown if len(names) <= _NAMED else f"{shown} and {len(names) - _NAMED} more"
