"""The configuration file: throughgate.toml, read strictly. An unknown key is an error."""

import tomllib
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

NAME_PATTERN = r"^[a-z0-9.\-/]{1,100}$"

Network = IPv4Network | IPv6Network


class BadConfig(Exception):
    """The configuration cannot be used. The text names the key and what it should be."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class InstanceConfig(_Section):
    """Who this gateway is, and where its own files are (relative to the configuration)."""

    name: Annotated[str, Field(pattern=NAME_PATTERN)]  # origin line of the log
    public_url: str = "https://localhost"  # where a notice tells people to sign in
    database: Path = Path("throughgate.db")
    key_encryption_key: Path = Path("keys/key-encryption-key")
    log_key: Path = Path("keys/log-key")
    signing_key: Path = Path("keys/signing-key")
    mail_certificate: Path = Path("keys/mail-certificate.pem")
    mail_key: Path = Path("keys/mail-key.pem")


class HttpConfig(_Section):
    """Where the gateway listens. Plain HTTP is for loopback, or behind a proxy you name."""

    host: IPv4Address | IPv6Address = IPv4Address("127.0.0.1")
    port: Annotated[int, Field(ge=0, le=65535)] = 8080
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    behind_proxy: bool = False
    undecided_bound: Annotated[int, Field(ge=1)] = 2000

    @model_validator(mode="after")
    def _tls_is_whole(self) -> Self:
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("tls_certificate and tls_key go together")
        return self


class LogConfig(_Section):
    """Who may read the entries of the disclosure log over HTTP, and what a reader of a person's
    timeline must say (DUAA 2025 s.82 no longer asks for a justification)."""

    entries_for: Literal["loopback", "anyone"] = "loopback"
    justification: Literal["required", "optional"] = "required"


class PolicyConfig(_Section):
    """Which rulebook is in force: the one shipped, or an agency's own folder of the same shape."""

    rulebook: Path | None = None
    review_months: Annotated[int, Field(ge=1, le=120)] = 6  # until an alert is to be looked at anew


class WebhookConfig(_Section):
    """Outbound HTTPS. Only global addresses are reached unless a network is named here."""

    ca_file: Path | None = None
    allowed_networks: tuple[Network, ...] = ()
    allow_plain_http: bool = False  # to loopback addresses named above, and nowhere else
    timeout_s: Annotated[float, Field(gt=0, le=60)] = 20


class EmailConfig(_Section):
    """The mail relay. TLS always."""

    host: str
    port: Annotated[int, Field(ge=1, le=65535)]
    security: Literal["starttls", "tls"] = "starttls"
    sender: str
    hostname: str  # right-hand side of Message-ID
    ca_file: Path | None = None
    username: str | None = None
    password_file: Path | None = None


class SmsConfig(_Section):
    """GOV.UK Notify."""

    base_url: str = "https://api.notifications.service.gov.uk"
    api_key_file: Path
    template_id: str
    ca_file: Path | None = None


class DeliveryConfig(_Section):
    """Waits before each retry, in seconds; the last repeats until given up."""

    ladder_s: Annotated[tuple[float, ...], Field(min_length=1)] = (
        5,
        30,
        120,
        300,
        900,
        1800,
        3600,
        7200,
    )
    give_up_after_s: Annotated[float, Field(gt=0)] = 3 * 24 * 3600


class Config(_Section):
    """The whole file."""

    instance: InstanceConfig
    http: HttpConfig = HttpConfig()
    log: LogConfig = LogConfig()
    policy: PolicyConfig = PolicyConfig()
    webhook: WebhookConfig = WebhookConfig()
    email: EmailConfig | None = None
    sms: SmsConfig | None = None
    delivery: DeliveryConfig = DeliveryConfig()
    home: Path = Field(default=Path(), exclude=True)

    def path(self, relative: Path) -> Path:
        """Return a path of the file as seen from its folder."""
        return self.home / relative


def load_config(file: Path) -> Config:
    """Read and check a configuration file.

    Raises:
        BadConfig: unreadable, not TOML, or some key is unknown or wrong; names every one.
    """
    try:
        values = tomllib.loads(file.read_text("utf-8"))
    except OSError as error:
        raise BadConfig(
            f"cannot read {file}: {error.strerror}; `throughgate init DIR` makes one"
        ) from None
    except tomllib.TOMLDecodeError as error:
        raise BadConfig(f"{file} is not TOML: {error}") from None
    if "home" in values:
        raise BadConfig("home: no such key")
    try:
        return Config.model_validate({**values, "home": file.resolve().parent})
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(str(step) for step in fault['loc'])}: {fault['msg']}"
            for fault in error.errors(include_input=False, include_url=False)
        )
        raise BadConfig(f"{file}: {faults}") from None
