"""What an entry of the log mentions, as the terms it is found by. Pure.

A term is a pair: what it is ("person", "rule", "day", ...) and its value. Every term is read off
the entry alone, but for "controller" (`gateway.store.log_index` adds it): whose event it is about.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

Term = tuple[str, str]

# Members of an entry, and the term each is. Several may be one: a record absorbed is a person too.
_MEMBERS: Final[Mapping[str, str]] = {
    "op": "op",
    "person": "person",
    "absorbed": "person",
    "separated": "person",
    "recipient": "recipient",
    "event": "event",
    "revised_by": "event",
    "corrects": "event",
    "alert": "alert",
    "supersedes": "alert",
    "escalates": "alert",
    "raised": "alert",
    "agency": "agency",
    "role": "role",
    "endpoint": "endpoint",
    "channel": "channel",
    "message": "message",
    "rule": "rule",
    "basis": "basis",
    "agreement": "agreement",
    "task": "task",
    "approval": "approval",
    "receipt": "receipt",
    "key": "key",
    "verifier": "key",
    "what": "what",
    "reader": "actor",
    "by": "actor",
    "decider": "actor",
    "actor": "actor",
    "staff": "actor",
    "proposed_by": "actor",
    "approved_by": "actor",
    "subject": "subject",
}
_ABOUT: Final = ("event", "alert", "rule", "recipient", "person")  # of a question: what it was of
_LONGEST: Final = 300  # characters: the longest text an entry may hold


def terms_of(entry: Mapping[str, Any]) -> set[Term]:
    """Return every term an entry is found by."""
    found = {
        (term, value)
        for member, term in _MEMBERS.items()
        if isinstance(value := entry.get(member), str)
    }
    found.add(("day", str(entry["at"])[:10]))
    found.update(_granted(entry.get("grants", ())))
    found.update(_barred(entry.get("reasons", ())))
    found.update(_barred(entry.get("withheld", ())))
    about = entry.get("about", {})
    found.update((name, about[name]) for name in _ABOUT if isinstance(about.get(name), str))
    return {(what, value) for what, value in found if 0 < len(value) <= _LONGEST}


def _granted(grants: Iterable[Mapping[str, Any]]) -> Iterator[Term]:
    for grant in grants:
        for name in ("rule", "basis", "purpose", "policy_document"):
            value = grant.get(name)
            if isinstance(value, str):
                yield (name, value)


def _barred(reasons: Iterable[Mapping[str, Any]]) -> Iterator[Term]:
    """Yield what kept something back: never "rule", by which something was told."""
    for reason in reasons:
        if isinstance(rule := reason.get("rule"), str):
            yield ("barred_by", rule)
