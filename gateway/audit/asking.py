"""Asking the log: that somebody asks is durable in it before anything is read to answer them.

There is one way to an answer, `answer`. An `Asking` gives nothing to read from until its
consultation is committed, and only this module can say that it is.

Source: DPA 2018 s.62(1)(c) and (2) (consultation: who, when, justification), s.62(4) (what the log
may be used for).
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from typing import Any, Final

from gateway.audit.answer import Answer
from gateway.audit.scope import Scope
from gateway.directory import Directory
from gateway.disclosure_log import entry
from gateway.disclosure_log.checkpoint import VerifierKey
from gateway.law import Law
from gateway.model.decision import Reason
from gateway.model.ids import AgencyName, PersonRef, RecipientId
from gateway.store import justifications, merges
from gateway.store.engine import Connection
from gateway.store.erasure import is_erased
from gateway.store.group_commit import Staged, Unit
from gateway.store.log_index import CONTROLLER, Query, Term
from gateway.store.log_tree import newest_checkpoint
from gateway.store.place import Place
from gateway.store.sealed import SealedStore
from policies.log_use import LAWFUL_USES, refuse_use

MAX_JUSTIFICATION: Final = 1000  # characters
NOBODY: Final = PersonRef(
    "per_" + "0" * 32
)  # asked of whom nobody knows: a question like any other
UNKNOWN: Final = "unknown"  # stands in the log for what somebody typed and nothing here is called
Commit = Callable[[Unit[None]], Awaitable[None]]

_REFERENCES: Final = re.compile(r"(per|evt|alt|tsk|apr)_[0-9a-f]{32}")
_ALERT_REFERENCE: Final = re.compile(r"[0-9a-f]{12}")
_NAMED: Final[Mapping[str, tuple[str, ...]]] = {  # what is asked of, and the terms it may be
    "rule": ("rule", "barred_by"),
    "staff": ("actor",),
    "key": ("key",),
    "endpoint": ("endpoint",),
    "agreement": ("agreement",),
    "basis": ("basis",),
    "agency": ("agency",),
}
_DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}")


class NotLogged(Exception):
    """Something was to be read before the log knew that it is: a fault of the program."""


@dataclass(frozen=True, kw_only=True)
class Asking:
    """Who asks, for whom and why, and what the answer is made from."""

    connection: Connection  # read it through `reader`
    sealed: SealedStore
    directory: Directory
    law: Law
    verifiers: tuple[VerifierKey, ...]
    now: datetime
    staff: str  # role or staff id
    scope: Scope
    purpose: str  # one of policies.log_use.LAWFUL_USES
    justification: str = ""
    justified: bool = True  # a question that names a person needs a justification
    logged: int | None = field(default=None, kw_only=True)  # leaf index of the consultation

    @property
    def reader(self) -> Connection:
        """What to read from.

        Raises:
            NotLogged: the consultation is not committed.
        """
        if self.logged is None:
            raise NotLogged
        return self.connection

    @cached_property
    def checkpoint(self) -> tuple[int, str]:
        """The newest signed checkpoint: its size and its note."""
        return newest_checkpoint(self.reader) or (0, "")

    @cached_property
    def found(self) -> dict[str, Any]:
        """What was found out of this snapshot before, by what was looked for."""
        return {}

    def records(self, person: PersonRef) -> tuple[PersonRef, ...]:
        """Return every record that is this person now."""
        return merges.records(self.reader, person)

    def about(self, person: PersonRef) -> tuple[Term, ...]:
        """Return the terms of what is about a person: their records now, and those records' events,
        which may have been told under another record while two were thought one."""
        own = self.records(person)
        marks = ", ".join("?" * len(own))
        events = self.reader.execute(f"SELECT ref FROM event WHERE person IN ({marks})", own)  # noqa: S608 - marks
        return (*(("person", one) for one in own), *(("event", ref) for (ref,) in events))

    def query(
        self,
        *terms: Term,
        any_of: tuple[tuple[Term, ...], ...] = (),
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> Query:
        """Return a query that finds nothing outside the asker's scope."""
        scope = () if self.scope.everything else (self._within(),)
        return Query(terms=terms, any_of=(*any_of, *scope), since=since, until=until)

    def sees(self, found: Mapping[str, Any]) -> bool:
        """Return whether an entry is the asker's to see.

        By who stated its event (its own `agency` where it has no event) and by the organisation, as
        the directory now has it, of who was told. Who is no longer in the directory has none.
        """
        if self.scope.everything:
            return True
        event, recipient = found.get("event"), found.get("recipient")
        if event is None and found.get("alert") is not None:
            row: Any = self.reader.execute(_ALERT, (found["alert"],)).fetchone()
            event, recipient = (None, recipient) if row is None else row
        agency = found.get("agency")
        if event is not None:
            agency = self.reader.execute(_CONTROLLER, (event,)).get
        known = self.directory.recipients.get(RecipientId(recipient)) if recipient else None
        return self.scope.covers(
            agency=AgencyName(agency) if agency else None,
            organisation=known.organisation if known else None,
        )

    def _within(self) -> tuple[Term, ...]:
        ours = sorted(self.scope.agencies)
        recipients = [
            id_
            for id_, one in self.directory.recipients.items()
            if one.organisation in self.scope.organisations
        ]
        return (
            *((CONTROLLER, agency) for agency in ours),
            *(("agency", agency) for agency in ours),
            *(("recipient", id_) for id_ in recipients),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One question. What it is asked of is logged; `ask` answers it once that is done."""

    code: str  # "told"
    ask: Callable[[Asking], Answer]
    person: PersonRef | None = None
    recipient: RecipientId | None = None
    about: Mapping[str, str] = field(default_factory=dict)  # references; others are not logged


async def answer(
    question: Question, asking: Asking, commit: Commit, *, beside: Place | None = None
) -> Answer | Reason:
    """Log that a question is asked, wait until that is durable, and only then answer it.

    Args:
        question: What is asked.
        asking: By whom and why; its directory is taken as it is.
        commit: Commits one unit of work.
        beside: The database, to be read by another connection in a thread of its own: what takes
            long to answer then holds up nobody. None: read by the connection of `asking`.

    Returns:
        The answer, or why none is given; then nothing was read, and nothing logged.

    Raises:
        What `commit` raises: then nothing was read.
    """
    refused = _refused(question, asking)
    if refused is not None:
        return refused
    index: list[int] = []
    await commit(_consultation(question, asking, index))
    logged = replace(asking, logged=index[0])
    if beside is not None:
        return await asyncio.to_thread(_answered_beside, question, logged, beside)
    return _answered(question, logged)


def _answered(question: Question, logged: Asking) -> Answer:
    with logged.reader:  # one snapshot
        found = question.ask(logged)
    return found  # noqa: RET504 - apsw's exit might swallow, as far as its types say


def _answered_beside(question: Question, logged: Asking, place: Place) -> Answer:
    reader = place.open_reader()
    try:
        return _answered(question, replace(logged, connection=reader))
    finally:
        reader.close()


def _refused(question: Question, asking: Asking) -> Reason | None:
    refused = refuse_use(asking.purpose)
    if refused is not None:
        uses = ", ".join(one.replace("_", " ") for one in LAWFUL_USES)
        return replace(refused, text=f"{refused.text} Ask for one of: {uses}.")
    said = asking.justification.strip()
    if question.person is not None and asking.justified and not said:
        return Reason(
            code="justification-required",
            text="Say why you ask. It is kept sealed with the person's record, and the log keeps a "
            "keyed digest of it (DPA 2018 s.62(2)).",
        )
    if len(said) > MAX_JUSTIFICATION:
        return Reason(
            code="justification-too-long",
            text=f"Say why in at most {MAX_JUSTIFICATION} characters.",
        )
    return None


def _consultation(question: Question, asking: Asking, index: list[int]) -> Unit[None]:
    said = asking.justification.strip()

    def unit(connection: Connection) -> Staged[None]:
        mac = None
        if said:
            mac = justifications.digest(asking.sealed, said)
            if question.person is not None and _keeps_words(connection, question.person):
                justifications.keep_if_it_opens(connection, asking.sealed, question.person, said)
        agencies = sorted(asking.scope.agencies)
        logged = entry.question(
            at=asking.now,
            what=f"audit.{question.code}",
            reader=asking.staff,
            person=question.person if _is_known(connection, question.person) else None,
            recipient=_recipient(connection, asking, question.recipient),
            agency=agencies[0] if len(agencies) == 1 else None,
            about={
                "purpose": asking.purpose,
                **{
                    name: value if _is_reference(connection, asking, name, value) else UNKNOWN
                    for name, value in question.about.items()
                },
            },
            reason_mac=mac,
        )

        def finish(_connection: Connection, first: int, _proofs: object) -> None:
            index[:] = [first]

        return Staged(None, [logged.encode()], finish)

    return unit


def _keeps_words(connection: Connection, person: PersonRef) -> bool:
    """Return whether there is a key to seal words under: none once the person is erased."""
    return _is_known(connection, person) and not is_erased(connection, person)


def _is_known(connection: Connection, person: PersonRef | None) -> bool:
    return bool(connection.execute("SELECT 1 FROM person WHERE ref = ?", (person,)).get)


def _recipient(
    connection: Connection, asking: Asking, recipient: RecipientId | None
) -> RecipientId | None:
    if recipient is None or recipient in asking.directory.recipients:
        return recipient
    return recipient if _mentioned(connection, ("recipient",), recipient) else RecipientId(UNKNOWN)


def _is_reference(connection: Connection, asking: Asking, name: str, value: str) -> bool:
    """Return whether something may enter the log: nothing that somebody might have typed of a
    person, which the log would then hold for ever."""
    if _REFERENCES.fullmatch(value) or (name == "alert" and _ALERT_REFERENCE.fullmatch(value)):
        return True
    if name in {"since", "until", "discovered"}:
        return bool(_DAY.fullmatch(value))
    if name == "copy":  # of whom: a person's own, or the file's
        return value in {"person", "file"}
    if name == "rule" and value in asking.law.rulebook.rules:
        return True
    if name == "agency" and AgencyName(value) in asking.directory.agencies:
        return True
    return name in _NAMED and _mentioned(connection, _NAMED[name], value)


def _mentioned(connection: Connection, whats: tuple[str, ...], value: str) -> bool:
    return any(connection.execute(_TERM, (what, value)).get for what in whats)


_ALERT: Final = "SELECT event, recipient FROM alert WHERE id = ?"
_CONTROLLER: Final = "SELECT agency FROM event WHERE ref = ?"
_TERM: Final = "SELECT 1 FROM log_term WHERE what = ? AND value = ?"
