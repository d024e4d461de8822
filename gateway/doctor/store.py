"""The store: where it is, of which version, and that it is not one that was moved away."""

from collections.abc import Iterator

from gateway.doctor.asked import Asked
from gateway.doctor.finding import Finding, error, ok, unknown
from gateway.store import schema
from gateway.store.place import moved_to
from gateway.store.trouble import TROUBLES


def examine(asked: Asked) -> Iterator[Finding]:
    """Yield whether the database is there, of this program's version, and the one in use."""
    place = asked.place
    try:
        found, wanted = schema.version_of(place), schema.wanted_by(place)
        elsewhere = moved_to(place) if found != "none" else None
    except TROUBLES:
        yield unknown("store.version", f"{place.describe()} cannot be asked.",
                      "docs/runbook.md, The store failed.")  # fmt: skip
        return
    if found == "none":
        yield error("store.version", f"{place.describe()} holds no instance.",
                    "Restore a copy, or correct the configuration.")  # fmt: skip
        return
    if found != wanted:
        yield error("store.version", f"The schema is {found}; this program's is {wanted}.",
                    "`throughgate migrate schema`")  # fmt: skip
    else:
        yield ok("store.version", f"{place.describe()}: schema {found}, as it should be.")
    if elsewhere is not None:
        yield error("store.place", f"This store was moved to {elsewhere}.",
                    "Name it in the configuration: docs/operators/scaled.md.")  # fmt: skip
