"""Reading that is written down first: nothing about a person is shown before its entry is durable.

Everything goes through `gateway.audit.asking.answer`, which gives nothing to read from before.
Source: DPA 2018 s.62(1)(c), s.62(2).
"""

from collections.abc import Callable, Mapping
from typing import Final, TypeVar

from gateway.audit.answer import Answer
from gateway.audit.asking import MAX_JUSTIFICATION, Asking, Question, answer
from gateway.console.own import ConsoleOwn
from gateway.console.page import Visitor
from gateway.console.pages.forms import Reading
from gateway.model.decision import Reason
from gateway.model.ids import PersonRef, RecipientId

T = TypeVar("T")

WHY: Final = "why"  # the field of every form that asks for a justification
PURPOSE: Final = "lawfulness"  # what staff read the log for: DPA 2018 s.62(4)(a)
_SEEN: Final = Answer(
    question="seen", title="", asked={}, reading=(), columns=(), rows=(), entries=(), size=0,
    checkpoint="",
)  # fmt: skip


def asking_of(own: ConsoleOwn, visitor: Visitor, why: str = "") -> Asking:
    """Return who asks, and why."""
    return Asking(
        connection=own.store.reader,
        sealed=own.store.sealed,
        directory=own.directory,
        law=own.law,
        verifiers=own.verifiers,
        now=own.now(),
        staff=visitor.staff,
        scope=visitor.scope,
        purpose=PURPOSE,
        justification=why,
        justified=asks_why(own),
    )


async def ask(own: ConsoleOwn, visitor: Visitor, question: Question, why: str) -> Answer | Reason:
    """Log a question, then answer it beside everything else; or say why not.

    The question reads by what it is given alone: it is answered in a thread of its own.
    """
    asking = asking_of(own, visitor, why)
    return await answer(question, asking, own.store.commit, beside=own.store.place)


async def read(
    own: ConsoleOwn,
    visitor: Visitor,
    code: str,
    look: Callable[[Asking], T],
    *,
    person: PersonRef | None = None,
    recipient: RecipientId | None = None,
    about: Mapping[str, str] | None = None,
    why: str = "",
) -> T | Reason:
    """Log that a page that is no answer is read, and only then make it; or say why not.

    Args:
        code: What is read, as the log names it after "audit.".
        look: Makes what is shown.
        about: References only, never what somebody typed.
        why: The visitor's words; the log gets their digest, the person's record the words.
    """
    made: list[T] = []

    def looked(asking: Asking) -> Answer:
        made.append(look(asking))
        return _SEEN

    question = Question(
        code=code, ask=looked, person=person, recipient=recipient, about=about or {}
    )
    refused = await answer(question, asking_of(own, visitor, why), own.store.commit)
    return refused if isinstance(refused, Reason) else made[0]


def justified(own: ConsoleOwn, reading: Reading) -> str:
    """Return why the visitor looks, and note a problem where they must say and do not."""
    if asks_why(own):
        return reading.needed(WHY, "Say why you need to look at this", most=MAX_JUSTIFICATION)
    return reading.text(WHY, most=MAX_JUSTIFICATION)


def asks_why(own: ConsoleOwn) -> bool:
    """Return whether every reading about a person must be justified."""
    return own.config.log.justification == "required"
