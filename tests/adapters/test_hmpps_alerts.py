"""Alerts reported by code: what each states, and that its end states the opposite of nothing."""

import pytest

from adapters.contract import UnsupportedEvent
from adapters.hmpps_domain_events import ADAPTER
from adapters.nomis_alerts.codes import FLAGS, NOT_TOLD
from gateway.model.event import CanonicalEvent
from gateway.model.groups import PROVENANCE
from gateway.model.problem import MalformedEvent
from tests.adapters.samples import NOMS, alert, body
from tests.support.every import every


def translate(code: str, change: str = "created") -> CanonicalEvent:
    message = body(alert(code, change=change))
    (translated,) = ADAPTER.translate(message, source="urn:example:prison").events
    return translated


def refused(code: str, change: str = "created") -> UnsupportedEvent:
    with pytest.raises(UnsupportedEvent) as caught:
        translate(code, change)
    return caught.value


@every("code", sorted(FLAGS))
def test_a_created_alert_states_what_its_code_states(code: str) -> None:
    event, flag = translate(code), FLAGS[code]
    facts = {
        name: {key: value for key, value in group.items() if key not in PROVENANCE}
        for name, group in event.groups.items()
    }
    assert event.kind == flag.kind
    which = {"rosh": {"flags": [f"NOMIS:{code}"]}}
    assert facts == {"identifiers": {"noms": NOMS}, **(flag.facts or which)}
    for name, assertion in flag.assertions.items():
        assert event.groups[name]["assertion"] == assertion
    assert {group["verified"] for group in event.groups.values()} == {flag.verified}


@pytest.mark.parametrize("change", ["inactive", "deleted"])
@pytest.mark.parametrize("code", sorted(FLAGS))
def test_an_alert_that_no_longer_stands_ends_a_flag_or_nothing(code: str, change: str) -> None:
    if FLAGS[code].end is None:
        error = refused(code, change)
        assert not error.needs_human
        assert FLAGS[code].why_no_end in str(error)
    else:
        event = translate(code, change)
        assert event.kind == "risk.flag_ended"
        assert set(event.groups) == {"identifiers", "rosh"}
        assert event.groups["rosh"]["flags"] == [f"NOMIS:{code}"]
        assert event.groups["rosh"]["assertion"] == "fact"


@pytest.mark.parametrize("change", ["created", "inactive", "deleted"])
@pytest.mark.parametrize("code", ["PEEP", "P0", "PC1", "TIERA", "F1"])
def test_retired_codes_and_those_of_no_concern_are_not_translated(code: str, change: str) -> None:
    error = refused(code, change)
    assert not error.needs_human
    assert NOT_TOLD[code] in str(error)


@pytest.mark.parametrize("change", ["created", "inactive", "deleted"])
@pytest.mark.parametrize("code", ["P104", "ZZZ", "p33"])
def test_a_code_nobody_knows_waits_for_a_human_and_is_not_quoted(code: str, change: str) -> None:
    error = refused(code, change)
    assert error.needs_human
    assert code not in str(error)


@pytest.mark.parametrize("code", ["", None, 33])
def test_an_alert_without_a_code_is_malformed(code: str | None) -> None:
    event = alert("P33")
    event["additionalInformation"]["alertCode"] = code
    with pytest.raises(MalformedEvent, match=r"additionalInformation\.alertCode") as caught:
        ADAPTER.translate(body(event), source="urn:example:prison")
    assert not isinstance(caught.value, UnsupportedEvent)


@pytest.mark.parametrize(
    ("source", "system"), [("DPS", "DPS"), ("NOMIS", "NOMIS"), (None, "NOMIS")]
)
def test_an_alert_names_the_system_it_is_recorded_in(source: str | None, system: str) -> None:
    event = alert("P33")
    event["additionalInformation"]["source"] = source
    (translated,) = ADAPTER.translate(body(event), source="urn:example:prison").events
    assert translated.groups["mappa"]["source_system"] == system


def test_two_alerts_at_one_time_are_two_events() -> None:
    other = alert("P33")
    other["additionalInformation"]["alertUuid"] = "7a0783ee-024e-4201-8e1f-3ead5fd2492a"
    (translated,) = ADAPTER.translate(body(other), source="urn:example:prison").events
    assert translated.id != translate("P33").id
    assert translate("P33").id != translate("P44").id
