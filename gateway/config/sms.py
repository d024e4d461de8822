"""The [sms] section of the configuration: which carriers, in which order, within which caps."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from gateway.config.section import Section

ProviderName = Literal["notify", "smpp"]
Seconds = Annotated[float, Field(gt=0, le=86_400)]


class SmppConfig(Section):
    """A carrier's message centre. Without TLS only to an address in a network that
    ``webhook.allowed_networks`` names."""

    host: str
    port: Annotated[int, Field(ge=1, le=65535)]
    tls: bool = True
    ca_file: Path | None = None
    system_id: Annotated[str, Field(min_length=1, max_length=15)]
    password_file: Path
    source: Annotated[str, Field(pattern=r"^(\+?[0-9]{3,15}|[A-Za-z0-9 ]{1,11})$")]
    window: Annotated[int, Field(ge=1, le=100)] = 10  # texts under way
    enquire_s: Seconds = 30
    answer_s: Seconds = 10


class CapsConfig(Section):
    """Texts an hour to one number. Networks block at 20 identical and at 100 in all."""

    routine: Annotated[int, Field(ge=1, le=100)] = 10
    urgent: Annotated[int, Field(ge=1, le=100)] = 50  # in all
    identical: Annotated[int, Field(ge=1, le=20)] = 10

    @model_validator(mode="after")
    def _urgent_is_the_whole(self) -> Self:
        if self.routine > self.urgent:
            raise ValueError("urgent is the whole hour's cap: no less than routine")
        return self


class FailoverConfig(Section):
    """When the next carrier goes first: so many of the last texts were slow or refused."""

    prompt_s: Seconds = 300
    last: Annotated[int, Field(ge=1, le=1000)] = 20
    at_least: Annotated[int, Field(ge=1, le=1000)] = 5
    slow_share: Annotated[float, Field(gt=0, le=1)] = 0.3
    window_s: Seconds = 1800

    @model_validator(mode="after")
    def _makes_a_rule(self) -> Self:
        if self.at_least > self.last or self.prompt_s >= self.window_s:
            raise ValueError("at_least is no more than last, prompt_s is shorter than window_s")
        return self


class SmsConfig(Section):
    """GOV.UK Notify, a carrier's message centre over SMPP, or both."""

    base_url: str = "https://api.notifications.service.gov.uk"
    api_key_file: Path | None = None
    template_id: str | None = None
    ca_file: Path | None = None
    callback_token_file: Path | None = None  # what Notify authenticates with when it calls us
    order: tuple[ProviderName, ...] = ()  # the first goes first; empty: notify, then smpp
    quiet_s: Seconds = 900  # nothing is sent while a text may have been taken and no one can tell
    timeout_s: Annotated[float, Field(gt=0, le=60)] = 20
    smpp: SmppConfig | None = None
    caps: CapsConfig = CapsConfig()
    failover: FailoverConfig = FailoverConfig()

    @model_validator(mode="after")
    def _carriers_are_whole(self) -> Self:
        if (self.api_key_file is None) != (self.template_id is None):
            raise ValueError("api_key_file and template_id go together")
        if not self._given:
            raise ValueError("no carrier: give api_key_file and template_id, or [sms.smpp]")
        if self.order and sorted(self.order) != sorted(self._given):
            raise ValueError("order: each configured carrier once")
        return self

    @property
    def configured(self) -> tuple[ProviderName, ...]:
        """The carriers there are settings for, in the order they are tried in."""
        return self.order or self._given

    @property
    def _given(self) -> tuple[ProviderName, ...]:
        notify: tuple[ProviderName, ...] = ("notify",) if self.api_key_file else ()
        smpp: tuple[ProviderName, ...] = ("smpp",) if self.smpp else ()
        return notify + smpp
