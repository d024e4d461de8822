"""Entries of the log as sentences. They name references, roles and codes, and no value. Pure."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from gateway.console.pages import words
from gateway.model.ids import AlertId
from gateway.model.reference import reference

_Entry = Mapping[str, Any]


def sentence(entry: _Entry) -> str:
    """Return what an entry says."""
    made = _SENTENCES.get(str(entry.get("op")))
    if made is not None:
        return made(entry)
    op = str(entry.get("op"))
    return words.OPERATIONS.get(op, op)


def _plain(code: object) -> str:
    return str(code).replace("_", " ").replace("-", " ")


def _by(entry: _Entry, member: str = "by") -> str:
    return f", by {entry[member]}" if entry.get(member) else ""


def _attempt(entry: _Entry) -> str:
    number, over = entry.get("number"), entry.get("channel")
    outcome = _ATTEMPTS.get(str(entry.get("outcome")), _plain(entry.get("outcome")))
    why = f" ({_plain(entry['reason'])})" if entry.get("reason") else ""
    return f"Attempt {number} over {over} to {entry.get('endpoint')}: {outcome}{why}{_by(entry)}."


_ATTEMPTS: Final[Mapping[str, str]] = {
    "accepted": "the carrier took it",
    "rejected": "it was refused",
    "transient": "it did not work, to be tried again",
    "retry": "it did not work, to be tried again",
    "unknown": "nobody can tell whether it arrived",
    "dead": "given up",
    "withheld": "kept back: it no longer leaves",
    "retried": "set going again",
}


def _receipt(entry: _Entry) -> str:
    said = {"delivered": "it arrived", "failed": "it did not arrive", "delayed": "it is delayed"}
    state = str(entry.get("state"))
    return f"The carrier of {entry.get('endpoint')} reported: {said.get(state, state)}."


def _acknowledgement(entry: _Entry) -> str:
    why = f", because: {_plain(entry['reason'])}" if entry.get("reason") else ""
    return f"{entry.get('recipient')} answered: {entry.get('answer')}{_by(entry)}{why}."


def _escalation(entry: _Entry) -> str:
    why = _plain(entry.get("reason"))
    to = entry.get("to")
    turned = "there was nobody left to turn to" if to == "nobody" else f"turned to {to}"
    return f"Step {entry.get('rung')} of the chain ({why}): {turned}."


def _sealing(entry: _Entry) -> str:
    why = _plain(entry.get("reason"))
    return f"Sealed anew for {entry.get('endpoint')}, because its key was: {why}."


def _disclosure(entry: _Entry) -> str:
    message = str(entry.get("message"))
    kind = words.MESSAGES.get(message, message)
    earlier = entry.get("supersedes")
    about = f" about alert {reference(AlertId(earlier))}" if earlier else ""
    return f"{kind}{about} to {entry.get('recipient')} over {entry.get('channel')}."


def _refusal(entry: _Entry) -> str:
    codes = ", ".join(_plain(one.get("code")) for one in entry.get("reasons", []))
    return f"{entry.get('recipient')} was told nothing: {codes}."


def _consultation(entry: _Entry) -> str:
    who = entry.get("reader") or entry.get("recipient") or "somebody"
    return f"{who} read: {_plain(entry.get('what')).replace('.', ', ')}."


def _collection(entry: _Entry) -> str:
    return f"{entry.get('agency')} stated: {_plain(entry.get('kind')).replace('.', ', ')}."


def _alteration(entry: _Entry) -> str:
    return f"{entry.get('agency')} corrected or took back an earlier event."


def _combination(entry: _Entry) -> str:
    if entry.get("separated"):
        return f"Records were parted{_by(entry)}."
    if entry.get("absorbed"):
        return f"Two records were joined{_by(entry)}."
    kinds = ", ".join(words.IDENTIFIERS.get(one, one) for one in entry.get("identifiers", []))
    return f"An identifier was linked ({kinds}){_by(entry)}."


def _decision(entry: _Entry) -> str:
    about = f" of telling {entry['recipient']}" if entry.get("recipient") else ""
    return f"A person {entry.get('outcome')} a task{about}{_by(entry, 'decider')}."


def _erasure(entry: _Entry) -> str:
    return f"Erased{_by(entry, 'actor')}."


def _sign_in(entry: _Entry) -> str:
    who = entry.get("staff") or "Somebody who proved no account"
    return f"{who}: {_plain(entry.get('outcome'))}, by {entry.get('means')}."


_SENTENCES: Final[Mapping[str, Callable[[_Entry], str]]] = {
    "attempt": _attempt,
    "receipt": _receipt,
    "acknowledgement": _acknowledgement,
    "escalation": _escalation,
    "sealing": _sealing,
    "disclosure": _disclosure,
    "refusal": _refusal,
    "consultation": _consultation,
    "collection": _collection,
    "alteration": _alteration,
    "combination": _combination,
    "decision": _decision,
    "erasure": _erasure,
    "sign-in": _sign_in,
}
