"""What an agency format offers, and the one extra way in which it may refuse.

An adapter is a value: a name, and functions from bytes to events and from an alert to bytes. All of
them are pure: the same input always gives the same output.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

from adapters.kit.framing import whole
from gateway.model.alert import Alert
from gateway.model.event import CanonicalEvent
from gateway.model.problem import MalformedEvent, Problem

_EVENT_TYPE: Final = re.compile(r"[a-z0-9-]{1,60}(\.[a-z0-9-]{1,60}){0,7}")

Split: TypeAlias = Callable[[Iterable[bytes]], Iterator[bytes]]


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Translation:
    """What bytes report, in order, and what whoever made the format work should be told of them."""

    events: tuple[CanonicalEvent, ...]  # may be empty where `notes` say what was passed over
    unread: tuple[str, ...] = ()  # paths of members that this adapter does not know; plain names
    notes: tuple[Problem, ...] = ()  # a time without a zone, a record passed over, ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Inbound:
    """How an agency's bytes become events."""

    media_types: tuple[str, ...]  # for people; bytes are judged by what they are
    # One whole message and the sending agency's URN -> what it reports. Raises MalformedEvent or
    # UnsupportedEvent and nothing else, whatever the bytes; events pass `parse_cloudevent`, each
    # group with its provenance (DPA 2018 s.38), no fact the message does not state, ids that a
    # repeat repeats, `source` as given whatever the body claims.
    translate: Callable[[bytes, str], Translation]
    # A file or body in pieces of any size -> whole messages, holding no more than one in memory.
    split: Split = whole


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendition:
    """An alert in an agency's own form."""

    media_type: str
    file_name: str  # plain ASCII, names nobody
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class NotRendered:
    """This form has no way to say that; the alert itself is complete without it."""

    reasons: tuple[str, ...]  # never empty; quote no value


@dataclass(frozen=True, slots=True, kw_only=True)
class Outbound:
    """How an alert becomes an agency's own form. Says nothing that the alert does not say."""

    form: str  # its name among the adapter's forms: lower case, digits, hyphens
    media_type: str
    render: Callable[[Alert], Rendition | NotRendered]  # never raises


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapter:
    """One agency format, in either direction or both."""

    name: str  # the entry point's, as in ``/v1/events/{adapter}``
    title: str  # for people: whose form this is
    inbound: Inbound | None = None
    outbound: tuple[Outbound, ...] = ()  # the first is meant where no form is named

    def form(self, name: str | None = None) -> Outbound | None:
        """Return the outbound form of this name, the first for None; None if there is none."""
        return next((one for one in self.outbound if name in (None, one.form)), None)

    def translate(self, body: bytes, *, source: str) -> Translation:
        """Return what a whole body reports: one message, or as many as it holds, all or none.

        Raises:
            MalformedEvent: bytes that cannot be read, with every fault found.
            UnsupportedEvent: readable, and not translated; of several messages, none is, or one
                needs a human.

        Pure.
        """
        if self.inbound is None:
            raise MalformedEvent(Problem(path="$", reason="this form is written, never read"))
        messages = list(self.inbound.split((body,)))
        if len(messages) == 1:
            return self.inbound.translate(messages[0], source)
        return _together(self.inbound, messages, source)


def _together(inbound: Inbound, messages: list[bytes], source: str) -> Translation:
    translations: list[Translation] = []
    passed_over: list[Problem] = []
    faults: list[Problem] = []
    unsupported: UnsupportedEvent | None = None
    for index, message in enumerate(messages):
        try:
            translations.append(inbound.translate(message, source))
        except UnsupportedEvent as error:
            if error.needs_human:
                raise
            unsupported = unsupported or error
            passed_over += within(f"[{index}]", error.problems)
        except MalformedEvent as error:
            faults += within(f"[{index}]", error.problems)
    if faults or not messages:
        raise MalformedEvent(*(faults or (Problem(path="$", reason="no message in it"),)))
    if unsupported and not translations:
        raise unsupported
    return Translation(
        events=tuple(event for one in translations for event in one.events),
        unread=tuple(dict.fromkeys(path for one in translations for path in one.unread)),
        notes=(*passed_over, *(note for one in translations for note in one.notes)),
    )


def within(step: str, problems: Iterable[Problem]) -> list[Problem]:
    """Return the same problems one step further down: ``[3]`` makes ``$.a`` to ``$[3].a``."""
    return [Problem(path=f"${step}{one.path[1:]}", reason=one.reason) for one in problems]
