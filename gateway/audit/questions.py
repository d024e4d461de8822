"""The questions a data protection officer asks, and how each is posed so that it is logged first.

Each function takes an `Asking` and gives an `Answer`. `posed` makes of it the `Question` that
`gateway.audit.asking.answer` takes; what it is asked of is what the log says it was asked of.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from importlib import import_module
from typing import Any, Final

from gateway.audit.answer import Answer
from gateway.audit.asking import Question
from gateway.audit.questions_genuine import genuine
from gateway.audit.questions_looked import looked
from gateway.audit.questions_merge import merge
from gateway.audit.questions_refused import refused, rule
from gateway.audit.questions_told import told, who_knows
from gateway.model.ids import PersonRef, RecipientId

__all__ = [
    "QUESTIONS",
    "genuine",
    "looked",
    "merge",
    "posed",
    "posed_breach",
    "refused",
    "rule",
    "told",
    "who_knows",
]

# Where each answer comes from, by code; loaded when it is asked.
QUESTIONS: Final[Mapping[str, tuple[str, str]]] = {
    "told": ("gateway.audit.questions_told", "told"),
    "who-knows": ("gateway.audit.questions_told", "who_knows"),
    "refused": ("gateway.audit.questions_refused", "refused"),
    "rule": ("gateway.audit.questions_refused", "rule"),
    "merge": ("gateway.audit.questions_merge", "merge"),
    "looked": ("gateway.audit.questions_looked", "looked"),
    "genuine": ("gateway.audit.questions_genuine", "genuine"),
    "lapsed": ("gateway.audit.lapsed", "lapsed"),
}
_UNSAID: Final = ("after", "limit", "entry", "tlog_proof")  # say nothing of what is asked about


def posed(code: str, **of: Any) -> Question:  # noqa: ANN401 - as the answering function has them
    """Return a question of `QUESTIONS`, asked of what the function that answers it takes.

    `after` may be the `next_page` of an answer as it stands there.

    Raises:
        KeyError: there is no such question.
        ValueError: `after` is no page of an answer.
    """
    module, name = QUESTIONS[code]
    asked = {name: value for name, value in of.items() if value is not None}
    if "after" in asked:
        asked["after"] = int(asked["after"])
    ask: Callable[..., Answer] = getattr(import_module(module), name)
    about = {
        name: _said(value)
        for name, value in asked.items()
        if name not in (*_UNSAID, "person", "recipient")
    }
    return Question(
        code=code,
        ask=partial(ask, **asked),
        person=PersonRef(asked["person"]) if "person" in asked else None,
        recipient=RecipientId(asked["recipient"]) if "recipient" in asked else None,
        about=about,
    )


def posed_breach(kind: str, id_: str, *, since: datetime, discovered: datetime) -> Question:
    """Return the question what a compromised key, endpoint or agency exposed.

    Args:
        kind: "key", "endpoint" or "agency".
        id_: Of it.
        since: From when it may have been in wrong hands.
        discovered: When that became known.
    """
    breach = import_module("gateway.audit.breach")
    what = breach.Compromised(kind=kind, id=id_)
    about = {kind: id_, "since": _said(since), "discovered": _said(discovered)}
    ask = partial(breach.breach, what=what, since=since, discovered=discovered)
    return Question(code="breach", ask=ask, about=about)


def _said(value: object) -> str:
    return value.date().isoformat() if isinstance(value, datetime) else str(value)
