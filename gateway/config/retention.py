"""The [retention] section: how long what is done with is kept. Nothing goes unless it is named."""

from typing import Annotated, TypeAlias

from pydantic import Field

from gateway.config.section import Section

Months: TypeAlias = Annotated[int, Field(ge=1, le=1200)] | None


class RetentionConfig(Section):
    """Months after which rows of a kind may go; None: they stay. The log is never cut."""

    contents_months: Months = None  # what alerts said, sealed; who was told of what stays
    alerts_months: Months = None  # that too: no correction reaches whoever was told so long ago
    events_months: Months = None  # events nothing rests on: a person's history begins later
    receipts_months: Months = None  # answers to requests: a repeat after that is a new request
    legal_hold: tuple[str, ...] = ()  # references of persons of whom everything stays
    every_h: Annotated[float, Field(gt=0, le=24 * 31)] = 24  # how often a serving gateway looks
    batch: Annotated[int, Field(ge=1, le=10_000)] = 500  # rows of one transaction
