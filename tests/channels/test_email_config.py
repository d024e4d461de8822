"""The mail sections of the configuration, read strictly."""

import tomllib
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from gateway.config.mail import MailBouncesConfig, MailRouteConfig
from tests.docs.pages import ROOT, blocks

ROUTE: dict[str, Any] = {
    "name": "cjsm",
    "domains": ["secure.example.org"],
    "host": "relay.example.org",
    "port": 465,
}


def test_the_operators_page_shows_sections_that_are_taken() -> None:
    shown = [block.text for block in blocks(ROOT / "docs/email.md") if block.language == "toml"]
    email = tomllib.loads(shown[0])["email"]
    (route,) = [MailRouteConfig.model_validate(one) for one in email["route"]]
    assert route.domains == ("cjsm.example.net",)
    bounces = MailBouncesConfig.model_validate(email["bounces"])
    assert (bounces.poll_s, bounces.after) == (5, "keep")
    assert bounces.maildir == Path("/var/mail/throughgate-bounces")


def test_a_route_says_no_more_than_it_must() -> None:
    route = MailRouteConfig.model_validate(ROUTE)
    assert (route.security, route.sender, route.hostname, route.ca_file) == (
        "starttls",
        None,
        None,
        None,
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "default"},
        {"name": "CJSM"},
        {"name": ""},
        {"domains": []},
        {"domains": ["*.example.org"]},
        {"domains": ["a..b"]},
        {"domains": ["a b.example"]},
        {"domains": ["x" * 64 + ".example"]},
        {"port": 0},
        {"security": "none"},
        {"verify": False},
    ],
    ids=str,
)
def test_a_route_that_is_none_is_not_taken(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        MailRouteConfig.model_validate(ROUTE | changes)


@pytest.mark.parametrize(
    "changes", [{"poll_s": 0}, {"poll_s": 3601}, {"after": "forward"}, {"imap": "x"}], ids=str
)
def test_bounces_that_could_not_be_read_are_not_taken(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        MailBouncesConfig.model_validate({"maildir": "bounces"} | changes)
