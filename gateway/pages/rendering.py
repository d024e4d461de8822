"""The pages as HTML: every value escaped, no style or script inline, nothing from elsewhere."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Final

import jinja2

from gateway.model.alert_state import Answer
from gateway.pages import words
from gateway.pages.alert_view import AlertView

CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; style-src 'self'; script-src 'self'; form-action 'self';"
    " base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script';"
    " trusted-types 'none'"
)

CHECKING_PATH: Final = "/pages/checking"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """A file the pages refer to, under a name that changes with it."""

    path: str
    content: bytes
    content_type: str


def _asset(name: str, content_type: str, *before: str) -> Asset:
    """Return a file of ours, behind those it cannot do without."""
    folder = files("gateway.pages") / "static"
    content = b"".join((folder / one).read_bytes() for one in (*before, name))
    stem, _, suffix = name.partition(".")
    digest = hashlib.sha256(content).hexdigest()[:16]
    return Asset(
        path=f"/pages/{stem}.{digest}.{suffix}", content=content, content_type=content_type
    )


STYLE: Final = _asset("pages.css", "text/css")
SCRIPT: Final = _asset("pages.js", "text/javascript", "passkeys.js")

_TEMPLATES: Final = jinja2.Environment(
    loader=jinja2.PackageLoader("gateway.pages"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_TEMPLATES.globals["assets"] = {"style": STYLE.path, "script": SCRIPT.path}


def pick_up(*, challenge: str, rp_id: str, wrong: bool) -> str:
    """Return the page that every pick-up link leads to, and the one wrong answer."""
    return _page("pick_up.html", challenge=challenge, rp_id=rp_id, wrong=wrong)


def alert(view: AlertView) -> str:
    """Return an alert, and the form to answer it."""
    return _page(
        "alert.html",
        view=view,
        answers=words.ANSWERS,
        reasons=words.REASONS,
        checking=CHECKING_PATH,
    )


def checking() -> str:
    """Return how a reader checks that an alert was logged."""
    return _page("checking.html")


def answer(*, wrong: bool) -> str:
    """Return the form every answer link leads to."""
    return _page("answer.html", answers=words.ANSWERS, reasons=words.REASONS, wrong=wrong)


def answered(given: Answer) -> str:
    """Return that an answer was taken."""
    return _plain("Your answer was recorded", [f"You answered: {words.ANSWERS[given]}."])


def not_answered() -> str:
    """Return that an answer was not taken, whatever the reason."""
    return _plain(
        "Your answer was not recorded",
        [
            "The link is not one of ours, or its alert takes no such answer any more.",
            "Ring whoever sent you the alert.",
        ],
    )


def enrol(*, challenge: str, rp_id: str, user: str, wrong: bool) -> str:
    """Return the page that every enrolment link leads to, and the one wrong answer."""
    return _page("enrol.html", challenge=challenge, rp_id=rp_id, user=user, wrong=wrong)


def enrolled() -> str:
    """Return that a passkey was registered."""
    return _plain(
        "Your passkey is registered",
        ["You can close this page. When an alert comes, follow its link and use the passkey."],
    )


def unavailable() -> str:
    """Return that the store cannot be used now, and that nothing was used up."""
    return _plain(
        "Sorry, there is a problem with the service",
        ["Nothing was opened or used up. Try again in a minute."],
    )


def _plain(title: str, paragraphs: Sequence[str]) -> str:
    return _page("plain.html", title=title, paragraphs=paragraphs)


def _page(template: str, **values: object) -> str:
    return _TEMPLATES.get_template(template).render(values)
