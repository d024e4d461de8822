"""What each member of the field groups takes, read off their published schema."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, Literal

from gateway.model.event import group_problems
from gateway.model.groups import OWN_GROUPS, PROVENANCE, Groups
from gateway.model.strict_json import Json, JsonObject

Shape = Literal["text", "date", "time", "flag", "number", "texts"]

_FORMATS: Final[dict[str | None, Shape]] = {None: "text", "date": "date", "date-time": "time"}
_TYPES: Final[dict[str, Shape]] = {"boolean": "flag", "integer": "number"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One member, or one part of a member that has parts: ``location.address.postcode``."""

    group: str
    member: str
    part: str | None
    shape: Shape
    may_be_not_recorded: bool  # the member may be NOT_RECORDED instead of an object

    @property
    def path(self) -> str:
        """Return the name it goes by in a mapping."""
        return ".".join(step for step in (self.group, self.member, self.part) if step)

    def takes(self, value: Json) -> bool:
        """Say whether this value, or this item of the list, is one the member takes. Pure."""
        stated: Json = [value] if self.shape == "texts" else value
        inner: JsonObject = {self.member: {self.part: stated} if self.part else stated}
        own = f"$.data.{self.path}"
        return not any(one.path.startswith(own) for one in group_problems({self.group: inner}))


def target_of(path: str) -> Target | str:
    """Return what a path names, or why nothing can be mapped to it. Pure."""
    group, _, rest = path.partition(".")
    member, _, part = rest.partition(".")
    if group not in _groups():
        return "no such field group"
    if group in OWN_GROUPS:
        return "stated by the gateway alone"
    if member in PROVENANCE:
        return "said once, under [provenance], not by a column"
    if member not in _groups()[group]:
        return f"no such member of {group}"
    schema = _groups()[group][member]
    nothing = any(one.get("const") == "NOT_RECORDED" for one in _choices(schema))
    inner = _properties(schema)
    if bool(inner) != bool(part):
        return f"has parts: name one of {', '.join(sorted(inner))}" if inner else "has no parts"
    if part and part not in inner:
        return f"no such part; there are {', '.join(sorted(inner))}"
    shape = _shape(inner[part] if part else schema)
    if shape is None:
        return "a list of objects: a row has no room for it"
    return Target(
        group=group, member=member, part=part or None, shape=shape, may_be_not_recorded=nothing
    )


@lru_cache(maxsize=1)
def _schema() -> dict[str, Any]:
    return Groups.model_json_schema()


@lru_cache(maxsize=1)
def _groups() -> dict[str, dict[str, Any]]:
    return {
        name: next(one for one in _choices(schema) if "properties" in one)["properties"]
        for name, schema in _schema()["properties"].items()
    }


def _choices(schema: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what a member may be, references followed, null left out."""
    found = []
    for one in schema.get("anyOf", [schema]):
        name = one.get("$ref", "").rpartition("/")[2]
        found.append(_schema()["$defs"][name] if name else one)
    return [one for one in found if one.get("type") != "null"]


def _properties(schema: dict[str, Any]) -> dict[str, Any]:
    return next((one["properties"] for one in _choices(schema) if "properties" in one), {})


def _shape(schema: dict[str, Any]) -> Shape | None:
    one = _choices(schema)[0]
    if one.get("type") == "array":
        return None if "$ref" in one["items"] else "texts"
    return _TYPES.get(one.get("type", ""), _FORMATS.get(one.get("format"), "text"))
