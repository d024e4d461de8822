"""The [escalation] and [operator] sections: how long silence lasts, how the operator hears."""

from datetime import timedelta
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from gateway.config.mail import check_mailbox
from gateway.config.section import Section

Seconds = Annotated[float, Field(gt=0, le=604_800)]


class EscalationConfig(Section):
    """The rule that permits an alert says how long it may go unanswered. This is for the rest."""

    chase_within_s: Seconds = 14_400  # to answer that an alert could not be delivered to somebody

    @property
    def chase_within(self) -> timedelta:
        """How long a chase of an alert without a deadline of its own may go unanswered."""
        return timedelta(seconds=self.chase_within_s)


class OperatorConfig(Section):
    """Where operators hear of trouble, besides the log lines; and how often of the same one."""

    webhook_url: str | None = None  # takes Alertmanager's webhooks, version 4
    mailbox: str | None = None
    cap: Annotated[int, Field(ge=1, le=100)] = 5  # tellings of one incident until it closes
    every_s: Annotated[float, Field(ge=60, le=86_400)] = 3_600

    @field_validator("webhook_url")
    @classmethod
    def _is_a_url(cls, url: str | None) -> str | None:
        # Plain HTTP goes nowhere that [webhook] does not allow it to: the client sees to that.
        if url is not None and (
            urlsplit(url).scheme not in {"https", "http"} or not urlsplit(url).hostname
        ):
            raise ValueError("an https URL")
        return url

    @field_validator("mailbox")
    @classmethod
    def _is_a_mailbox(cls, mailbox: str | None) -> str | None:
        if mailbox is not None:
            check_mailbox(mailbox)
        return mailbox

    @property
    def every(self) -> timedelta:
        """The least time between two tellings of one incident."""
        return timedelta(seconds=self.every_s)
