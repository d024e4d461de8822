"""What a page of the console is: a function from a request and a visitor to what is shown.

Sessions, roles, cross-site forgery, headers and layout are the shell's; a page cannot forget them.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from aiohttp import web

from gateway.audit.scope import Scope
from gateway.model.staff import StaffId, StaffRole


@dataclass(frozen=True, slots=True, kw_only=True)
class Visitor:
    """Who is signed in, and what there is for them."""

    staff: StaffId
    roles: frozenset[StaffRole]
    scope: Scope
    csrf: str  # goes into every form, as `csrf`
    fresh: bool = False  # they proved who they are within the last five minutes


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A page to lay out."""

    template: str  # under gateway/console/templates
    title: str
    values: Mapping[str, object] = field(default_factory=dict)
    status: int = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """Look there next (303): how every form that did something ends."""

    to: str  # a path of the console


@dataclass(frozen=True, slots=True, kw_only=True)
class Download:
    """A file to keep."""

    name: str
    content_type: str
    body: bytes


Given = Shown | Moved | Download
Page = Callable[[web.Request, Visitor], Awaitable[Given]]
Form = Callable[[web.Request, Visitor, Mapping[str, str]], Awaitable[Given]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsoleRoute:
    """One page, and who may see it. To anybody else it does not exist."""

    path: str  # an aiohttp path under /console
    roles: frozenset[StaffRole]
    get: Page | None = None
    post: Form | None = None
    nav: str | None = None  # its text in the navigation; None: not there
    fresh: bool = False  # asks for a fresh proof of who one is first: what two must approve
