"""Reading a catalogue file into its shape: strictly, and with the place of the first fault."""

import json
import tomllib
from datetime import date
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from policies.problem import BadRulebook

Shape = TypeVar("Shape")


def read(shape: type[Shape], file: str, text: str) -> Shape:
    """Return TOML text as this shape.

    Raises:
        BadRulebook: not TOML, or not of the shape; names the first fault's place.

    Pure.
    """
    return shaped(shape, file, tables(file, text))


def tables(file: str, text: str) -> dict[str, Any]:
    """Return the tables of TOML text.

    Raises:
        BadRulebook: not TOML.

    Pure.
    """
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as err:
        raise BadRulebook("not-toml", file=file, reason=str(err)) from err


def shaped(shape: type[Shape], file: str, found: object) -> Shape:
    """Return tables as this shape.

    Raises:
        BadRulebook: they are not of it.

    Pure.
    """
    try:
        # Through JSON, where strict validation still takes an array for a tuple or a set.
        return TypeAdapter(shape).validate_json(json.dumps(found, default=_day))
    except TypeError as err:  # a time, where a catalogue has days only
        raise BadRulebook("catalogue-invalid", file=file, reason=str(err)) from err
    except ValidationError as err:
        first = err.errors(include_input=False, include_url=False)[0]
        position = ".".join(str(step) for step in first["loc"])
        raise BadRulebook(
            "catalogue-invalid", file=file, position=position, reason=first["msg"]
        ) from err


def _day(value: object) -> str:
    if type(value) is not date:
        raise TypeError("a catalogue holds days, not times")
    return value.isoformat()
