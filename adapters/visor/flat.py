"""A nominal as one row of CSV: the same members, lists in one cell, one order and one officer."""

from collections.abc import Mapping, Sequence
from typing import Final

from adapters.kit.csv_text import read_row
from gateway.model.strict_json import Json, JsonObject

SEPARATOR: Final = ";"
LISTS: Final = frozenset(
    {"report", "alias", "planAgency", "addressLine", "restrictedTo", "stated"}
)  # fmt: skip
_PARTS: Final[Mapping[str, tuple[str, str]]] = {
    f"{whole}{part[0].upper()}{part[1:]}": (whole, part)
    for whole, parts in {
        "order": ("kind", "stage", "madeOn", "expiresOn", "foreignTravelRestriction"),
        "officer": ("name", "contact", "agency"),
    }.items()
    for part in parts
}


def read_flat(body: bytes) -> JsonObject:
    """Return the nominal that a row under its heading states, in the shape of one in XML.

    Raises:
        MalformedEvent: not one row under one heading.

    Pure.
    """
    nominal: JsonObject = {}
    for name, cell in read_row(body).items():
        if name in LISTS and isinstance(cell, str):
            nominal[name] = [one.strip() for one in cell.split(SEPARATOR) if one.strip()]
        elif name in _PARTS:
            whole, part = _PARTS[name]
            inner = nominal.setdefault(whole, {})
            if isinstance(inner, dict):  # else refused when read: a column is named as the whole
                inner[part] = cell
        else:
            nominal[name] = cell
    return nominal


def joined(values: Sequence[Json]) -> str:
    """Return a list as one cell. A separator within a value becomes a comma. Pure."""
    return f"{SEPARATOR} ".join(str(one).replace(SEPARATOR, ",") for one in values)
