"""Who is who, in the store: identifiers meet when stated together, and a conflict never merges."""

from collections.abc import Iterator

import orjson

from gateway.model.identifiers import check_nhs_number
from tests.store.stores import Where, about, accepted, column, entries, opened

NOMS, CRN, OTHER_NOMS, OTHER_CRN = "Z0101ZZ", "Z000101", "Z0202ZZ", "Z000202"


def logged(path: Where, op: str) -> list[dict[str, object]]:
    return [one for one in map(orjson.loads, entries(path)) if one["op"] == op]


def nhs_numbers() -> Iterator[str]:
    """Yield synthetic NHS numbers, of the 999 range, whose check digit is right."""
    for number in range(9990000000, 9990001000):
        try:
            yield check_nhs_number(str(number))
        except ValueError:
            continue


NHS_NUMBER, OTHER_NHS_NUMBER = list(nhs_numbers())[3:5]


async def test_one_identifier_names_one_person_over_all_events(path: Where) -> None:
    async with opened(path) as store:
        first = await accepted(store, about({"noms": NOMS}, id_="a"))
        second = await accepted(store, about({"noms": NOMS}, id_="b"))
        other = await accepted(store, about({"noms": OTHER_NOMS}, id_="c"))
    assert first.person == second.person != other.person
    assert logged(path, "combination") == []


async def test_identifiers_stated_together_meet_in_one_person_and_the_log_says_so(
    path: Where,
) -> None:
    async with opened(path) as store:
        prison = await accepted(store, about({"noms": NOMS}, id_="a"))
        joint = await accepted(store, about({"noms": NOMS, "crn": CRN}, id_="b"))
        probation = await accepted(
            store, about({"crn": CRN}, id_="c"), organisation_class="probation"
        )
    assert prison.person == joint.person == probation.person
    (combination,) = logged(path, "combination")
    assert combination["identifiers"] == ["crn"]
    assert combination["person"] == prison.person
    assert combination["event"] == joint.ref


async def test_two_persons_are_never_merged_by_an_event_that_names_both(path: Where) -> None:
    async with opened(path) as store:
        one = await accepted(store, about({"noms": NOMS}, id_="a"))
        two = await accepted(store, about({"crn": CRN}, id_="b"), organisation_class="probation")
        both = about({"noms": NOMS, "crn": CRN}, id_="c")
        by_prison = await accepted(store, both)
        both = about({"noms": NOMS, "crn": CRN}, id_="d")
        by_probation = await accepted(store, both, organisation_class="probation")
        still_one = await accepted(store, about({"noms": NOMS}, id_="e"))
        still_two = await accepted(store, about({"crn": CRN}, id_="f"))
    assert one.person != two.person
    assert by_prison.person == one.person, "a prison knows its own numbering"
    assert by_probation.person == two.person, "and probation its own"
    assert (still_one.person, still_two.person) == (one.person, two.person)
    codes = [one["code"] for one in logged(path, "security")]
    assert codes == ["identifiers-conflict"] * 2
    assert logged(path, "combination") == []


async def test_a_conflict_links_nothing_new_either(path: Where) -> None:
    async with opened(path) as store:
        await accepted(store, about({"noms": NOMS}, id_="a"))
        await accepted(store, about({"crn": CRN}, id_="b"))
        traced = {"nhs_number": NHS_NUMBER, "nhs_number_status": "01"}
        await accepted(store, about({"noms": NOMS, "crn": CRN, **traced}, id_="c"))
        later = await accepted(store, about(traced, id_="d"), organisation_class="police")
    persons = column(path, "SELECT ref FROM person")
    assert len(persons) == 3, "the NHS number of the conflicting event was linked to nobody"
    assert later.person in persons


async def test_an_nhs_number_joins_records_only_once_it_is_traced(path: Where) -> None:
    untraced = {"nhs_number": NHS_NUMBER, "nhs_number_status": "02"}
    traced = {"nhs_number": NHS_NUMBER, "nhs_number_status": "01"}
    async with opened(path) as store:
        one = await accepted(store, about({"noms": NOMS, **untraced}, id_="a"))
        two = await accepted(store, about({"noms": OTHER_NOMS, **untraced}, id_="b"))
        three = await accepted(store, about(traced, id_="c"), organisation_class="police")
        four = await accepted(store, about({"noms": NOMS, **traced}, id_="d"))
    assert len({one.person, two.person, three.person}) == 3
    assert four.person == one.person, "named by the prison's own number, as a conflict"
    assert [entry["code"] for entry in logged(path, "security")] == ["identifiers-conflict"]


async def test_the_same_identifier_in_another_form_is_the_same_person(path: Where) -> None:
    spaced = f"{NHS_NUMBER[:3]} {NHS_NUMBER[3:6]} {NHS_NUMBER[6:]}"
    async with opened(path) as store:
        one = await accepted(
            store, about({"nhs_number": NHS_NUMBER, "nhs_number_status": "01"}, id_="a")
        )
        two = await accepted(
            store, about({"nhs_number": spaced, "nhs_number_status": "01"}, id_="b")
        )
        three = await accepted(
            store, about({"nhs_number": OTHER_NHS_NUMBER, "nhs_number_status": "01"}, id_="c")
        )
    assert one.person == two.person != three.person


async def test_the_same_text_as_another_kind_of_identifier_is_another_person(path: Where) -> None:
    async with opened(path) as store:
        await accepted(store, about({"noms": NOMS}, id_="a"))
        await accepted(store, about({"crn": OTHER_CRN}, id_="b"))
    macs = column(path, "SELECT mac FROM person_identifier")
    assert len(set(macs)) == 2
    assert {len(mac) for mac in macs} == {32}


async def test_events_of_one_batch_about_one_new_person_make_one_person(path: Where) -> None:
    from tests.store.stores import accept, posted

    async with opened(path) as store:
        batch = posted(
            about({"noms": NOMS}, id_="a"),
            about({"noms": NOMS, "crn": CRN}, id_="b"),
            about({"crn": CRN}, id_="c"),
        )
        found = await accept(store, batch)
    assert len({event.person for event in found.new}) == 1
    assert len(column(path, "SELECT ref FROM person")) == 1
