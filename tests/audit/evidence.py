"""A store with a directory, and disclosures put into its log by hand, to ask about."""

import contextlib
import itertools
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from gateway.audit.answer import Answer
from gateway.audit.asking import Asking, Question, answer
from gateway.audit.scope import EVERYTHING, Scope
from gateway.directory import Directory
from gateway.disclosure_log import entry
from gateway.disclosure_log.checkpoint import VerifierKey
from gateway.instance import rulebook_texts
from gateway.law import Law
from gateway.model.decision import Grant
from gateway.model.event import Event
from gateway.model.ids import AgencyName, AlertId, BasisId, EndpointId, RecipientId, RuleId
from gateway.model.party import Agency, AssociateDesignation, Endpoint, Recipient
from gateway.store import directory as rows
from gateway.store.store import Store
from keys import hpke
from policies.rulebook import load_rulebook
from tests.store.stores import LOG_KEY, PRISON, accepted, logging, one_release, opened
from tests.support.events import URN
from tests.support.trusted import trusted

LAW = Law(rulebook=load_rulebook(rulebook_texts(None)))
VERIFIER = VerifierKey.parse(LOG_KEY.verifier)
NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
THEN = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
AGREEMENT = "ISA-EXAMPLESHIRE"
OTHER = AgencyName("hmp-elsewhere")
PUBLICS = {name: hpke.generate()[1] for name in ("police", "probation", "vlo", "hostel")}

_numbers = itertools.count(1)


def grant(
    *members: str, basis: str = "LB01", document: str = "", purpose: str = "risk_management"
) -> Grant:
    """Return what a rule granted."""
    return Grant(
        rule=RuleId("police-release"),
        basis=BasisId(basis),
        citation="",
        regime="P3",
        condition="DPA 2018 Sch 8 para 1",
        purpose=purpose,
        members=members or ("custody.planned_date", "identity.family_name"),
        for_action=True,
        acknowledge_within=None,
        policy_document=document,
    )


def recipients(ends_on: date | None = None) -> list[Recipient]:
    """Return whom the directory holds; the hostel is a designated Associate."""

    def one(name: str, organisation: str, kind: str, role: str, **more: Any) -> Recipient:
        endpoint = Endpoint(
            id=EndpointId(f"{name}/webhook"),
            channel="webhook",
            address=f"https://{name}.example/hook",
            keys=trusted("hpke", PUBLICS[name]),
        )
        return Recipient(
            id=RecipientId(name),
            organisation=organisation,
            organisation_class=kind,
            role=role,
            areas=frozenset(),
            endpoints=(endpoint,),
            **more,
        )

    designated = AssociateDesignation(
        reference="RA-7", designated_on=date(2026, 1, 1), ends_on=ends_on
    )
    return [
        one("police", "Exampleshire Police", "police", "police_offender_manager"),
        one("probation", "Exampleshire Probation", "probation", "probation_offender_manager"),
        one("vlo", "Exampleshire Probation", "probation", "victim_liaison_officer"),
        one("hostel", "Example Hostel", "charity", "accommodation_associate", associate=designated),
    ]


@dataclass(frozen=True, kw_only=True)
class Desk:
    """Where a data protection officer asks."""

    store: Store
    directory: Directory

    def asking(self, scope: Scope = EVERYTHING) -> Asking:
        return Asking(
            connection=self.store.reader,
            sealed=self.store.sealed,
            directory=self.directory,
            law=LAW,
            verifiers=(VERIFIER,),
            now=NOW,
            staff="dpo-01",
            scope=scope,
            purpose="lawfulness",
            justified=False,
        )

    async def ask(self, question: Callable[[Asking], Answer], scope: Scope = EVERYTHING) -> Answer:
        """Ask as the faces do: logged first."""
        found = await answer(
            Question(code="test", ask=question), self.asking(scope), self.store.commit
        )
        assert isinstance(found, Answer)
        return found

    async def event(self, person: int = 1) -> Event:
        return await accepted(self.store, one_release(person, id=f"evt-{next(_numbers)}"))

    async def told(
        self,
        event: Event,
        recipient: str,
        *,
        at: datetime = THEN,
        grants: Sequence[Grant] = (grant(),),
        agreement: str | None = AGREEMENT,
        **more: Any,
    ) -> AlertId:
        """Log that a recipient was told of an event; return the alert."""
        alert = more.pop("alert", None) or AlertId(f"alt_{next(_numbers):032x}")
        known = self.directory.recipients[RecipientId(recipient)]
        given: dict[str, Any] = {
            "channel": "webhook",
            "form": "sealed",
            "key_id": known.endpoints[0].keys[0].key.key_id,
            "rulebook": LAW.rulebook.digest,
        } | more
        logged = entry.disclosure(
            at=at,
            alert=alert,
            event=event.ref,
            person=event.person,
            recipient=known.id,
            role=known.role,
            endpoint=known.endpoints[0].id,
            grants=grants,
            withheld=(),
            payload_mac="0" * 64,
            agreement=agreement,
            actor="throughgate.example",
            acknowledge_by=None,
            **given,
        )
        await self.store.commit(logging(logged.encode()))
        return alert


@contextlib.asynccontextmanager
async def desk(folder: Path, *, ends_on: date | None = None) -> AsyncIterator[Desk]:
    """Open a fresh store with two prisons and four recipients."""
    async with opened(folder / "throughgate.db") as store:
        note = entry.directory(at=THEN, action="added", subject="all", actor="op", digest="0" * 64)
        for name, urn in ((PRISON, URN), (OTHER, "urn:example:hmp-elsewhere")):
            agency = Agency(name=name, urn=urn, organisation_class="prison", public_keys=())
            await store.commit(rows.add_agency(agency, note.encode(), marker=name))
        await store.commit(
            rows.put_recipients(recipients(ends_on), [note.encode()], marker="recipients")
        )
        yield Desk(store=store, directory=Directory(store.reader, LAW.catalogues))


def later(days: int) -> datetime:
    return THEN + timedelta(days=days)


def column(found: Answer, name: str) -> list[Any]:
    """Return one column of an answer."""
    position = [one.name for one in found.columns].index(name)
    return [row[position] for row in found.rows]
