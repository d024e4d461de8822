"""What follows from one event: who is told, who is told otherwise, what waits.

Decides and discloses against what is known now; nothing is stored here.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from gateway.attention import questions
from gateway.circumstances import Circumstances
from gateway.directory import Directory
from gateway.disclose import Disclosing, Told
from gateway.disclosure_log import entry
from gateway.known import replay, standing, with_event
from gateway.law import Law
from gateway.model.decision import Refusal
from gateway.model.event import Event
from gateway.model.groups import PROVENANCE
from gateway.model.ids import AlertId, EventRef, PersonRef
from gateway.model.kinds import REVISING_KINDS
from gateway.model.person import Person
from gateway.revise import NOTHING, UNTOLD, Plan, Revised, plan_reversal, plan_revision
from gateway.store import history
from gateway.store.decisions import Decided, Facts
from gateway.store.history import Alert
from gateway.store.merges import merges_by, root
from gateway.store.sealed import Held
from gateway.store.store import Store
from gateway.store.tasks import Task
from gateway.telling import Telling
from gateway.traces import OFF, Traces

_JOINING: Final = frozenset({"person.merged", "person.unmerged"})
_RETURNS: Final = frozenset({"custody.received", "custody.recalled"})
_ALIVE: Final = frozenset({*UNTOLD, "decided"})
_NOT: Final = timedelta()

_Known = tuple[Held, Person]  # what is held of a person, and what is known of them now


@dataclass(frozen=True, slots=True, kw_only=True)
class Waits:
    """An event that is held: nobody is told before then."""

    event: EventRef
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Follows:
    """What is to be committed, and what it comes to, for whoever counts."""

    decided: Decided
    told: tuple[Told, ...]
    refused: tuple[Refusal, ...]


class Consequences:
    """Works out what follows from an event, or from what a human decided about one."""

    def __init__(
        self,
        *,
        store: Store,
        directory: Directory,
        law: Law,
        disclosing: Callable[[datetime], Disclosing],
        new_id: Callable[[str], str],
        traces: Traces = OFF,
    ) -> None:
        self._traces = traces
        self._store = store
        self._directory = directory
        self.law = law
        self._disclosing = disclosing
        self._new_id = new_id

    def of_event(self, event: Event, now: datetime) -> Follows | Waits:
        """Return what follows from an event that nothing was decided about yet."""
        with self._store.reader:  # one moment of the store, however many looks it takes
            follows = self._of_event(event, now)
        return follows  # noqa: RET504 - for mypy, the block above may swallow an exception

    def _of_event(self, event: Event, now: datetime) -> Follows | Waits:
        around = self._around(now)
        held = self._store.held_for(event)
        event = _about(event, held.person.ref)
        plan = self._plan(event)
        after = (
            with_event(held.person, event)
            if plan.past is None
            else replay(held.person.ref, plan.past)
        )
        until = event.received_at + self._wait(event, after, plan, around)
        if until > now:
            return Waits(event=event.ref, until=until)
        known = self._known_of(plan, held, after)
        telling = self._telling(around, event, known)
        if plan.silent:
            telling.say_nothing(event, plan.silent)
        else:
            telling.tell(event, after, held.person)
        for revised in (*plan.revised, *self._carried_on(plan, telling.alerts, held.person, after)):
            person = known[revised.event.person][1]
            telling.revise(
                revised,
                person,
                event,
                history.rules_carried_out(self._store.reader, revised.event.ref),
            )
        telling.keep_back(after, held.person)
        telling.tasks.extend(
            questions(self._store.reader, event, after, self.law.attention, self._new_id)
        )
        return self._follows(event, telling, plan, known)

    def of_task(self, task: Task, now: datetime) -> Follows | None:
        """Return what follows from a disclosure that a human approved; None if it names no event
        there is."""
        with self._store.reader:
            follows = self._of_task(task, now)
        return follows  # noqa: RET504 - as above

    def _of_task(self, task: Task, now: datetime) -> Follows | None:
        past = self._store.past(task.event) if task.event else None
        if past is None:
            return None
        around = self._around(now)
        held = self._store.held_for(past.event)
        event = _about(past.event, held.person.ref)
        telling = self._telling(around, event, {event.person: (held, held.person)})
        telling.carry_out(task, event, held.person, stands=past.state == "decided")
        follows = self._follows(event, telling, NOTHING, {event.person: (held, held.person)})
        decided = replace(follows.decided, facts=None, carries_out=task.id)
        return replace(follows, decided=decided)

    def _around(self, now: datetime) -> Circumstances:
        if self._store.directory_marker != self._directory.marker:
            self._directory.refresh()
        return Circumstances(
            law=self.law, directory=self._directory, context=self._disclosing(now),
            new_id=self._new_id,
        )  # fmt: skip

    def _plan(self, event: Event) -> Plan:
        """Look what the event does to earlier ones; most do nothing, and nothing is read."""
        if event.kind in REVISING_KINDS:
            return plan_revision(event, self._store.history(event.person))
        if event.kind in _JOINING:
            return self._plan_parting(event)
        undone = self.law.holds.undone_by(event.kind)
        if not undone:
            return NOTHING
        newest = history.last_of(self._store.reader, event.person, undone, states=_ALIVE)
        if newest is None or event.received_at - newest > max(undone.values()):
            return NOTHING
        return plan_reversal(event, self._store.history(event.person), undone)

    def _plan_parting(self, event: Event) -> Plan:
        """Plan for records joined or parted: everything is known anew; and what was told of them as
        one person, when they were not, is wrong."""
        reader = self._store.reader
        wrong: dict[EventRef, frozenset[AlertId]] = {}
        also: dict[PersonRef, None] = {}
        for merge in merges_by(reader, event.ref):
            if merge.undone_by != event.ref:
                continue
            also |= dict.fromkeys(root(reader, one) for one in (merge.survivor, merge.absorbed))
            for alert in self._told_since(merge.survivor, merge.merged_at):
                wrong[alert.event] = wrong.get(alert.event, frozenset()) | {alert.id}
        also.pop(event.person, None)
        found = ((self._store.past(ref), only) for ref, only in wrong.items())
        return Plan(
            past=self._standing(event.person, event),
            also=tuple(also),
            revised=tuple(
                Revised(
                    event=past.event,
                    stands=past.state == "decided",
                    reason="wrong-merge",
                    only=only,
                )
                for past, only in found
                if past is not None
            ),
        )

    def _standing(self, person: PersonRef, event: Event | None = None) -> tuple[Event, ...]:
        """Return what stands of a person's events, with the one being decided."""
        return tuple(
            standing(
                one.event
                for one in self._store.history(person)
                if one.state == "decided" or (event and one.event.ref == event.ref)
            )
        )

    def _told_since(self, survivor: PersonRef, since: datetime) -> list[Alert]:
        reader = self._store.reader
        persons = dict.fromkeys([survivor, root(reader, survivor)])
        return [
            alert
            for person in persons
            for alert in history.alerts_to_person_since(reader, person, since)
        ]

    def _wait(self, event: Event, after: Person, plan: Plan, around: Circumstances) -> timedelta:
        """Return for how long after it was received the event waits."""
        if event.kind not in self.law.holds.kinds or plan is not NOTHING:
            return _NOT
        try:
            facts = around.classify(event.kind, event.agency, after)
        except Exception:  # noqa: BLE001 - what cannot be judged is not kept waiting
            return _NOT
        return self.law.holds.hold_for(facts)

    def _carried_on(
        self, plan: Plan, alerts: Sequence[Alert], before: Person, after: Person
    ) -> Iterator[Revised]:
        """Yield later events whose alerts told what a correction or retraction now shows was wrong.

        Only alerts that told a member whose value has changed by it: an alert that took the member
        from elsewhere was right.
        """
        wrong = [one.event for one in plan.revised if one.only is None]
        changed = _changed(before, after) if wrong else frozenset()
        if not changed:
            return
        since = min(event.received_at for event in wrong)
        refs = {event.ref for event in wrong}
        later: dict[EventRef, frozenset[AlertId]] = {}
        for alert in history.standing(alerts):
            if alert.event in refs or alert.decided_at < since:
                continue
            if history.members_told(self._store.reader, alert) & changed:
                later[alert.event] = later.get(alert.event, frozenset()) | {alert.id}
        for event in plan.past or ():
            if event.ref in later:
                yield Revised(
                    event=event,
                    stands=True,
                    reason="corrected-no-longer-entitled",
                    only=later[event.ref],
                )

    def _known_of(self, plan: Plan, held: Held, after: Person) -> dict[PersonRef, _Known]:
        """Return, of every person concerned, what is held and what is known now."""
        known = {after.ref: (held, after)}
        persons = dict.fromkeys([*plan.also, *(one.event.person for one in plan.revised)])
        for person in persons:
            if person not in known:
                other = self._store.held(person)
                known[person] = (other, replay(person, self._standing(person)))
        return known

    def _telling(
        self, around: Circumstances, event: Event, known: Mapping[PersonRef, _Known]
    ) -> Telling:
        alerts = [
            alert
            for person, (held, _) in known.items()
            if held.version  # nobody was told of someone just heard of
            for alert in history.alerts_about(self._store.reader, person)
        ]
        alerts.sort(key=lambda alert: alert.leaf_index)
        since = self._episode(event, alerts)
        return Telling(around=around, alerts=alerts, news_since=since, traces=self._traces)

    def _episode(self, event: Event, alerts: Sequence[Alert]) -> datetime | None:
        """Return since when what is told of a release is about this one: the last release that the
        person came back from."""
        if not alerts or not event.kind.startswith("release."):
            return None
        reader, person = self._store.reader, event.person
        left = history.last_of(reader, person, {"release.actual"}, states={"decided"})
        back = left and history.last_of(reader, person, _RETURNS, states={"decided"})
        return left if left and back and back > left else None

    def _follows(
        self, event: Event, telling: Telling, plan: Plan, known: Mapping[PersonRef, _Known]
    ) -> Follows:
        around = telling.around
        disclosures = [one for each in telling.told for one in each.disclosures]
        held, after = known[event.person]
        entries = [*telling.entries, *_alterations(event, plan, around.now)]
        decided = Decided(
            event=event,
            directory=around.directory.marker,
            person_version=held.version,
            facts=held.seal_facts(after),
            alerts=tuple(
                (each.alert, known[each.alert.person][0].seal_alert(each.alert))
                for each in telling.told
                if each.disclosures
            ),
            disclosures=tuple(disclosures),
            refusals=tuple(entries),
            now=around.now,
            slot=self._store.shards.slot_for(event.person),
            others=tuple(
                Facts(person=person, version=other.version, sealed=other.seal_facts(anew))
                for person, (other, anew) in known.items()
                if person != event.person
            ),
            moves=plan.moves,
            withheld=tuple(telling.withheld.items()),
            tasks=tuple(telling.tasks),
            ends_holds=self._ends_holds(event, after, around),
        )
        return Follows(decided=decided, told=tuple(telling.told), refused=tuple(telling.refused))

    def _ends_holds(self, event: Event, after: Person, around: Circumstances) -> bool:
        """Whether it is now known that nothing about this person may wait."""
        if "rosh" not in event.groups:
            return False
        try:
            facts = around.classify(event.kind, event.agency, after)
        except Exception:  # noqa: BLE001 - as in `_wait`
            return True
        return self.law.holds.never_for(facts)


def _about(event: Event, person: PersonRef) -> Event:
    """Return the event under the person it is about now: records merge and part."""
    return event if event.person == person else replace(event, person=person)


def _alterations(event: Event, plan: Plan, now: datetime) -> Iterator[bytes]:
    """Yield the entries that say which earlier events this one corrects, retracts or undoes."""
    for corrected in plan.corrects if event.kind not in _JOINING else ():
        yield entry.alteration(
            at=now, event=event.ref, person=event.person, agency=event.agency, corrects=corrected
        ).encode()


def _changed(before: Person, after: Person) -> frozenset[str]:
    """Return the "group.member" paths whose values differ, but for how each group is known."""
    found: set[str] = set()
    for group in before.facts.keys() | after.facts.keys():
        was, is_now = (
            one.facts[group].members if group in one.facts else {} for one in (before, after)
        )
        found |= {
            f"{group}.{member}"
            for member in (was.keys() | is_now.keys()) - set(PROVENANCE)
            if was.get(member) != is_now.get(member)
        }
    return frozenset(found)
