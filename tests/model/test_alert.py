"""What a recipient opened is read back as the gateway wrote it, or refused without quoting it."""

import copy
import json
from typing import Any

import orjson
import pytest

from gateway.model.alert import parse_alert, read_alert
from gateway.model.problem import MalformedAlert
from keys.seal import open_sealed
from tests import canaries
from tests.gateway.test_disclose import READERS, tell


def content() -> dict[str, Any]:
    reader = READERS["police-ppu"]
    sealed = tell(reader.recipient).disclosures[0].sealed
    opened: dict[str, Any] = orjson.loads(open_sealed(sealed, reader.private or b""))
    return opened


def test_an_alert_is_read_as_it_was_written() -> None:
    opened = content()
    alert = read_alert(json.dumps(opened).encode())
    assert alert == read_alert(json.dumps(opened["alert"]).encode())
    stated = opened["alert"]
    assert (alert.id, alert.message, alert.kind) == (
        stated["message_id"], "NOTIFY", "release.planned",
    )  # fmt: skip
    assert alert.facts == stated["facts"]
    assert alert.text("identity", "family_name") == canaries.NAME
    assert alert.for_action == (stated["recipient_type"] == "FA")
    assert alert.stated.keys() == {one["name"] for one in stated["groups"]}
    assert all(one.controller == "hmp-exampleton" for one in alert.stated.values())


def test_what_was_not_told_reads_as_nothing() -> None:
    alert = parse_alert({**content()["alert"], "facts": {}})
    assert alert.fact("identity", "family_name") is None
    assert alert.text("custody", "planned_date") is None
    assert alert.object("location", "address") == {}
    assert alert.texts("children", "contact_restrictions") == ()


@pytest.mark.parametrize(
    ("member", "value", "path"),
    [
        ("message_type", "SHOUT", "$.message_type"),
        ("event_type", "org.throughgate.no.such.v1", "$.event_type"),
        ("message_id", None, "$.message_id"),
        ("recipient", 7, "$.recipient"),
        ("occurred_at", "yesterday", "$.occurred_at"),
        ("ack_required_by", "2026-01-01T00:00:00", "$.ack_required_by"),
        ("facts", {"identity": {"family_name": 7}}, "$.facts.identity.family_name"),
        ("facts", [], "$.facts"),
    ],
)
def test_a_fault_is_named_by_its_path_and_never_quoted(
    member: str, value: object, path: str
) -> None:
    alert = copy.deepcopy(content()["alert"])
    alert[member] = value
    with pytest.raises(MalformedAlert) as caught:
        parse_alert(alert)
    assert path in [problem.path for problem in caught.value.problems]
    assert canaries.found_in(str(caught.value)) == []


@pytest.mark.parametrize("body", [b"", b"[]", b"\xff", b"{}", b'{"alert": 1}'])
def test_what_is_no_alert_is_refused(body: bytes) -> None:
    with pytest.raises(MalformedAlert):
        read_alert(body)
