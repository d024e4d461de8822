"""What a source may be told of a message: the outcome of taking it, as a verdict with reasons.

| outcome | verdict |
|---|---|
| durable, now or before | accepted |
| understood, none of the gateway's business | accepted, `unsupported-event`; nothing is stored |
| behind, store unavailable, agency unknown or inactive | later |
| everything else | refused |

The first reason is a code; each that follows is a path and what is wrong there.
"""

from collections.abc import Awaitable
from typing import Final

import structlog

from adapters.contract import UnsupportedEvent
from gateway.event_queue import Pushback
from gateway.feeds.contract import Answer
from gateway.model.posted import Conflict, Receipt
from gateway.model.problem import MalformedEvent
from gateway.receive import Fed, NotAllowed, UnsupportedContent, UntrustedSource
from gateway.store.acceptance import CorrectsUnknown
from gateway.store.sqlite import StoreUnavailable

NOT_FOR_US: Final = "unsupported-event"
MAX_REASONS: Final = 100

_LOG = structlog.get_logger()


async def verdict(fed: Fed, taking: Awaitable[Receipt | Conflict]) -> Answer:
    """Wait for a message to be taken and return what became of it.

    Raises:
        Never, but for cancellation: a fault of our own refuses this message and no other.
    """
    try:
        taken = await taking
    except (Pushback, StoreUnavailable) as error:
        code = "behind" if isinstance(error, Pushback) else error.code
        return Answer(verdict="later", reasons=(code,))
    except UntrustedSource:
        return Answer(verdict="later", reasons=("agency-unknown",))
    except Exception as error:  # noqa: BLE001 - the feed goes on to the next message
        return _refusal(fed, error)
    if isinstance(taken, Conflict):
        return Answer(verdict="refused", reasons=(f"{taken.what}-id-reused",))
    return Answer(verdict="accepted")


def _refusal(fed: Fed, error: Exception) -> Answer:
    if isinstance(error, UnsupportedEvent):
        if not error.needs_human:
            return Answer(verdict="accepted", reasons=(NOT_FOR_US,))
        return Answer(verdict="refused", reasons=_reasons("event-needs-human", error))
    if isinstance(error, MalformedEvent):
        return Answer(verdict="refused", reasons=_reasons("malformed-event", error))
    if isinstance(error, NotAllowed):
        return Answer(verdict="refused", reasons=("not-allowed", str(error)))
    if isinstance(error, UnsupportedContent):
        return Answer(verdict="refused", reasons=("unsupported-content", str(error)))
    if isinstance(error, CorrectsUnknown):
        return Answer(verdict="refused", reasons=("corrects-unknown",))
    # Its text might quote the message; its class does not.
    _LOG.error("feed fault", feed=fed.feed, error=type(error).__name__)
    return Answer(verdict="refused", reasons=("fault",))


def _reasons(code: str, error: MalformedEvent) -> tuple[str, ...]:
    return (code, *(str(problem) for problem in error.problems[:MAX_REASONS]))
