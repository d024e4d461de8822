"""The pages as HTML: every value escaped, the design system's components, nothing inline."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

import jinja2

from gateway.console.assets import Assets
from gateway.console.page import Visitor
from gateway.pages import words

CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; form-action 'self';"
    " base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script';"
    " trusted-types 'none'"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class NavItem:
    """One link of the navigation."""

    href: str
    text: str


@cache
def environment() -> jinja2.Environment:
    """Return the templates, each compiled once."""
    made = jinja2.Environment(
        loader=jinja2.ChoiceLoader(
            [
                jinja2.PackageLoader("gateway.console"),
                jinja2.PrefixLoader(
                    {"govuk_frontend_jinja": jinja2.PackageLoader("govuk_frontend_jinja")}
                ),
            ]
        ),
        autoescape=True,
        # The design system's macros ask for parameters that nobody gave.
        undefined=jinja2.ChainableUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.filters["moment"] = words.moment
    made.filters["day"] = words.day
    made.filters["happened"] = words.happened
    made.filters["number"] = lambda count: f"{count:,}"
    return made


def page(
    template: str,
    title: str,
    values: Mapping[str, object],
    *,
    assets: Assets,
    instance: str,
    visitor: Visitor | None = None,
    nav: Sequence[NavItem] = (),
    here: str = "",
) -> str:
    """Return one page.

    Args:
        template: Under gateway/console/templates; extends console.html.
        title: Of the page; heads the window too.
        values: What the template lays out.
        assets: What it refers to.
        instance: Whose console it is.
        visitor: Who looks at it; None: nobody is signed in.
        nav: Where they may go.
        here: The path they are at.
    """
    navigation = [
        {
            "href": one.href,
            "text": one.text,
            "current": one.href == here,
            "active": one.href != "/console" and here.startswith(f"{one.href}/"),
        }
        for one in nav
    ]
    return (
        environment()
        .get_template(template)
        .render(
            {
                **values,
                "title": title,
                "assets": assets,
                "instance": instance,
                "visitor": visitor,
                "csrf": visitor.csrf if visitor else values.get("csrf", ""),
                "navigation": navigation,
            }
        )
    )
