"""`audit`: the questions a data protection officer asks of the log, each logged, then answered."""

import asyncio
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

from gateway import clock
from gateway.adoption import law_in_force
from gateway.audit.answer import Answer
from gateway.audit.asking import NOBODY, Asking, Question, answer
from gateway.audit.questions import posed, posed_breach
from gateway.audit.scope import EVERYTHING, Scope
from gateway.cli.audit_printing import Form, Proving, show
from gateway.cli.beside import opened, staff
from gateway.cli.exits import NO, OK, Trouble, read_file
from gateway.cli.person import named
from gateway.config import Config, load_config
from gateway.directory import Directory
from gateway.instance import commit_one, sealed_store, verifiers_of
from gateway.model.decision import Reason
from gateway.model.ids import AgencyName, PersonRef
from gateway.reading import reads_for
from gateway.store.engine import Connection
from gateway.store.sealed import SealedStore
from gateway.trusted_witnesses import witness_keys
from policies.rulebook import Rulebook

__all__ = [
    "Asker",
    "Form",
    "Trouble",
    "ask",
    "asked",
    "breach",
    "day",
    "held",
    "standing_schedule",
]

Pose = Callable[[Asking], Question]

_MAX_ENTRY: Final = 64 * 1024
_DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}(?:T\d{2}:\d{2})?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """Who asks at the command line, for whom and why."""

    by: str
    why: str = ""
    purpose: str = "lawfulness"
    controller: str | None = None


def ask(
    config_file: Path,
    code: str,
    asker: Asker,
    form: Form,
    *,
    who: str | None = None,
    **of: Any,  # noqa: ANN401 - as the answering function has them
) -> int:
    """Ask one question and print its answer.

    Args:
        config_file: The instance.
        code: A question of `gateway.audit.questions.QUESTIONS`.
        asker: By whom and why.
        form: How it is printed.
        who: A person, as `person show` takes one.
        of: What else it is asked of.
    """

    def pose(asking: Asking) -> Question:
        person = _person(asking.connection, asking.sealed, who)
        try:
            return posed(code, **of, **({} if person is None else {"person": person}))
        except ValueError:
            raise Trouble("--after: the number the page before ends with") from None

    found = asked(config_file, asker, form, pose)
    if code == "genuine":
        return OK if _in_force(found) else NO
    return OK


def asked(config_file: Path, asker: Asker, form: Form, pose: Pose) -> Answer:
    """Pose a question, print its answer and return it.

    Raises:
        Trouble: it may not be asked so, or the answer cannot be written.
    """
    config = load_config(config_file)
    by = staff(asker.by)
    sealed = sealed_store(config)
    with opened(config) as connection:
        law = law_in_force(config, connection).law
        directory = Directory(connection, law.catalogues)
        asking = Asking(
            connection=connection,
            sealed=sealed,
            directory=directory,
            law=law,
            verifiers=verifiers_of(config),
            now=clock.now(),
            staff=by,
            scope=scope_of(directory, asker.controller),
            purpose=asker.purpose.replace("-", "_"),
            justification=asker.why,
            justified=config.log.justification == "required",
        )
        try:
            question = pose(asking)
            found = asyncio.run(answer(question, asking, partial(commit_one, config)))
        except ValueError as error:  # of what was asked of: never quotes a person
            raise Trouble(str(error)) from None
        if isinstance(found, Reason):
            hint = " Use --why." if found.code == "justification-required" else ""
            raise Trouble(found.text + hint, NO)
        if question.person == NOBODY and question.code != "disclosures" and not asker.controller:
            raise Trouble("nobody known is meant by that", NO)
        show(found, form, _proving(config, connection))
    return found


def _proving(config: Config, connection: Connection) -> Proving:
    return Proving(
        connection=connection,
        keys=verifiers_of(config),
        witnesses=tuple(str(key) for key in witness_keys(config)),
    )


def scope_of(directory: Directory, controller: str | None) -> Scope:
    """Return what one controller's own officer may see; None: everything.

    Raises:
        Trouble: no agency of that name.
    """
    if controller is None:
        return EVERYTHING
    agency = directory.agencies.get(AgencyName(controller))
    if agency is None:
        raise Trouble("--controller: no agency of that name; `throughgate agencies list` has them")
    own = (one for one in directory.recipients.values() if reads_for(agency, one))
    return Scope(
        agencies=frozenset({agency.name}),
        organisations=frozenset(one.organisation for one in own),
    )


def day(text: str | None, option: str) -> datetime | None:
    """Return the beginning, in London, of a day written 2026-11-21, or the time written
    2026-11-21T09:30 there.

    Raises:
        Trouble: it is not written so.
    """
    if text is None:
        return None
    with suppress(ValueError):
        if _DAY.fullmatch(text):
            begin = datetime.fromisoformat(text).replace(tzinfo=clock.LONDON)
            return begin.astimezone(UTC)
    raise Trouble(f"{option}: a day as 2026-11-21, or a time as 2026-11-21T09:30")


def breach(
    config_file: Path,
    asker: Asker,
    form: Form,
    *,
    of: Mapping[str, str | None],
    since: str,
    discovered: str | None,
) -> int:
    """Print what a compromised key, endpoint or agency exposed.

    Args:
        config_file: The instance.
        asker: By whom and why.
        form: How it is printed.
        of: "key", "endpoint" and "agency", of which one is named.
        since: From which day it may have been in wrong hands.
        discovered: On which day that became known; None: now.
    """
    named = [(kind, id_) for kind, id_ in of.items() if id_ is not None]
    if len(named) != 1:
        raise Trouble("give one of --key, --endpoint and --agency")
    begin = day(since, "--since") or clock.now()
    known = day(discovered, "--discovered") or clock.now()
    (kind, id_) = named[0]
    asked(
        config_file, asker, form, lambda _: posed_breach(kind, id_, since=begin, discovered=known)
    )
    return OK


def standing_schedule(config_file: Path, form: Form, make: Callable[[Rulebook], Answer]) -> int:
    """Print what is generated from the rulebook in force; it is about nobody, and not logged."""
    config = load_config(config_file)
    with opened(config) as connection:
        law = law_in_force(config, connection).law
        show(make(law.rulebook), form, _proving(config, connection))
    return OK


def held(entry: Path | None, proof: Path | None) -> dict[str, Any]:
    """Return what a recipient holds of an alert, as `genuine` takes it."""
    if entry is None:
        return {}
    found: dict[str, Any] = {"entry": read_file(entry, _MAX_ENTRY).strip()}
    if proof is not None:
        found["tlog_proof"] = read_file(proof, _MAX_ENTRY).decode("utf-8", "replace")
    return found


def _in_force(found: Answer) -> bool:
    """Return whether every check that makes an alert one to act on holds."""
    names = [column.name for column in found.columns]
    checks = {str(row[names.index("check")]): row[names.index("holds")] for row in found.rows}
    beside = {"witnessed", "delivered", "answered"}
    return "in force" in checks and all(checks[one] for one in checks.keys() - beside)


def _person(connection: Connection, sealed: SealedStore, who: str | None) -> PersonRef | None:
    """Return the person meant; `NOBODY` where nobody known is. None: nobody is asked about."""
    if who is None:
        return None
    return named(connection, sealed, who) or NOBODY
