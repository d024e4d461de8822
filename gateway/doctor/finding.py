"""What an examination finds: a verdict, one sentence, and what to do."""

from dataclasses import dataclass
from typing import Literal

Verdict = Literal["ok", "warning", "error", "could not tell"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing looked at. Names no person, no address and no secret."""

    check: str  # "group.what"
    verdict: Verdict
    text: str  # one sentence
    do: str = ""  # what to do; nothing where all is well


def ok(check: str, text: str) -> Finding:
    """Return that something is as it should be."""
    return Finding(check=check, verdict="ok", text=text)


def warning(check: str, text: str, do: str) -> Finding:
    """Return that something wants doing before it is trouble."""
    return Finding(check=check, verdict="warning", text=text, do=do)


def error(check: str, text: str, do: str) -> Finding:
    """Return that something is wrong now."""
    return Finding(check=check, verdict="error", text=text, do=do)


def unknown(check: str, text: str, do: str) -> Finding:
    """Return that something could not be looked at."""
    return Finding(check=check, verdict="could not tell", text=text, do=do)
