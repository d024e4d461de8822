"""Who is meant: four agencies meet in one person, and nothing doubtful joins anybody."""

from typing import Any

import orjson
import pytest

from gateway.model.event import Event
from gateway.model.kinds import type_of
from gateway.store.acceptance import CorrectsUnknown
from gateway.store.people import find, history, records
from gateway.store.store import Store
from gateway.store.tasks import Task, open_tasks
from tests.store.stores import NOW, Where, about, accept, column, entries, opened, posted, stored
from tests.store.test_people import NHS_NUMBER, OTHER_NHS_NUMBER

NOMS, OTHER_NOMS, CRN, OTHER_CRN = "Z0301ZZ", "Z0302ZZ", "Z000301", "Z000302"
PNC, CRO = "2002/0073319Z", "065656/91H"
TRACED = {"nhs_number": NHS_NUMBER, "nhs_number_status": "01"}
BORN, BORN_OTHERWISE = "1980-04-01", "1980-01-04"
FAMILY = "Example-Marlowe"


def stating(
    identifiers: dict[str, str],
    id_: str,
    *,
    born: str | None = None,
    family: str = FAMILY,
    kind: str = "release.planned",
    **attributes: Any,
) -> dict[str, Any]:
    event = about(identifiers, id_=id_) | {"type": type_of(kind)} | attributes
    event["data"]["identity"] = {"family_name": family}
    if born is not None:
        event["data"]["identity"]["date_of_birth"] = born
    return event


async def told(store: Store, event: dict[str, Any], sender: str = "prison") -> Event:
    """Accept an event and return it, whatever the gateway states because of it."""
    number = len(column(store.place, "SELECT 1 FROM receipt"))
    request = posted(event, message_id=f"told-{number}")
    return (await accept(store, request, organisation_class=sender)).new[0]


def tasks(store: Store) -> list[Task]:
    return open_tasks(store.reader)


def kinds(store: Store) -> list[str]:
    return [one.kind for one in tasks(store)]


def combined(path: Where) -> list[dict[str, Any]]:
    found = map(orjson.loads, entries(path))
    return [one for one in found if one["op"] == "combination"]


async def test_four_agencies_meet_in_one_person_once_each_link_is_asserted(path: Where) -> None:
    async with opened(path) as store:
        prison = await told(store, stating({"noms": NOMS}, "a", born=BORN))
        links = [
            await told(store, stating({"noms": NOMS, "crn": CRN}, "b", born=BORN), "probation"),
            await told(store, stating({"crn": CRN, "pnc": PNC}, "c", born=BORN), "police"),
            await told(store, stating({"noms": NOMS, **TRACED}, "d"), "prison_healthcare"),
        ]
        apart = [
            await told(store, stating({"crn": CRN}, "e"), "probation"),
            await told(store, stating({"pnc": "02/73319Z"}, "f"), "police"),
            await told(store, stating(TRACED, "g", born=BORN), "nhs_mental_health_trust"),
        ]
        assert {one.person for one in (*links, *apart)} == {prison.person}
        assert tasks(store) == []
        for kind, text in (("noms", NOMS), ("crn", CRN), ("pnc", PNC), ("nhs_number", NHS_NUMBER)):
            found = find(store.reader, store.sealed, kind, text, today=NOW.date())
            assert found == prison.person
    assert [one["identifiers"] for one in combined(path)] == [["crn"], ["pnc"], ["nhs_number"]]


async def test_another_date_of_birth_from_the_numbers_own_keeper_stays_and_links_nothing(
    path: Where,
) -> None:
    async with opened(path) as store:
        one = await told(store, stating({"noms": NOMS}, "a", born=BORN))
        other = await told(store, stating({"noms": NOMS, "crn": CRN}, "b", born=BORN_OTHERWISE))
        assert other.person == one.person
        assert find(store.reader, store.sealed, "crn", CRN) is None
        (task,) = tasks(store)
        assert (task.kind, task.person, task.event) == (
            "date-of-birth-conflict", one.person, other.ref
        )  # fmt: skip
        await told(store, stating({"noms": NOMS}, "c", born=BORN_OTHERWISE))
        assert len(tasks(store)) == 1, "the same question is asked once"
    codes = [orjson.loads(one).get("code") for one in entries(path)]
    assert codes.count("date-of-birth-conflict") == 2


async def test_another_date_of_birth_with_an_own_number_nobody_knows_makes_a_new_person(
    path: Where,
) -> None:
    async with opened(path) as store:
        one = await told(store, stating({"noms": NOMS}, "a", born=BORN))
        joint = stating({"noms": NOMS, "crn": CRN}, "b", born=BORN_OTHERWISE)
        other = await told(store, joint, "probation")
        assert other.person != one.person
        assert find(store.reader, store.sealed, "crn", CRN) == other.person
        assert find(store.reader, store.sealed, "noms", NOMS) == one.person
        (task,) = tasks(store)
        assert task.body["others"] == [one.person]
        again = await told(store, joint | {"id": "c"}, "probation")
        assert again.person == other.person


async def test_who_keeps_no_numbers_and_states_another_birth_is_set_apart_in_one_place(
    path: Where,
) -> None:
    async with opened(path) as store:
        one = await told(store, stating({"noms": NOMS}, "a", born=BORN))
        first = await told(store, stating({"noms": NOMS}, "b", born=BORN_OTHERWISE), "other")
        second = await told(store, stating({"noms": NOMS}, "c", born=BORN_OTHERWISE), "other")
        assert first.person == second.person != one.person
        assert (await told(store, stating({"noms": NOMS}, "d"))).person == one.person
        assert kinds(store).count("date-of-birth-conflict") == 1


async def test_a_date_of_birth_learnt_later_is_the_known_one_from_then_on(path: Where) -> None:
    async with opened(path) as store:
        one = await told(store, stating({"noms": NOMS}, "a"))
        await told(store, stating({"noms": NOMS}, "b", born=BORN))
        other = await told(store, stating({"noms": NOMS}, "c", born=BORN_OTHERWISE), "other")
        assert other.person != one.person
        assert kinds(store) == ["date-of-birth-conflict"]


async def test_a_corrected_date_of_birth_becomes_the_known_one(path: Where) -> None:
    async with opened(path) as store:
        one = await told(store, stating({"noms": NOMS}, "a", born=BORN))
        fix = stating({}, "b", born=BORN_OTHERWISE, kind="event.corrected", corrects="a")
        await told(store, fix)
        later = stating({"noms": NOMS, "crn": CRN}, "c", born=BORN_OTHERWISE)
        assert (await told(store, later)).person == one.person
        assert tasks(store) == []
        assert find(store.reader, store.sealed, "crn", CRN) == one.person


@pytest.mark.parametrize("number", ["3333333333", "999 999 9999", "000-000-0000"])
async def test_a_repeated_digit_costs_no_event_matches_nobody_and_asks_a_human(
    path: Where, number: str
) -> None:
    typed = {"nhs_number": number, "nhs_number_status": "01"}
    async with opened(path) as store:
        one = await told(store, stating({"noms": NOMS, **typed}, "a"))
        two = await told(store, stating({"crn": CRN, **typed}, "b"), "probation")
        three = await told(store, stating(typed, "c"), "prison_healthcare")
        assert len({one.person, two.person, three.person}) == 3
        assert kinds(store) == ["nhs-number-placeholder"] * 3
    assert len(column(path, "SELECT mac FROM person_identifier")) == 2


async def test_an_untraced_number_of_somebody_else_asks_a_human_and_joins_nothing(
    path: Where,
) -> None:
    untraced = TRACED | {"nhs_number_status": "02"}
    async with opened(path) as store:
        holder = await told(store, stating(TRACED, "a"), "prison_healthcare")
        other = await told(store, stating({"noms": NOMS, **untraced}, "b"))
        assert other.person != holder.person
        (task,) = tasks(store)
        assert (task.kind, task.person) == ("nhs-number-unverified", other.person)
        assert task.body["others"] == [holder.person]
        nobody = {"nhs_number": OTHER_NHS_NUMBER, "nhs_number_status": "03"}
        await told(store, stating({"noms": NOMS, **nobody}, "c"))
        assert len(tasks(store)) == 1, "an untraced number nobody has is no question"


async def test_an_untraced_number_alone_is_a_new_person_each_time(path: Where) -> None:
    untraced = {"nhs_number": NHS_NUMBER}
    async with opened(path) as store:
        one = await told(store, stating(untraced, "a"), "prison_healthcare")
        two = await told(store, stating(untraced, "b"), "prison_healthcare")
        assert one.person != two.person
        assert kinds(store) == ["nhs-number-unverified"] * 2
    assert column(path, "SELECT mac FROM person_identifier") == []


async def test_the_same_name_and_birth_never_merge_and_ask_a_human(path: Where) -> None:
    async with opened(path) as store:
        one = await told(store, stating({"noms": NOMS}, "a", born=BORN))
        alike = stating({"crn": CRN}, "b", born=BORN, family=f" {FAMILY.upper()}")
        two = await told(store, alike, "probation")
        assert one.person != two.person
        (task,) = tasks(store)
        assert (task.kind, task.person) == ("similar-person", two.person)
        assert task.body["others"] == [one.person]
        await told(store, alike | {"id": "c"}, "probation")
        await told(store, stating({"pnc": PNC}, "d", born=BORN, family="Specimen"), "police")
        await told(store, stating({"cro": CRO}, "e", born=BORN_OTHERWISE), "police")
        assert len(tasks(store)) == 1


async def test_of_many_look_alikes_no_more_are_read_than_a_task_names(path: Where) -> None:
    """A name and date everybody is given, such as 1 January, must not slow the gateway down."""
    async with opened(path) as store:
        for number in range(30):
            one = stating({"noms": f"Z{number:04}ZZ"}, f"e-{number}", born=BORN, family="Specimen")
            await told(store, one)
        found = tasks(store)
        assert [len(task.body["others"]) for task in found] == [*range(1, 11), *[10] * 19]


async def test_a_conflict_of_identifiers_is_a_task_without_any_value(path: Where) -> None:
    async with opened(path) as store:
        one = await told(store, stating({"noms": NOMS}, "a"))
        two = await told(store, stating({"crn": CRN}, "b"), "probation")
        await told(store, stating({"noms": NOMS, "crn": CRN}, "c"))
        (task,) = tasks(store)
        assert (task.kind, task.person) == ("identifiers-conflict", one.person)
        assert task.body == {"identifiers": ["crn", "noms"], "others": [two.person]}


async def test_nothing_of_a_person_is_plain_in_tasks_entries_or_columns(path: Where) -> None:
    async with opened(path) as store:
        await told(store, stating({"noms": NOMS}, "a", born=BORN))
        await told(store, stating({"noms": NOMS, "crn": CRN}, "b", born=BORN_OTHERWISE), "other")
        await told(store, stating({"crn": CRN, "nhs_number": "1" * 10}, "c", born=BORN), "other")
    plain = stored(path)
    for mark in (NOMS, CRN, FAMILY, FAMILY.casefold(), BORN, BORN_OTHERWISE, "1" * 10):
        assert mark.encode() not in plain


# Records that an agency says are one, or are not


def merging(id_: str, *, kind: str = "person.merged", born: str | None = None) -> dict[str, Any]:
    identifiers = {"noms": NOMS, "superseded_noms": OTHER_NOMS}
    return stating(identifiers, id_, kind=kind, born=born)


async def test_a_merge_from_the_prison_makes_one_person_of_two_records(path: Where) -> None:
    async with opened(path) as store:
        one = await told(store, stating({"noms": NOMS}, "a"))
        two = await told(store, stating({"noms": OTHER_NOMS, "crn": CRN}, "b"))
        request = posted(merging("c"), message_id="merge")
        (merge,) = (await accept(store, request)).new
        assert merge.person == one.person
        assert records(store.reader, two.person) == (one.person, two.person)
        (done,) = history(store.reader, one.person)
        assert (done.survivor, done.absorbed, done.event) == (one.person, two.person, merge.ref)
        under_old = await told(store, stating({"noms": OTHER_NOMS}, "d"))
        assert under_old.person == one.person
        again = await accept(store, posted(merging("e"), message_id="again"))
        assert [each.person for each in again.new] == [one.person], "no event of our own beside it"
        assert len(history(store.reader, one.person)) == 1, "merging twice merges once"
    (logged,) = combined(path)
    assert (logged["person"], logged["absorbed"]) == (one.person, two.person)
    assert column(path, f"SELECT person FROM event WHERE ref = '{under_old.ref}'") == [two.person]


async def test_a_merge_with_a_number_nobody_had_makes_it_an_alias(path: Where) -> None:
    async with opened(path) as store:
        renamed = await told(store, stating({"noms": OTHER_NOMS}, "a"))
        merge = await told(store, merging("b"))
        assert merge.person == renamed.person
        assert (await told(store, stating({"noms": NOMS}, "c"))).person == renamed.person
        assert history(store.reader, renamed.person) == ()


async def test_an_unmerge_from_the_prison_parts_them_and_looks_at_both_again(path: Where) -> None:
    async with opened(path) as store:
        one = await told(store, stating({"noms": NOMS}, "a"))
        two = await told(store, stating({"noms": OTHER_NOMS}, "b"))
        await told(store, merging("c"))
        request = posted(merging("d", kind="person.unmerged"), message_id="unmerge")
        undone, own = (await accept(store, request)).new
        assert (undone.person, own.person) == (one.person, two.person)
        assert (own.kind, own.agency) == ("person.unmerged", "throughgate")
        assert records(store.reader, one.person) == (one.person,)
        assert (await told(store, stating({"noms": OTHER_NOMS}, "e"))).person == two.person
        (done,) = history(store.reader, one.person)
        assert done.undone_by == undone.ref
    assert [one.get("separated") for one in combined(path)] == [None, two.person]


async def test_a_link_asserted_of_two_records_merges_them_and_states_a_merge(path: Where) -> None:
    async with opened(path) as store:
        one = await told(store, stating({"noms": NOMS}, "a"))
        two = await told(store, stating({"crn": CRN}, "b"), "probation")
        both = stating({"noms": NOMS, "crn": CRN, "pnc": PNC}, "c", kind="person.linked")
        request = posted(both, message_id="link")
        linked, own = (await accept(store, request, organisation_class="prison")).new
        assert linked.person == own.person == one.person
        assert (own.kind, own.agency) == ("person.merged", "throughgate")
        assert records(store.reader, two.person) == (one.person, two.person)
        assert find(store.reader, store.sealed, "pnc", PNC) == one.person
        assert tasks(store) == []


@pytest.mark.parametrize("kind", ["person.linked", "person.merged"])
async def test_two_dates_of_birth_are_never_merged_on_an_agencys_word(
    path: Where, kind: str
) -> None:
    async with opened(path) as store:
        one = await told(store, stating({"noms": NOMS}, "a", born=BORN))
        two = await told(store, stating({"noms": OTHER_NOMS}, "b", born=BORN_OTHERWISE))
        await told(store, merging("c", kind=kind))
        assert history(store.reader, one.person) == ()
        (task,) = tasks(store)
        assert (task.kind, task.body["others"]) == ("date-of-birth-conflict", [two.person])


# Corrections


async def test_a_revision_is_about_whom_the_revised_event_is_and_says_which(path: Where) -> None:
    async with opened(path) as store:
        one = await told(store, stating({"noms": NOMS}, "a"))
        other = await told(store, stating({"noms": OTHER_NOMS}, "b"))
        fix = stating({"noms": OTHER_NOMS, "crn": CRN}, "c", kind="event.corrected", corrects="a")
        corrected = await told(store, fix)
        assert (corrected.person, corrected.corrects) == (one.person, one.ref)
        assert find(store.reader, store.sealed, "crn", CRN) is None
        (task,) = tasks(store)
        assert (task.kind, task.body["others"]) == ("identifiers-conflict", [other.person])
        gone = {"specversion": "1.0", "id": "d", "source": fix["source"], "corrects": "a",
                "type": type_of("event.retracted"), "data": {}}  # fmt: skip
        retracted = await told(store, gone)
        assert (retracted.person, retracted.corrects) == (one.person, one.ref)
    assert column(path, "SELECT corrects FROM event WHERE kind = 'event.retracted'") == [one.ref]


async def test_a_revision_of_what_never_came_stores_nothing_of_its_request(path: Where) -> None:
    async with opened(path) as store:
        await told(store, stating({"noms": NOMS}, "a"))
        before = entries(path)
        batch = posted(
            stating({"noms": OTHER_NOMS}, "b"),
            stating({}, "c", kind="event.corrected", corrects="nothing"),
            message_id="batch",
        )
        with pytest.raises(CorrectsUnknown):
            await accept(store, batch)
        assert entries(path) == before
        assert len(column(path, "SELECT ref FROM event")) == 1
        good = posted(
            stating({"noms": OTHER_NOMS}, "b"),
            stating({}, "c", kind="event.corrected", corrects="b"),
            message_id="batch",
        )
        first, second = (await accept(store, good)).new
        assert second.corrects == first.ref


async def test_an_event_about_someone_merged_is_about_the_one_person(path: Where) -> None:
    async with opened(path) as store:
        one = await told(store, stating({"noms": NOMS}, "a"))
        await told(store, stating({"noms": OTHER_NOMS}, "b"))
        await told(store, merging("c"))
        fix = stating({}, "d", kind="event.corrected", corrects="b")
        assert (await told(store, fix)).person == one.person
        new = await told(store, stating({"noms": OTHER_NOMS, "crn": CRN}, "e"))
        assert new.person == one.person
        assert find(store.reader, store.sealed, "crn", CRN) == one.person
        again = await told(store, stating({"crn": CRN}, "f"), "probation")
        assert again.person == one.person
