"""An officer sees what their own controller sent or received, all of it, and nothing else."""

import itertools
import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from gateway.audit.answer import Answer
from gateway.audit.asking import NOBODY, answer
from gateway.audit.questions import posed
from gateway.audit.scope import EVERYTHING, NOTHING, Scope
from gateway.disclosure_log import entry
from gateway.model.decision import Reason
from gateway.model.event import Event
from gateway.model.ids import AlertId, PersonRef, RecipientId, RuleId
from gateway.store.log_index import catch_up
from tests.audit.evidence import LAW, OTHER, THEN, Desk, column, desk
from tests.store.stores import PRISON, accept, logging, one_release, posted

SCOPES = {
    "the prison": Scope(agencies=frozenset({PRISON})),
    "the other prison": Scope(agencies=frozenset({OTHER})),
    "the police": Scope(organisations=frozenset({"Exampleshire Police"})),
    "probation": Scope(organisations=frozenset({"Exampleshire Probation"})),
    "both": Scope(agencies=frozenset({OTHER}), organisations=frozenset({"Example Hostel"})),
    "nobody": NOTHING,
    "everybody": EVERYTHING,
}
QUESTIONS = ("told", "who-knows", "refused", "looked", "rule", "merge", "genuine")


class Town:
    """A log of what two prisons stated and four recipients were told, at random."""

    def __init__(self, at: Desk, seed: int) -> None:
        self.at = at
        self.random = random.Random(seed)
        self.events: list[Event] = []
        self.alerts: list[AlertId] = []
        self._ids = itertools.count(1)

    async def happens(self) -> None:
        for person, agency in itertools.product((1, 2), (PRISON, OTHER)):
            await self._event(person, agency)
        await self._event(3, PRISON)
        for _ in range(16):
            await self._something()
            if self.random.random() < 0.2:
                await self.at.store.commit(catch_up(self.random.randint(1, 9)))

    @property
    def persons(self) -> list[PersonRef]:
        return list(dict.fromkeys(event.person for event in self.events))

    async def _event(self, person: int, agency: Any) -> None:
        id_ = f"evt-{next(self._ids)}"
        event = one_release(person, id=id_)
        found = await accept(self.at.store, posted(event, message_id=id_, agency=agency))
        self.events += found.new

    async def _something(self) -> None:
        event = self.random.choice(self.events)
        recipient = self.random.choice([*self.at.directory.recipients])
        kind = self.random.choice(("told", "told", "refused", "collected", "timeline"))
        if kind == "told":
            self.alerts.append(await self.at.told(event, recipient))
        elif kind == "refused":
            one = entry.refusal(
                at=THEN, event=event.ref, person=event.person, recipient=recipient, role="r",
                reasons=[Reason(code="no-rule", text="")], rulebook=LAW.rulebook.digest,
            )  # fmt: skip
            await self.at.store.commit(logging(one.encode()))
        elif kind == "timeline":
            agency = self.random.choice((PRISON, OTHER))
            one = entry.question(
                at=THEN, what="timeline", person=event.person, reader=None, shown=1, agency=agency
            )
            await self.at.store.commit(logging(one.encode()))
        elif self.alerts:
            one = entry.collected(
                at=THEN, alert=self.random.choice(self.alerts), person=event.person,
                recipient=recipient, endpoint=f"{recipient}/webhook", means="totp",  # type: ignore[arg-type]
            )  # fmt: skip
            await self.at.store.commit(logging(one.encode()))

    def entries(self) -> list[dict[str, Any]]:
        rows = self.at.store.reader.execute("SELECT body FROM log_entry ORDER BY idx")
        return [orjson.loads(body) for (body,) in rows]

    def theirs(self, scope: Scope) -> set[int]:
        """Return which entries are a scope's, worked out from the log and the directory alone."""
        entries = self.entries()
        posted_by = {one["event"]: one["agency"] for one in entries if one["op"] == "collection"}
        found = set()
        for index, one in enumerate(entries):
            agency = posted_by.get(one.get("event"), one.get("agency"))
            known = self.at.directory.recipients.get(RecipientId(one.get("recipient", "")))
            organisation = known.organisation if known else None
            if scope.everything or agency in scope.agencies or organisation in scope.organisations:
                found.add(index)
        return found

    def of(self, code: str) -> Iterator[dict[str, Any]]:
        """Yield everything a question can be asked of here."""
        if code == "rule":
            yield {"rule": RuleId("police-release")}
        elif code == "genuine":
            yield from ({"alert": alert} for alert in self.alerts)
        else:
            recipients = [*self.at.directory.recipients] if code == "told" else [None]
            for person, recipient in itertools.product(self.persons, recipients):
                yield {"person": person, "recipient": recipient}


async def asked(at: Desk, code: str, scope: Scope, **of: Any) -> Answer:
    question = posed(code, **of, **({} if code in ("genuine", "merge") else {"limit": 1000}))
    found = await answer(question, at.asking(scope), at.store.commit)
    assert isinstance(found, Answer)
    return found


@pytest.mark.parametrize("seed", [1, 2])
async def test_nobody_sees_what_others_sent_and_received(tmp_path: Path, seed: int) -> None:
    async with desk(tmp_path) as at:
        town = Town(at, seed)
        await town.happens()
        seen: dict[str, set[int]] = {name: set() for name in SCOPES}
        for code in QUESTIONS:
            for of in town.of(code):
                for name, scope in SCOPES.items():
                    found = await asked(at, code, scope, **of)
                    outside = set(found.entries) - town.theirs(scope)
                    assert not outside, f"{name} was shown {outside} by {code}"
                    seen[name] |= set(found.entries)
        everything = {
            index
            for index in seen["everybody"]
            if not town.entries()[index].get("what", "").startswith("audit.")
        }
        for name, scope in SCOPES.items():
            own = everything & town.theirs(scope)
            assert own <= seen[name], f"{name} was not shown {own - seen[name]}"
        assert seen["nobody"] == set()
        assert seen["the other prison"]
        assert seen["probation"]


async def test_whom_others_know_and_whom_nobody_knows_are_alike(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        event = await at.event(3)
        alert = await at.told(event, "police")
        outside = SCOPES["the other prison"]
        pairs: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
            (code, {"person": event.person, **more}, {"person": NOBODY, **more})
            for code, more in (
                ("told", {"recipient": "police"}),
                ("who-knows", {}),
                ("refused", {}),
                ("refused", {"recipient": "police"}),
                ("looked", {}),
                ("merge", {}),
            )
        ]
        pairs.append(("genuine", {"alert": alert}, {"alert": "alt_" + "0" * 32}))
        for code, known, unknown in pairs:
            one, other = [
                replace(await asked(at, code, outside, **of), size=0, checkpoint="")
                for of in (known, unknown)
            ]
            assert one == other
        inside = await asked(at, "who-knows", SCOPES["the prison"], person=event.person)
        assert column(inside, "alert") == [alert]


async def test_whoever_left_the_directory_is_still_the_senders_to_see(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        event = await at.event()
        await at.told(event, "vlo")
        at.directory.recipients = {
            id_: one for id_, one in at.directory.recipients.items() if id_ != "vlo"
        }
        sender = await asked(at, "who-knows", SCOPES["the prison"], person=event.person)
        assert column(sender, "recipient") == ["vlo"]
        assert "no longer in the directory" in " ".join(sender.reading)
        assert (await asked(at, "who-knows", SCOPES["probation"], person=event.person)).rows == ()
