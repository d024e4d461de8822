"""Carrying out what a second person approved, in the transaction that approves it.

An erasure destroys the person's key; a rulebook is put in force, for the next start; a gap in the
log is acknowledged by whoever keeps the log, who says how.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Final

from gateway.adoption import configured_texts
from gateway.config import Config
from gateway.model.ids import PersonRef
from gateway.model.staff import ApprovalId
from gateway.store import approvals, erasure, people, rulebooks
from gateway.store.approvals import Approval, CarryOut, Decided, Decision, SubjectGone
from gateway.store.engine import Connection
from gateway.store.group_commit import Staged, Unit
from gateway.store.place import place_of
from gateway.store.sealed import SealedStore
from policies.problem import BadRulebook
from policies.rulebook import load_rulebook

ADOPTION: Final = "adoption"  # the reason of a proposal to put a rulebook in force


@dataclass(frozen=True, slots=True, kw_only=True)
class Approving:
    """What carrying out needs."""

    config: Config
    sealed: SealedStore
    now: Callable[[], datetime]
    new_id: Callable[[str], str]
    gap: CarryOut | None = None  # acknowledges a gap; None: not from here

    def propose_erasure(self, person: PersonRef, *, reason: str, by: str) -> Unit[ApprovalId]:
        """Return the unit that proposes to erase a person.

        Raises (from the unit):
            NobodyKnown: nothing is held under that reference.
        """
        proposed = approvals.propose(
            id_=ApprovalId(self.new_id("apr")), kind="erasure", subject=person, reason=reason,
            by=by, now=self.now(),
        )  # fmt: skip

        def unit(connection: Connection) -> Staged[ApprovalId]:
            if not people.exists(connection, person):
                raise erasure.NobodyKnown
            return proposed(connection)

        return unit

    def propose_rulebook(self, *, by: str) -> tuple[str, Unit[ApprovalId]]:
        """Return the digest of the configured rulebook, and the unit that proposes it.

        Raises:
            BadRulebook: it does not hold together.
        """
        digest = load_rulebook(configured_texts(self.config)).digest
        unit = approvals.propose(
            id_=ApprovalId(self.new_id("apr")), kind="rulebook", subject=digest, reason=ADOPTION,
            by=by, now=self.now(),
        )  # fmt: skip
        return digest, unit

    def propose_gap(self, size: int, *, reason: str, by: str) -> Unit[ApprovalId]:
        """Return the unit that proposes to go on past a gap at this size of the log."""
        return approvals.propose(
            id_=ApprovalId(self.new_id("apr")), kind="gap", subject=str(size), reason=reason,
            by=by, now=self.now(),
        )  # fmt: skip

    def decide(self, id_: str, decision: Decision, *, by: str) -> Unit[Decided]:
        """Return the unit that decides a proposal and carries it out.

        Follow an approved erasure with `fold`, outside the transaction.
        """
        now = self.now()
        ways: Mapping[str, CarryOut | None] = {
            "erasure": partial(_erase, self.sealed, now),
            "rulebook": partial(_adopt, self.config, now),
            "gap": self.gap,
        }

        def carry_out(connection: Connection, approved: Approval, by: str) -> list[bytes]:
            way = ways[approved.kind]
            if way is None:
                raise NotFromHere
            return way(connection, approved, by)

        return approvals.decide(id_, decision, by=by, now=now, carry_out=carry_out)

    def fold(self, decided: Decided) -> bool:
        """Cut the write-ahead log after an erasure; False if readers kept that from ending: the
        next restart does it. Blocks for some seconds at most: run it in a thread."""
        erased = decided.approval is not None and decided.approval.kind == "erasure"
        if decided.verdict != "approved" or not erased:
            return True
        return place_of(self.config).fold()


class NotFromHere(Exception):
    """Unwinds a decision that this face cannot carry out; the proposal stays open."""


def _erase(
    sealed: SealedStore, now: datetime, connection: Connection, approved: Approval, by: str
) -> list[bytes]:
    unit = erasure.erase(
        sealed, PersonRef(approved.subject), by=by, reason=approved.reason, now=now
    )
    try:
        return list(unit(connection).entries)
    except erasure.NobodyKnown:
        raise SubjectGone from None


def _adopt(
    config: Config, now: datetime, connection: Connection, approved: Approval, by: str
) -> list[bytes]:
    """Put the configured rulebook in force, if it is still the one that was proposed."""
    try:
        texts = configured_texts(config)
        digest = load_rulebook(texts).digest
    except BadRulebook:
        raise SubjectGone from None
    if digest != approved.subject:
        raise SubjectGone
    return rulebooks.put_in_force(connection, digest, texts, by=by, now=now)
