"""Recipients, their endpoints and keys: what may be used, until when, and what wants doing."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Final

from aiohttp import web

from gateway.console.own import ConsoleOwn
from gateway.console.page import ConsoleRoute, Shown, Visitor
from gateway.console.pages import words
from gateway.key_warnings import KeyWarning, key_warnings
from gateway.model.keyring import HeldKey, usable_key
from gateway.model.party import Endpoint, Recipient
from gateway.model.staff import StaffRole

_ROLES: Final[frozenset[StaffRole]] = frozenset(("operator", "dpo"))
_PATH: Final = "/console/recipients"
_PAGE: Final = 100
TROUBLES: Final[Mapping[str, str]] = {
    "no-key": "No key: only a notice without content can leave",
    "unconfirmed": "Nobody has confirmed its fingerprint",
    "not-yet-valid": "Not valid yet",
    "expired": "Expired",
    "unvouched": "Its issuer’s word is too old",
    "revoked": "Revoked",
}


def routes(own: ConsoleOwn) -> list[ConsoleRoute]:
    """Return the list of recipients and the page of each."""

    async def listing(request: web.Request, visitor: Visitor) -> Shown:
        return _listing(own, visitor, request.query)

    async def one(request: web.Request, visitor: Visitor) -> Shown:
        return _one(own, visitor, request.query.get("id", ""))

    return [
        ConsoleRoute(path=_PATH, roles=_ROLES, get=listing, nav="Recipients and keys"),
        ConsoleRoute(path=_PATH + "/one", roles=_ROLES, get=one),
    ]


def _theirs(own: ConsoleOwn, visitor: Visitor) -> list[Recipient]:
    """Return the recipients a visitor may see, by id: an operator each, a DPO those of the
    organisations and posting agencies they act for."""
    own.directory.refresh()
    every = sorted(own.directory.recipients.values(), key=lambda one: one.id)
    scope = visitor.scope
    if "operator" in visitor.roles or scope.everything or scope.agencies:
        return every  # a controller may know whom what it posts can reach
    return [one for one in every if scope.covers(agency=None, organisation=one.organisation)]


def _listing(own: ConsoleOwn, visitor: Visitor, query: Mapping[str, str]) -> Shown:
    now = own.now()
    after = query.get("after", "")
    theirs = _theirs(own, visitor)
    warned = {one.endpoint: one for one in key_warnings(theirs, now)}
    rest = [one for one in theirs if one.id > after]
    values = {
        "rows_shown": [
            {
                "id": one.id,
                "organisation": one.organisation,
                "role": _title(own, one.role),
                "endpoints": len(one.endpoints),
                "warnings": sum(endpoint.id in warned for endpoint in one.endpoints),
            }
            for one in rest[:_PAGE]
        ],
        "warnings": [
            {"endpoint": one.endpoint, "text": warning(one)} for one in list(warned.values())[:20]
        ],
        "warned": len(warned),
        "next": rest[_PAGE - 1].id if len(rest) > _PAGE else None,
    }
    return Shown(template="pages/recipients.html", title="Recipients and keys", values=values)


def warning(one: KeyWarning) -> str:
    """Return a warning in words."""
    if one.unusable is not None:
        return TROUBLES.get(one.unusable, one.unusable)
    return f"Its key ends on {words.when(one.ends)}: within {one.within_days} days"


def _title(own: ConsoleOwn, role: str) -> str:
    known = own.law.catalogues.roles.get(role)
    return known.title if known else role.replace("_", " ")


def _one(own: ConsoleOwn, visitor: Visitor, id_: str) -> Shown:
    found = next((one for one in _theirs(own, visitor) if one.id == id_), None)
    if found is None:
        raise web.HTTPNotFound
    now = own.now()
    values = {
        "recipient": found,
        "role": _title(own, found.role),
        "class": own.law.catalogues.title_of(found.organisation_class),
        "areas": ", ".join(sorted(found.areas)) or "Every area",
        "endpoints": [_endpoint(one, now) for one in found.endpoints],
        "addresses": "operator" in visitor.roles,
        "quiet": f"{found.quiet.begin:%H:%M} to {found.quiet.end:%H:%M}" if found.quiet else "None",
        "deputies": ", ".join(found.deputies) or "None",
    }
    return Shown(template="pages/recipient.html", title=f"Recipient {found.id}", values=values)


def _endpoint(endpoint: Endpoint, now: datetime) -> Mapping[str, object]:
    used = usable_key(endpoint.keys, now)
    return {
        "id": endpoint.id,
        "channel": endpoint.channel,
        "address": endpoint.address,
        "step": endpoint.step,
        "exercise": endpoint.exercise,
        "trouble": TROUBLES.get(used, used) if isinstance(used, str) else "",
        "keys": list(_keys(endpoint, used if isinstance(used, HeldKey) else None, now)),
    }


def _keys(endpoint: Endpoint, used: HeldKey | None, now: datetime) -> Iterator[Mapping[str, str]]:
    for one in endpoint.keys:
        trouble = one.trouble(now)
        yield {
            "form": one.key.form.upper(),
            "fingerprint": one.key.key_id,
            "state": "In use" if one is used else TROUBLES.get(trouble or "", "Held, not in use"),
            "from": words.when(one.valid_from or one.added_at),
            "until": words.when(one.valid_until) or "No end stated",
            "confirmed": f"{words.when(one.confirmed_at)} by {one.confirmed_by}"
            if one.confirmed_at
            else "Not confirmed",
        }
