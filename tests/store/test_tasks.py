"""Tasks: asked once, decided once by somebody with a reason, and never holding a value."""

from dataclasses import replace

import orjson
import pytest

from gateway.model.ids import EventRef, PersonRef, RecipientId, RuleId, TaskId
from gateway.store import tasks
from gateway.store.group_commit import Staged, Unit
from gateway.store.store import Store
from gateway.store.tasks import NoSuchTask, Task
from tests.store.stores import NOW, Where, column, entries, opened, stored
from tests.store.test_people_recognised import BORN, BORN_OTHERWISE, NOMS, stating, told

REASON = "Canary-words: the mother of the child was heard"
CRN = "Z000501"


def question(person: PersonRef, number: int = 1) -> Task:
    return Task(
        id=TaskId(f"tsk_{number}"),
        kind="disclosure",
        person=person,
        event=EventRef("evt_1"),
        recipient=RecipientId("victim-liaison"),
        rule=RuleId("victim-told"),
        body={"members": ["custody.planned_date"], "decided_by": "mappa_chair"},
    )


def asking(task: Task) -> Unit[bool]:
    return lambda connection: Staged(tasks.open_task(connection, task, NOW))


async def somebody(store: Store, noms: str = NOMS, id_: str = "a") -> PersonRef:
    return (await told(store, stating({"noms": noms}, id_))).person


async def test_a_task_is_read_back_as_it_was_opened(path: Where) -> None:
    async with opened(path) as store:
        task = question(await somebody(store))
        assert await store.commit(asking(task)) is True
        assert tasks.open_tasks(store.reader) == [replace(task, opened_at=NOW)]
        assert tasks.task_by_id(store.reader, task.id) == replace(task, opened_at=NOW)
        assert tasks.task_by_id(store.reader, "tsk_none") is None


async def test_the_same_disclosure_is_asked_once_even_after_an_answer(path: Where) -> None:
    async with opened(path) as store:
        person = await somebody(store)
        assert await store.commit(asking(question(person)))
        assert not await store.commit(asking(question(person, 2)))
        await store.commit(decision(store, "declined"))
        assert not await store.commit(asking(question(person, 3)))
        other = replace(question(person, 4), rule=RuleId("another"))
        assert await store.commit(asking(other))


async def test_the_same_doubt_is_asked_once_whatever_event_raises_it(path: Where) -> None:
    async with opened(path) as store:
        doubt = replace(
            question(await somebody(store)), kind="similar-person", recipient=None, rule=None
        )
        assert await store.commit(asking(doubt))
        later = replace(doubt, id=TaskId("tsk_2"), event=EventRef("evt_2"))
        assert not await store.commit(asking(later))
        assert await store.commit(asking(replace(later, body={"others": ["per_x"]})))


def decision(store: Store, outcome: tasks.Decision, id_: str = "tsk_1") -> Unit[Task]:
    return tasks.decide(store.sealed, TaskId(id_), outcome, by="chair-3", reason=REASON, now=NOW)


@pytest.mark.parametrize("outcome", ["approved", "declined"])
async def test_a_decision_is_logged_with_who_and_sealed_with_why(
    path: Where, outcome: tasks.Decision
) -> None:
    async with opened(path) as store:
        person = await somebody(store)
        await store.commit(asking(question(person)))
        decided = await store.commit(decision(store, outcome))
        assert (decided.state, decided.decided_by, decided.decided_at) == (outcome, "chair-3", NOW)
        assert tasks.open_tasks(store.reader) == []
        assert tasks.reason_of(store.reader, store.sealed, decided.id) == REASON
        waiting = tasks.approved_disclosures(store.reader)
        assert [one.id for one in waiting] == (["tsk_1"] if outcome == "approved" else [])
    (logged,) = [one for one in map(orjson.loads, entries(path)) if one["op"] == "decision"]
    assert (logged["outcome"], logged["decider"], logged["task"]) == (outcome, "chair-3", "tsk_1")
    assert (logged["recipient"], logged["rule"]) == ("victim-liaison", "victim-told")
    plain = stored(path)
    assert b"Canary-words" not in plain


async def test_a_task_is_decided_once(path: Where) -> None:
    async with opened(path) as store:
        await store.commit(asking(question(await somebody(store))))
        await store.commit(decision(store, "declined"))
        before = entries(path)
        with pytest.raises(NoSuchTask, match="declined"):
            await store.commit(decision(store, "approved"))
        with pytest.raises(NoSuchTask, match="no task"):
            await store.commit(decision(store, "approved", "tsk_none"))
        assert entries(path) == before


async def test_an_approved_disclosure_is_carried_out_once(path: Where) -> None:
    async with opened(path) as store:
        await store.commit(asking(question(await somebody(store))))
        await store.commit(decision(store, "approved"))

        def carried(connection: object) -> Staged[None]:
            tasks.mark_carried_out(connection, TaskId("tsk_1"))  # type: ignore[arg-type]
            return Staged(None)

        await store.commit(carried)
        assert tasks.approved_disclosures(store.reader) == []
        assert column(path, "SELECT state FROM task") == ["approved"]


async def test_a_persons_tasks_are_those_of_every_record_of_theirs(path: Where) -> None:
    async with opened(path) as store:
        one = await somebody(store)
        other = await somebody(store, "Z0302ZZ", "b")
        stranger = await somebody(store, "Z0303ZZ", "c")
        for number, ref in enumerate((one, other, stranger)):
            await store.commit(asking(question(ref, number)))
        identifiers = {"noms": NOMS, "superseded_noms": "Z0302ZZ"}
        await told(store, stating(identifiers, "d", kind="person.merged"))
        for ref in (one, other):
            found = tasks.open_tasks(store.reader, ref)
            assert [task.person for task in found] == [one, other]
        assert len(tasks.tasks_about(store.reader, stranger)) == 1


async def test_approving_a_doubtful_date_of_birth_makes_it_the_known_one(path: Where) -> None:
    async with opened(path) as store:
        one = await told(store, stating({"noms": NOMS}, "a", born=BORN))
        await told(store, stating({"noms": NOMS}, "b", born=BORN_OTHERWISE))
        (task,) = tasks.open_tasks(store.reader)
        await store.commit(decision(store, "approved", task.id))
        joint = stating({"noms": NOMS, "crn": CRN}, "c", born=BORN_OTHERWISE)
        assert (await told(store, joint)).person == one.person
        assert (await told(store, stating({"crn": CRN}, "d"), "probation")).person == one.person
        assert tasks.open_tasks(store.reader) == []
