"""What an agency format must offer, and the one extra way in which it may refuse."""

import re
from typing import Final, Protocol, runtime_checkable

from gateway.model.event import CanonicalEvent
from gateway.model.problem import MalformedEvent, Problem

_EVENT_TYPE: Final = re.compile(r"[a-z0-9-]{1,60}(\.[a-z0-9-]{1,60}){0,7}")


class UnsupportedEvent(MalformedEvent):
    """A well-formed event that is not translated.

    `needs_human`: it may well concern someone who must be told of, but what it reports cannot be
    told for certain (contradictory or unknown codes), so somebody has to look. False: this event
    type is none of the gateway's business.
    """

    def __init__(self, problem: Problem, *, event_type: str, needs_human: bool = False) -> None:
        super().__init__(problem)
        # The sender chose this text: only a plain dotted name may reach a log or an answer.
        self.event_type: str | None = event_type if _EVENT_TYPE.fullmatch(event_type) else None
        self.needs_human = needs_human


@runtime_checkable
class Adapter(Protocol):
    """One agency format. Stateless; one instance serves every request."""

    @property
    def name(self) -> str:
        """The entry point's name, as in ``/v1/events/{adapter}``."""

    def translate(self, body: bytes, *, source: str) -> tuple[CanonicalEvent, ...]:
        """Return what this message reports, in order; the same bytes always give the same events.

        Args:
            body: One whole message, its length bounded by the caller, from a verified sender.
            source: The sending agency's URN; every event carries it, whatever the body claims.

        Returns:
            Events that `parse_cloudevent` accepts: every group with its provenance (DPA 2018
            s.38), no fact that the message does not state, and ids that a repeat repeats.

        Raises:
            MalformedEvent: bytes that cannot be read; no other exception, whatever the bytes.
            UnsupportedEvent: readable, and not translated.

        Pure.
        """
