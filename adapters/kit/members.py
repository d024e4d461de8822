"""Reading an object member by member: what is asked for is checked, the rest is reported by name.

One way to read for JSON objects, XML elements and table rows alike. Empty text and null state
nothing. No error quotes a value.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Final, NoReturn, TypeVar

from adapters.contract import UnsupportedEvent
from adapters.kit.dates import civil_time, parse_date, rfc3339
from gateway.model.groups import parse_time
from gateway.model.problem import MalformedEvent, Problem
from gateway.model.strict_json import Json, JsonObject

T = TypeVar("T")

# A sender may hide a value in a member's name: only a plain one is repeated.
_PLAIN_NAME: Final = re.compile(r"[@A-Za-z_][A-Za-z0-9_:.\- ]{0,60}")
NAIVE: Final = "no zone stated: read as civil time in London"


class Members:
    """The members of one object. Every member asked for counts as known; see `unread`."""

    def __init__(self, value: JsonObject, path: str = "$") -> None:
        self.path = path
        self._value = value
        self._known: set[str] = set()
        self._inner: list[Members] = []
        self._notes: list[Problem] = []

    def __contains__(self, name: str) -> bool:
        return self._value.get(name) not in (None, "")

    def raw(self, name: str) -> Json:
        """Return a member as it stands, None where nothing is stated."""
        self._known.add(name)
        value = self._value.get(name)
        return None if value == "" else value

    def text(self, name: str, *, at_most: int = 4000) -> str | None:
        """Return a text without outer spaces, or None.

        Raises:
            MalformedEvent: not a string, or longer than `at_most` characters.
        """
        value = self.raw(name)
        if value is None:
            return None
        if not isinstance(value, str):
            raise self.malformed(name, "must be a string")
        if len(value) > at_most:
            raise self.malformed(name, f"longer than {at_most} characters")
        return value.strip() or None

    def needed(self, name: str) -> str:
        """Return a text that must be there.

        Raises:
            MalformedEvent: missing, empty, or as `text`.
        """
        value = self.text(name)
        if value is None:
            raise self.malformed(name, "required")
        return value

    def flag(self, name: str) -> bool | None:
        """Return true or false, from JSON or from the words agencies write: true, yes, y, 1.

        Raises:
            MalformedEvent: anything else.
        """
        value = self.raw(name)
        if value is None or isinstance(value, bool):
            return value
        word = value.strip().lower() if isinstance(value, str) else ""
        if word not in _WORDS:
            raise self.malformed(name, "must be true or false")
        return _WORDS[word]

    def number(self, name: str) -> int | None:
        """Return a whole number, from JSON or from its digits.

        Raises:
            MalformedEvent: anything else.
        """
        value = self.raw(name)
        if value is None or (isinstance(value, int) and not isinstance(value, bool)):
            return value
        if isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,15}", value.strip(), re.ASCII):
            return int(value)
        raise self.malformed(name, "must be a whole number")

    def date(self, name: str, form: str = "YYYY-MM-DD") -> str | None:
        """Return a day as ``YYYY-MM-DD``; `form` as in `adapters.kit.dates.parse_date`.

        Raises:
            MalformedEvent: another form, or no such day.
        """
        value = self.text(name)
        try:
            return None if value is None else parse_date(value, form)
        except ValueError as error:
            raise self.malformed(name, str(error)) from None

    def time(self, name: str, form: str = "YYYY-MM-DD") -> str | None:
        """Return an RFC 3339 time. One without a zone is London's, and a note says so.

        Raises:
            MalformedEvent: another form, no such time, or one the clocks skip or repeat.
        """
        value = self.text(name)
        if value is None:
            return None
        try:
            parse_time(value)
        except ValueError:
            pass
        else:
            return value
        try:
            time = civil_time(value, form)
        except ValueError as error:
            raise self.malformed(name, str(error)) from None
        self.note(name, NAIVE)
        return rfc3339(time)

    def code(self, name: str, meanings: Mapping[str, T], *, event_type: str) -> T | None:
        """Return what a code means; None where none is stated.

        Raises:
            UnsupportedEvent: a code with no known meaning: a human must look.
        """
        value = self.text(name)
        if value is None:
            return None
        if value not in meanings:
            raise self.unclear(name, "not a code with a known meaning", event_type=event_type)
        return meanings[value]

    def object(self, name: str) -> "Members | None":
        """Return an inner object, or None.

        Raises:
            MalformedEvent: not an object.
        """
        value = self.raw(name)
        if value is None:
            return None
        if not isinstance(value, dict):
            raise self.malformed(name, "must be an object")
        return self._within(value, f"{self.path}{_step(name)}")

    def objects(self, name: str) -> tuple["Members", ...]:
        """Return the objects of a list; a single one counts as a list of one.

        Raises:
            MalformedEvent: anything else.
        """
        value = self.raw(name)
        if value is None:
            return ()
        items = value if isinstance(value, list) else [value]
        found: list[Members] = []
        for index, item in enumerate(items):
            path = f"{self.path}{_step(name)}" + (f"[{index}]" if isinstance(value, list) else "")
            if not isinstance(item, dict):
                raise MalformedEvent(Problem(path=path, reason="must be an object"))
            found.append(self._within(item, path))
        return tuple(found)

    def texts(self, name: str) -> tuple[str, ...]:
        """Return the texts of a list; a single one counts as a list of one.

        Raises:
            MalformedEvent: anything else.
        """
        value = self.raw(name)
        if value is None:
            return ()
        items = value if isinstance(value, list) else [value]
        if not all(isinstance(item, str) for item in items):
            raise self.malformed(name, "must be a list of texts")
        return tuple(item.strip() for item in items if isinstance(item, str) and item.strip())

    def ignore(self, *names: str) -> None:
        """Say that members are known and not carried; a comment at the call says why."""
        self._known.update(names)

    def note(self, name: str, text: str) -> None:
        """Leave a note for whoever made the format work."""
        self._notes.append(Problem(path=f"{self.path}{_step(name)}", reason=text))

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all members, in document order."""
        return tuple(self._value)

    def unread(self) -> tuple[str, ...]:
        """Return the paths of members, here and further in, that were never asked for."""
        return tuple(self._unread())

    def notes(self) -> tuple[Problem, ...]:
        """Return the notes left here and further in."""
        inner = [note for one in self._inner for note in one.notes()]
        return (*self._notes, *inner)

    def malformed(self, name: str, reason: str) -> MalformedEvent:
        """Return the error that says what is wrong with a member."""
        return MalformedEvent(Problem(path=f"{self.path}{_step(name)}", reason=reason))

    def unsupported(self, name: str, reason: str, *, event_type: str) -> UnsupportedEvent:
        """Return the error that says why this is nobody's business here."""
        problem = Problem(path=f"{self.path}{_step(name)}", reason=reason)
        return UnsupportedEvent(problem, event_type=event_type)

    def unclear(self, name: str, reason: str, *, event_type: str) -> UnsupportedEvent:
        """Return the error that asks for a human: this may matter, and cannot be told."""
        problem = Problem(path=f"{self.path}{_step(name)}", reason=f"needs a human: {reason}")
        return UnsupportedEvent(problem, event_type=event_type, needs_human=True)

    def _within(self, value: JsonObject, path: str) -> "Members":
        inner = Members(value, path)
        self._inner.append(inner)
        return inner

    def _unread(self) -> Iterator[str]:
        for name in self._value:
            if name not in self._known:
                yield f"{self.path}{_step(name)}"
        for one in self._inner:
            yield from one.unread()


def refuse(reason: str, path: str = "$") -> NoReturn:
    """Refuse what cannot be read.

    Raises:
        MalformedEvent: always.
    """
    raise MalformedEvent(Problem(path=path, reason=reason)) from None


def _step(name: str) -> str:
    return f".{name}" if _PLAIN_NAME.fullmatch(name) else ".*"


_WORDS: Final = {
    "true": True, "yes": True, "y": True, "1": True,
    "false": False, "no": False, "n": False, "0": False,
}  # fmt: skip
