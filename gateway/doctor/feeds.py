"""Feeds: whether what they fetch from, and with, is there."""

import os
from collections.abc import Iterator

from gateway.adapters_of import adapters_of
from gateway.config import BadConfig
from gateway.doctor.asked import Asked
from gateway.doctor.finding import Finding, error, ok, unknown, warning
from gateway.model.ids import AgencyName
from gateway.store import directory
from gateway.store.trouble import TROUBLES

_DO = "docs/feeds.md says what each kind of feed needs."


def examine(asked: Asked) -> Iterator[Finding]:
    """Yield what each feed lacks. No source is asked: that would take its messages."""
    if not asked.config.feed:
        return
    try:
        adapters = adapters_of(asked.config)
    except BadConfig:
        yield error("feeds.adapters", "A table's mapping cannot be read.", _DO)
        return
    try:
        with asked.reader() as connection:
            agencies = directory.agencies(connection)
    except TROUBLES:
        yield unknown("feeds", "The directory cannot be read.", "See the other findings.")
        return
    for feed in asked.config.feed:
        check = f"feeds.{feed.name}"
        if AgencyName(feed.agency) not in agencies:
            yield warning(
                check, "Its agency is not registered: it waits.", "`throughgate agencies add`"
            )
        elif feed.adapter is not None and feed.adapter not in adapters:
            yield error(check, "There is no adapter of that name.", "`throughgate adapters list`")
        elif feed.kind == "mesh" and asked.config.mesh is None:
            yield error(check, "A mesh feed needs the section [mesh].", _DO)
        elif feed.kind == "folder" and not os.access(
            asked.config.path(feed.path), os.W_OK | os.X_OK
        ):
            yield error(check, "Its folder is not there, or cannot be written.", _DO)
        else:
            yield ok(check, f"The {feed.kind} feed has what it needs.")
