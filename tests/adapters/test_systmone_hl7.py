"""Prison healthcare's HL7 v2.4 ADT messages: each trigger, each field that is read."""

import json
from typing import Any

import pytest

from adapters.contract import Translation, UnsupportedEvent
from adapters.systmone import ADAPTER
from adapters.systmone.codes import DESTINATIONS, SEX_CODES, TRACED
from gateway.model.problem import MalformedEvent
from tests.adapters.examples import SOURCE
from tests.third_party import vector_files, vectors

STRUCTURES = {
    "A01": "ADT_A01",
    "A03": "ADT_A03",
    "A08": "ADT_A01",
    "A28": "ADT_A05",
    "A31": "ADT_A05",
}


def adt(
    trigger: str = "A31",
    *,
    pid: dict[int, str] | None = None,
    pd1: str = "Example Road Medical Centre^^Z99904",
    pv1: dict[int, str] | None = None,
    msh: dict[int, str] | None = None,
    evn: str = "EVN||20260116085900+0000||||20260116085800+0000",
    more: tuple[str, ...] = (),
) -> bytes:
    header = {
        3: "SYSTMONE", 7: "20260116090000+0000", 9: f"ADT^{trigger}^{STRUCTURES.get(trigger, '')}",
        10: "1", 11: "P", 12: "2.4", 18: "UNICODE",
    } | (msh or {})  # fmt: skip
    person = {
        3: "9990000026^^^NHS~Z0002ZZ^^^NOMIS", 5: "Specimen^Robin^Lee^^MR^^L", 7: "19850312",
        8: "1",
    } | (pid or {})  # fmt: skip
    segments = [
        "MSH|^~\\&|" + "|".join(header.get(field, "") for field in range(3, 22)),
        evn,
        "PID|" + "|".join(person.get(field, "") for field in range(1, 40)),
        f"PD1|||{pd1}",
        "PV1|" + "|".join((pv1 or {}).get(field, "") for field in range(1, 46)),
        *more,
    ]
    return "\r".join(one for one in segments if one).encode()


def translate(body: bytes) -> Translation:
    return ADAPTER.translate(body, source=SOURCE)


def stated(body: bytes, group: str) -> dict[str, Any]:
    (event,) = translate(body).events
    provenance = {"assertion", "as_of", "source_system", "verified"}
    return {k: v for k, v in event.groups.get(group, {}).items() if k not in provenance}


def refused(body: bytes, *, human: bool) -> str:
    with pytest.raises(UnsupportedEvent) as error:
        translate(body)
    assert error.value.needs_human is human
    return error.value.problems[0].path


@pytest.mark.parametrize("trigger", ["A01", "A08", "A28", "A31"])
def test_a_reception_and_an_update_say_who_treats_the_person(trigger: str) -> None:
    (event,) = translate(adt(trigger)).events
    assert event.kind == "health.care_team_recorded"
    practice = event.groups["health_routing"]["registered_practice"]
    assert practice == {"name": "Example Road Medical Centre", "ods": "Z99904"}
    assert "community_gp" not in event.groups["health_routing"]


def test_a_discharge_is_one() -> None:
    body = adt("A03", pv1={36: "19", 45: "202601160855+0000"})
    (event,) = translate(body).events
    assert event.kind == "health.discharge_planned"
    assert not {"custody", "location"} & set(event.groups)


@pytest.mark.parametrize("code", sorted(DESTINATIONS))
def test_a_discharge_is_told_of_only_if_it_is_to_the_community(code: str) -> None:
    body = adt("A03", pv1={36: code})
    if DESTINATIONS[code] in ("community", "not_known"):
        assert translate(body).events
    else:
        assert refused(body, human=DESTINATIONS[code] != "elsewhere") == "$.PV1-36"


def test_a_destination_of_no_known_code_needs_a_human() -> None:
    assert refused(adt("A03", pv1={36: "77"}), human=True) == "$.PV1-36"


def test_a_discharge_at_another_time_is_another_event() -> None:
    times = ("202601160855+0000", "202601160856+0000")
    ids = {translate(adt("A03", pv1={36: "19", 45: time})).events[0].id for time in times}
    assert len(ids) == 2


@pytest.mark.parametrize("trigger", ["A11", "A12", "A13", "A23", "A27", "A29", "A40", "A18", "A24"])
def test_what_takes_back_or_merges_needs_a_human(trigger: str) -> None:
    assert refused(adt(trigger), human=True) == "$.MSH-9"


@pytest.mark.parametrize("trigger", ["A02", "A04", "A05", "A16", "A60"])
def test_any_other_trigger_is_of_no_concern(trigger: str) -> None:
    refused(adt(trigger), human=False)


@pytest.mark.parametrize(
    "msh",
    [{9: "ORU^R01"}, {11: "T"}, {11: "D"}, {11: ""}, {12: "2.3"}, {12: "2.5"}, {12: ""}],
)
def test_another_message_version_or_a_test_is_not_read(msh: dict[int, str]) -> None:
    refused(adt(msh=msh), human=False)


@pytest.mark.parametrize(
    "msh", [{9: "ADT"}, {9: ""}, {9: "ADT^A31^ADT_A01"}, {9: "ADT^A01^ADT_A01^X"}, {9: "ADT^a31"}]
)
def test_a_trigger_that_contradicts_itself_is_refused(msh: dict[int, str]) -> None:
    with pytest.raises(MalformedEvent, match="MSH-9"):
        translate(adt(msh=msh))


def test_the_trigger_is_the_headers_and_the_event_may_only_repeat_it() -> None:
    assert translate(adt("A31", evn="EVN|A31|20260116085900+0000")).events
    with pytest.raises(MalformedEvent, match="stated twice"):
        translate(adt("A31", evn="EVN|A01|20260116085900+0000"))


def test_the_times_are_when_it_was_recorded_and_when_it_occurred() -> None:
    (event,) = translate(adt()).events
    assert event.groups["identifiers"]["as_of"] == "2026-01-16T08:59:00Z"
    assert event.occurred_at is not None
    assert event.occurred_at.isoformat() == "2026-01-16T08:58:00+00:00"
    (bare,) = translate(adt(evn="")).events
    assert bare.groups["identifiers"]["as_of"] == "2026-01-16T09:00:00Z"


def test_a_time_without_a_zone_is_londons_and_said_to_be() -> None:
    translation = translate(adt(evn="EVN||202607160859"))
    assert translation.events[0].groups["identifiers"]["as_of"] == "2026-07-16T08:59:00+01:00"
    assert [note.path for note in translation.notes] == ["$.EVN-2"]


def test_numbers_are_told_apart_by_who_issued_them() -> None:
    body = adt(pid={3: "Z0002ZZ^^^HMPPS~4711^^^Z99902~999 000 0026^^^NHS"})
    assert stated(body, "identifiers") == {"noms": "Z0002ZZ", "nhs_number": "9990000026"}
    assert [note.path for note in translate(body).notes] == ["$.PID-3"]


def test_nobody_is_refused_and_two_of_a_kind_need_a_human() -> None:
    with pytest.raises(MalformedEvent, match="names nobody"):
        translate(adt(pid={3: "4711^^^Z99902"}))
    assert refused(adt(pid={3: "Z0002ZZ^^^NOMIS~Z0003ZZ^^^NOMIS"}), human=True) == "$.PID-3"


@pytest.mark.parametrize("status", [*sorted(TRACED), "ED", ""])
def test_a_tracing_status_is_one_of_eight_codes_or_none(status: str) -> None:
    told = stated(adt(pid={32: status}), "identifiers").get("nhs_number_status")
    assert told == (status if status in TRACED else None)


def test_two_tracing_statuses_need_a_human() -> None:
    assert refused(adt(pid={32: "01~02"}), human=True) == "$.PID-32"


@pytest.mark.parametrize("code", [*sorted(SEX_CODES)])
def test_a_sex_is_read_by_number_or_letter(code: str) -> None:
    assert stated(adt(pid={8: code}), "identity")["sex"] == SEX_CODES[code]


@pytest.mark.parametrize("code", ["3", "X", "m"])
def test_a_sex_of_no_known_code_needs_a_human(code: str) -> None:
    assert refused(adt(pid={8: code}), human=True) == "$.PID-8"


@pytest.mark.parametrize(
    ("born", "told"), [("19850312", "1985-03-12"), ("198503121515", "1985-03-12"), ("1985", None)]
)
def test_a_date_of_birth_is_a_day_or_left_out(born: str, told: str | None) -> None:
    assert stated(adt(pid={7: born}), "identity").get("date_of_birth") == told


def test_the_legal_name_is_told_from_the_others() -> None:
    names = "Formerly^Robin^^^^^M~Specimen^Robin^^^^^L"
    told = stated(adt(pid={5: names, 9: "Alias^Rob"}), "identity")
    assert told["family_name"] == "Specimen"
    assert told["aliases"] == ["Robin Formerly", "Rob Alias"]
    assert refused(adt(pid={5: "A^B^^^^^L~C^D^^^^^L"}), human=True) == "$.PID-5"


def test_the_dead_need_a_human() -> None:
    assert refused(adt(pid={30: "Y"}), human=True) == "$.PID-30"
    assert refused(adt(pid={29: "20260101"}), human=True) == "$.PID-30"


def test_no_practice_is_missing_only_where_the_message_says_so() -> None:
    told = stated(adt(pd1='""'), "health_routing")
    assert told == {"registered_practice": "NOT_RECORDED"}
    refused(adt(pd1=""), human=False)
    assert stated(adt("A03", pd1=""), "health_routing") == {}


def test_a_doctor_is_not_a_practice() -> None:
    body = adt("A03", pd1="|G9999999^Example^Pat^^^Dr^^^GMP")
    assert stated(body, "health_routing") == {}
    assert "$.PD1-4" in [note.path for note in translate(body).notes]


def test_a_practice_known_by_its_code_alone_is_named_by_it() -> None:
    told = stated(adt(pd1="^^Z99904"), "health_routing")
    assert told["registered_practice"] == {"name": "Z99904", "ods": "Z99904"}


def test_a_segment_that_is_not_known_is_reported_and_those_of_the_nhs_are_not() -> None:
    assert translate(adt(more=("ZU1|1", "ZQQ|1", "NK1|1"))).unread == ("$.ZQQ",)


def test_a_repeated_person_is_refused() -> None:
    with pytest.raises(MalformedEvent, match="segment repeated"):
        translate(adt(more=("PID|1||Z0009ZZ^^^NOMIS",)))


def test_a_second_message_is_refused_whole() -> None:
    with pytest.raises(MalformedEvent, match="second header"):
        translate(adt() + b"\r" + adt())


def test_a_batch_of_messages_is_read_one_by_one() -> None:
    other = adt(pid={3: "Z0003ZZ^^^NOMIS"})
    batch = b"FHS|^~\\&\rBHS|^~\\&\r" + adt() + b"\r" + other + b"\rBTS|2\rFTS|1\r"
    assert len(translate(batch).events) == 2


# Merges.


def merge(kept: str, gone: str) -> bytes:
    return adt("A34", pid={3: kept}, pd1="", more=(f"MRG|{gone}",))


def test_a_merge_of_two_prison_numbers_is_told_of() -> None:
    (event,) = translate(merge("Z0002ZZ^^^NOMIS", "Z0003ZZ^^^NOMIS")).events
    assert event.kind == "person.merged"
    assert event.groups["identifiers"]["noms"] == "Z0002ZZ"
    assert event.groups["identifiers"]["superseded_noms"] == "Z0003ZZ"
    assert set(event.groups) == {"identifiers"}


@pytest.mark.parametrize(
    ("kept", "gone"),
    [
        ("9990000026^^^NHS", "9990000018^^^NHS"),
        ("Z0002ZZ^^^NOMIS", "9990000018^^^NHS"),
        ("Z0002ZZ^^^NOMIS", "Z0002ZZ^^^NOMIS"),
        ("Z0002ZZ^^^NOMIS~9990000026^^^NHS", "Z0003ZZ^^^NOMIS~9990000018^^^NHS"),
    ],
)
def test_any_other_merge_needs_a_human(kept: str, gone: str) -> None:
    assert refused(merge(kept, gone), human=True) == "$.MRG-1"


def test_a_merge_that_does_not_say_of_what_is_refused() -> None:
    with pytest.raises(MalformedEvent, match="MRG"):
        translate(adt("A34", pd1=""))


# Third-party samples.


@pytest.mark.parametrize("path", vector_files("hl7v2", "*.hl7"), ids=lambda path: path.name)
def test_every_sample_is_refused_with_a_reason(path: Any) -> None:
    """None is of version 2.4, of an ADT trigger that matters, and about a person of ours."""
    with pytest.raises(MalformedEvent) as error:
        translate(path.read_bytes())
    assert all(problem.reason for problem in error.value.problems)


def test_every_probed_value_stays_a_value() -> None:
    probes = json.loads((vectors("own-probes") / "hl7-injection.json").read_text("utf-8"))
    for message in probes["messages"]:
        with pytest.raises(MalformedEvent):
            translate(message.encode())
