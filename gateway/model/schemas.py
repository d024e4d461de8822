"""The published JSON Schemas: one per kind, generated from the types that check every event.

A schema says all that a pattern can say; check digits, check letters and the calendar are checked
on receipt only. So whatever is accepted satisfies its schema, and not the other way round.
Source: JSON Schema 2020-12; CloudEvents 1.0 JSON event format section 3.
"""

from copy import deepcopy
from functools import cache
from typing import Final

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from gateway.model.event import MAX_ID_LENGTH
from gateway.model.groups import OWN_GROUPS, Groups
from gateway.model.kinds import KINDS, OWN_KINDS, REVISING_KINDS, URGENT, type_of
from gateway.model.strict_json import Json, JsonObject

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"

POSTED: Final = KINDS - OWN_KINDS

_GROUPS_REF: Final = "#/$defs/{model}"


def schema_for(kind: str) -> JsonObject:
    """Return the JSON Schema of a whole structured-mode event of this kind; a fresh object.

    It has no ``$id``: the address it is served at is its base.

    Raises:
        KeyError: not a kind that agencies post (`POSTED`).

    Pure.
    """
    if kind not in POSTED:
        raise KeyError("no such kind")
    groups, parts = deepcopy(_groups_schema())
    required: list[Json] = ["specversion", "id", "source", "type", "data"]
    return {
        "$schema": DIALECT,
        "title": type_of(kind),
        "type": "object",
        "properties": _attributes(kind) | {"data": {"$ref": _GROUPS_REF.format(model="Groups")}},
        "required": [*required, "corrects"] if kind in REVISING_KINDS else required,
        # Extension attributes: lower-case letters and digits, simple values (CloudEvents 3.1).
        "propertyNames": {"pattern": "^[a-z0-9]+$"},
        "additionalProperties": {"type": ["string", "number", "boolean", "null"]},
        "$defs": parts | {"Groups": groups},
    }


def schema_index() -> JsonObject:
    """Return every kind with its CloudEvents type, sorted by kind; ``urgent`` kinds are never held.

    Shape: ``{"schemas": [{"kind", "type", "urgent"}, ...]}``. Pure.
    """
    return {
        "schemas": [
            {"kind": kind, "type": type_of(kind), "urgent": kind in URGENT}
            for kind in sorted(POSTED)
        ]
    }


def _attributes(kind: str) -> JsonObject:
    optional_text: JsonObject = {"type": ["string", "null"]}
    names_event: JsonObject = {"type": "string", "minLength": 1, "maxLength": MAX_ID_LENGTH}
    return {
        "corrects": names_event if kind in REVISING_KINDS else {"type": "null"},
        "specversion": {"const": "1.0"},
        "id": names_event,
        "source": {"type": "string", "minLength": 1, "format": "uri-reference"},
        "type": {"const": type_of(kind)},
        "time": {"type": ["string", "null"], "format": "date-time"},
        "subject": optional_text | {"description": "Opaque: never a name."},
        "datacontenttype": {"type": ["string", "null"], "pattern": r"^\s*application/json\s*(;|$)"},
        "dataschema": optional_text | {"format": "uri"},
        "recordedtime": optional_text | {"format": "date-time"},
    }


class _Published(GenerateJsonSchema):
    """Pydantic's generator without what is only Python's: titles of fields, defaults of None."""

    def field_title_should_be_set(self, schema: object) -> bool:  # noqa: ARG002  # the base's name
        """Leave fields untitled: their names say it."""
        return False

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        """Say what a member takes when stated; null is refused, so it is not offered."""
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        """Name no default: a member left out states nothing."""
        return self.generate_inner(schema["schema"])


@cache
def _groups_schema() -> tuple[JsonObject, JsonObject]:
    """Return the schema of ``data`` and those of the groups it refers to. Callers copy."""
    schema = Groups.model_json_schema(ref_template=_GROUPS_REF, schema_generator=_Published)
    parts: JsonObject = schema.pop("$defs")
    for name in OWN_GROUPS:
        parts.pop(str(schema["properties"].pop(name)["$ref"]).rpartition("/")[2])
    return schema, parts
