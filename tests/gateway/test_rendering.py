"""An alert carries its recipient's own form under the same seal, and never waits for one."""

import base64
import dataclasses
import hashlib
import hmac

import orjson
import pytest
import structlog

from adapters.contract import Adapter, NotRendered, Outbound, Rendition
from gateway.disclose import Revision, disclose, recall
from gateway.disclosure_log.canonical import canonical_json
from gateway.known import with_event
from gateway.model.alert import Alert
from gateway.model.decision import Permit
from gateway.model.ids import AlertId
from gateway.model.person import Person
from gateway.rendering import full_name, rendering
from keys.seal import open_sealed
from tests import canaries
from tests.gateway.test_disclose import READERS, context, decisions, happened


def names(alert: Alert) -> Rendition | NotRendered:
    if alert.message == "RECALL":
        return NotRendered(reasons=("nothing to print",))
    name = alert.text("identity", "family_name") or "not stated"
    return Rendition(media_type="text/plain", file_name="name.txt", body=name.encode())


def breaks(_alert: Alert) -> Rendition | NotRendered:
    raise ZeroDivisionError(canaries.NAME)


ADAPTERS = {
    "card": Adapter(
        name="card",
        title="Card",
        outbound=(
            Outbound(form="name", media_type="text/plain", render=names),
            Outbound(form="broken", media_type="text/plain", render=breaks),
        ),
    )
}


def opened(*forms: str, message: str = "NOTIFY") -> dict[str, object]:
    """Return the content of what police are told, with these forms asked for."""
    reader = READERS["police-ppu"]
    recipient = dataclasses.replace(reader.recipient, renditions=forms)
    event = happened()
    with_forms = dataclasses.replace(context(), render=rendering(ADAPTERS))
    [permit] = decisions([recipient], event)
    assert isinstance(permit, Permit)
    if message == "RECALL":
        revision = Revision(message="RECALL", supersedes=AlertId("alt_1"))
        told = recall(event, recipient, "retracted", with_forms, revision, permit.rulebook)
    else:
        person = with_event(Person(ref=event.person), event)
        told = disclose(permit, event, person, recipient, with_forms)
    sealed, text = told.disclosures
    assert canaries.found_in(text.sealed.decode()) == []
    content: dict[str, object] = orjson.loads(open_sealed(sealed.sealed, reader.private or b""))
    alert = content["alert"]
    mac = hmac.new(
        base64.b64decode(str(content["digest_key"])), canonical_json(alert), hashlib.sha256
    )
    assert orjson.loads(sealed.entry)["payload_mac"] == mac.hexdigest(), "the log covers the form"
    assert isinstance(alert, dict)
    return alert


def test_a_recipient_finds_the_form_it_asked_for_in_the_alert() -> None:
    [made] = opened("card:name")["renditions"]  # type: ignore[misc, attr-defined]
    assert base64.b64decode(made["body"]) == canaries.NAME.encode()
    assert (made["form"], made["media_type"]) == ("card:name", "text/plain")


def test_whoever_asked_for_no_form_gets_the_alert_as_it_always_was() -> None:
    assert "renditions" not in opened()


def test_a_form_that_cannot_say_it_is_left_out() -> None:
    alert = opened("card:name", message="RECALL")
    assert "renditions" not in alert
    assert alert["message_type"] == "RECALL"


@pytest.mark.parametrize("form", ["card:broken", "card:gone"])
def test_a_form_that_fails_holds_nothing_back_and_the_operator_is_told(form: str) -> None:
    with structlog.testing.capture_logs() as lines:
        alert = opened("card:name", form)
    assert [one["form"] for one in alert["renditions"]] == ["card:name"]  # type: ignore[attr-defined]
    [line] = lines
    assert (line["event"], line["form"]) == ("form not made", form)
    assert canaries.found_in(str(line)) == []


def test_an_adapter_alone_means_its_first_form() -> None:
    assert full_name("card", ADAPTERS) == "card:name"
    assert full_name("card:broken", ADAPTERS) == "card:broken"
    assert full_name("card:none", ADAPTERS) is None
    assert full_name("other", ADAPTERS) is None
