"""What each agency's own system shows of the alert: its form, as a reader would skim it."""

import base64
from collections.abc import Iterator, Mapping
from typing import Any, Final
from xml.etree.ElementTree import Element

import orjson
from defusedxml.ElementTree import fromstring
from rich.console import Group
from rich.panel import Panel

from gateway.demo.checks import Aftermath, Opened

_TITLES: Final = {
    "visor:xml": "Police, ViSOR-style: reference and flags",
    "systmone:card": "Prison in-reach, front-screen card: GP and CMHT first",
    "mash:childrens-notification": "Children's services: notification of release",
    "housing:suitability-pack": "Housing: suitability pack",
}
# What ties a form to its disclosure is in it, and would fill this picture.
_TRACE: Final = frozenset(
    {"alertId", "caseRef", "message", "recipient", "reviewDue", "stated", "system", "recordedAt"}
)
_LEFT_OUT: Final = frozenset({"disclosure", "statements", "form"})


def own_views(seen: Aftermath) -> Group:
    """Return a panel for each form that came with an alert of the planned release."""
    panels = [
        Panel("\n".join(lines(form, body)), title=_TITLES.get(form, form), title_align="left")
        for opened in seen.opened
        if opened.alert["event_type"].endswith("release.planned.v1")
        and opened.alert["message_type"] == "NOTIFY"
        for form, body in forms_of(opened)
    ]
    return Group(*panels)


def forms_of(opened: Opened) -> Iterator[tuple[str, bytes]]:
    """Yield the name and bytes of every form that an alert brought."""
    for one in opened.alert.get("renditions", ()):
        yield one["form"], base64.b64decode(one["body"])


def lines(form: str, body: bytes) -> list[str]:
    """Return what a form says, a line for each thing."""
    if form.startswith("visor:"):
        return list(_nominal(fromstring(body)))
    value = orjson.loads(body)
    return list(_card(value) if value.get("resourceType") == "Bundle" else _leaves(value, ""))


def _nominal(root: Element) -> Iterator[str]:
    said = [
        f"{one.tag} [bold]{one.text}[/]"
        for nominal in root
        for one in nominal
        if one.tag not in _TRACE and one.text
    ]
    yield "; ".join(said)


def _card(bundle: Mapping[str, Any]) -> Iterator[str]:
    for number, entry in enumerate(bundle["entry"], 1):
        resource = entry["resource"]
        said = _said(resource)
        if said:
            yield f"{number}. {resource['resourceType']}  [bold]{said}[/]"


def _said(resource: Mapping[str, Any]) -> str:
    """Return the one thing a resource is on the card for."""
    match resource["resourceType"]:
        case "Organization" | "CareTeam":
            reach = [one["value"] for one in resource.get("telecom", ())]
            return ", ".join([resource["name"], *reach])
        case "Encounter":
            return f"leaves on {resource['period']['end']}"
        case "Patient":
            name = resource["name"][0]
            return f"{name['family']}, {' '.join(name['given'])}, {resource.get('birthDate')}"
        case "Flag" | "Task":
            return str(resource.get("description") or resource["code"].get("text", ""))
        case _:
            return ""


def _leaves(value: Mapping[str, Any], path: str) -> Iterator[str]:
    for name, one in value.items():
        if name in _LEFT_OUT:
            continue
        if isinstance(one, Mapping):
            yield from _leaves(one, f"{path}{name}.")
        elif one not in ([], None):
            text = ", ".join(map(str, one)) if isinstance(one, list) else one
            yield f"{path}{name}  [bold]{text}[/]"
