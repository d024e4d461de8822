"""`person disclosures`: to whom a person's facts went, for their file or for the person themselves.

Source: DPA 2018 s.45(2)(c) (recipients), s.45(4)-(6) (restrictions, and how little they say).
"""

from collections.abc import Sequence
from pathlib import Path

from gateway.audit.answer import Answer
from gateway.audit.asking import NOBODY, Asking, Question
from gateway.audit.subject_access import (
    Ground,
    Undecided,
    disclosures_of,
    facts_held,
    restrictions,
)
from gateway.cli.audit import Asker, Form, asked
from gateway.cli.exits import NO, OK, Trouble
from gateway.cli.person import named
from gateway.model.ids import AlertId

__all__ = ["Asker", "Form", "disclosures"]


def disclosures(
    config_file: Path,
    who: str,
    *,
    asker: Asker,
    form: Form,
    sar: bool,
    restrict: Sequence[str] = (),
    decided: bool = False,
) -> int:
    """Print to whom a person's facts were disclosed.

    Args:
        config_file: The instance.
        who: As `person show` takes one.
        asker: By whom and why.
        form: How it is printed.
        sar: The copy for the person, which says nothing of restrictions.
        restrict: ALERT=GROUND, each kept from the person.
        decided: Somebody decided what a sender's own restriction means here.
    """
    kept = dict(_restriction(one) for one in restrict)

    def pose(asking: Asking) -> Question:
        found = named(asking.connection, asking.sealed, who)
        about = restrictions(kept) | {"copy": "person" if sar else "file"}

        def ask(logged: Asking) -> Answer:
            return disclosures_of(
                logged,
                found,
                sar=sar,
                restrict=kept,
                facts=facts_held(logged, found, decided=decided) if sar and found else None,
                decided=decided,
            )

        return Question(code="disclosures", person=found or NOBODY, about=about, ask=ask)

    try:
        asked(config_file, asker, form, pose)
    except Undecided as error:
        raise Trouble(f"{error} Then ask again with --decided.", NO) from None
    return OK


def _restriction(text: str) -> tuple[AlertId, Ground]:
    alert, _, ground = text.partition("=")
    if alert.startswith("alt_") and ground in set(Ground):
        return AlertId(alert), Ground(ground)
    raise Trouble(f"--restrict: ALERT=GROUND, GROUND one of {', '.join(Ground)}")
