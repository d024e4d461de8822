"""The configuration file: throughgate.toml, read strictly. An unknown key is an error."""

import tomllib
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, ValidationError, field_validator, model_validator

from gateway.config.console import ConsoleConfig
from gateway.config.escalation import EscalationConfig, OperatorConfig
from gateway.config.feeds import FeedConfig
from gateway.config.keys import KeysConfig
from gateway.config.mail import MailBouncesConfig, MailRouteConfig
from gateway.config.pick_up import PickUpConfig
from gateway.config.postgres import PostgresConfig
from gateway.config.redis import RedisConfig
from gateway.config.retention import RetentionConfig
from gateway.config.section import Section
from gateway.config.sms import SmsConfig
from gateway.config.telemetry import TelemetryConfig
from gateway.config.witness import WitnessConfig

NAME_PATTERN = r"^[a-z0-9.\-/]{1,100}$"

Network = IPv4Network | IPv6Network


class BadConfig(Exception):
    """The configuration cannot be used. The text names the key and what it should be."""


class InstanceConfig(Section):
    """Who this gateway is, and where its own files are (relative to the configuration)."""

    name: Annotated[str, Field(pattern=NAME_PATTERN)]  # origin line of the log
    public_url: str = "https://localhost"  # where recipients reach the pages of this gateway
    database: Path = Path("throughgate.db")
    key_encryption_key: Path = Path("keys/key-encryption-key")
    log_key: Path = Path("keys/log-key")
    signing_key: Path = Path("keys/signing-key")
    mail_certificate: Path = Path("keys/mail-certificate.pem")
    mail_key: Path = Path("keys/mail-key.pem")

    @field_validator("public_url")
    @classmethod
    def _is_a_url(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in {"https", "http"} or not parts.hostname or parts.query:
            raise ValueError("an https URL without a query")
        return url.rstrip("/")

    @property
    def host(self) -> str:
        """The name that the world knows this gateway by."""
        return urlsplit(self.public_url).hostname or ""


class HttpConfig(Section):
    """Where the gateway listens. Plain HTTP is for loopback, or behind a proxy you name."""

    host: IPv4Address | IPv6Address = IPv4Address("127.0.0.1")
    port: Annotated[int, Field(ge=0, le=65535)] = 8080
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    behind_proxy: bool = False
    undecided_bound: Annotated[int, Field(ge=1)] = 2000
    operator_port: Annotated[int, Field(ge=0, le=65535)] = 8081  # of `serve --role deliver`

    @model_validator(mode="after")
    def _tls_is_whole(self) -> Self:
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("tls_certificate and tls_key go together")
        return self


class LogConfig(Section):
    """Who may read the entries of the disclosure log over HTTP, and what a reader of a person's
    timeline must say (DUAA 2025 s.82 no longer asks for a justification)."""

    entries_for: Literal["loopback", "anyone"] = "loopback"
    justification: Literal["required", "optional"] = "required"
    high_water: Path = Path("log.high-water")  # what was published last; best on another disk


class PolicyConfig(Section):
    """Which rulebook is in force: the one shipped, or an agency's own folder of the same shape."""

    rulebook: Path | None = None
    adoption: Literal["two-person", "configured"] = "configured"  # who puts another one in force
    review_months: Annotated[int, Field(ge=1, le=120)] = 6  # until an alert is to be looked at anew


class WebhookConfig(Section):
    """Outbound HTTPS. Only global addresses are reached unless a network is named here."""

    ca_file: Path | None = None
    allowed_networks: tuple[Network, ...] = ()
    allow_plain_http: bool = False  # to loopback addresses named above, and nowhere else
    timeout_s: Annotated[float, Field(gt=0, le=60)] = 20
    certificate: Path | None = None  # for receivers that ask for one: PEM, with `key`
    key: Path | None = None

    @model_validator(mode="after")
    def _certificate_is_whole(self) -> Self:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key go together")
        return self


class EmailConfig(Section):
    """The mail relay. TLS always."""

    host: str
    port: Annotated[int, Field(ge=1, le=65535)]
    security: Literal["starttls", "tls"] = "starttls"
    sender: str
    hostname: str  # right-hand side of Message-ID
    ca_file: Path | None = None
    username: str | None = None
    password_file: Path | None = None
    route: tuple[MailRouteConfig, ...] = ()
    bounces: MailBouncesConfig | None = None


class CertificatesConfig(Section):
    """Whom recipients' certificates may rest on, where the directory says trust = "anchor"."""

    anchors: tuple[Path, ...] = ()  # PEM files
    revocation: Literal["required", "when-stated", "none"] = "required"
    stale_after_h: Annotated[float, Field(gt=0, le=31 * 24)] = 72  # no older word is believed
    refresh_s: Annotated[float, Field(ge=10, le=86_400)] = 6 * 3600


class SimulatorConfig(Section):
    """Addresses that behave as they are named and reach nobody: for integrators."""

    enabled: bool = False


class MeshConfig(Section):
    """The NHS MESH mailbox that alerts leave from and mesh feeds read. MESH asks for a client
    certificate: `certificate` and `key` are PEM files, the key closed to everyone else."""

    url: str = "https://mesh-sync.spineservices.nhs.uk"
    mailbox: Annotated[str, Field(pattern=r"^[A-Za-z0-9_]{3,100}$")]
    password_file: Path
    shared_key_file: Path
    workflow_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.\-]{2,100}$")] = "THROUGHGATE_ALERT"
    certificate: Path | None = None
    key: Path | None = None
    ca_file: Path | None = None
    timeout_s: Annotated[float, Field(gt=0, le=600)] = 20  # of a connection and of each answer

    @model_validator(mode="after")
    def _certificate_is_whole(self) -> Self:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key go together")
        return self


class DeliveryConfig(Section):
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
    per_minute: Annotated[int, Field(ge=1)] | None = None  # to an endpoint that states no rate
    breaker_failures: Annotated[int, Field(ge=1, le=1000)] = 5  # in a row, and it is left alone
    breaker_first_s: Annotated[float, Field(gt=0)] = 30  # the first time; then twice as long
    breaker_longest_s: Annotated[float, Field(gt=0)] = 900
    step_after_s: Annotated[float, Field(ge=0)] = 600  # a routine alert waits for a dead end
    lease_s: Annotated[float, Field(ge=1, le=300)] = 15  # with [postgres]: a shard is owned so long


class TableConfig(Section):
    """A table of some agency's own, read and written by a mapping file."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{1,40}$")]  # as the mapping has it
    mapping: Path


class Config(Section):
    """The whole file."""

    instance: InstanceConfig
    http: HttpConfig = HttpConfig()
    keys: KeysConfig = KeysConfig()
    certificates: CertificatesConfig = CertificatesConfig()
    log: LogConfig = LogConfig()
    policy: PolicyConfig = PolicyConfig()
    webhook: WebhookConfig = WebhookConfig()
    email: EmailConfig | None = None
    sms: SmsConfig | None = None
    mesh: MeshConfig | None = None
    delivery: DeliveryConfig = DeliveryConfig()
    pick_up: PickUpConfig = PickUpConfig()
    escalation: EscalationConfig = EscalationConfig()
    operator: OperatorConfig = OperatorConfig()
    simulator: SimulatorConfig = SimulatorConfig()
    postgres: PostgresConfig | None = None
    redis: RedisConfig | None = None
    retention: RetentionConfig = RetentionConfig()
    console: ConsoleConfig = ConsoleConfig()
    witness: WitnessConfig | None = None
    telemetry: TelemetryConfig | None = None
    feed: tuple[FeedConfig, ...] = ()
    table: tuple[TableConfig, ...] = ()
    home: Path = Field(default=Path(), exclude=True)  # its folder
    file: Path = Field(default=Path(), exclude=True)  # itself

    @model_validator(mode="after")
    def _feeds_have_names_of_their_own(self) -> Self:
        names = [feed.name for feed in self.feed]
        if len(set(names)) != len(names):
            raise ValueError("feed: two of one name")
        return self

    @model_validator(mode="after")
    def _redis_spreads_what_postgres_holds(self) -> Self:
        if self.redis is not None and self.postgres is None:
            raise ValueError("redis: only beside [postgres]")
        return self

    def path(self, relative: Path) -> Path:
        """Return a path of the file as seen from its folder."""
        return self.home / relative

    def local_state(self, suffix: str) -> Path:
        """Return where this machine keeps something of its own: beside the embedded database, or
        where that would be.

        Args:
            suffix: With its dot: ".lock".
        """
        return self.path(self.instance.database).with_suffix(suffix)


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
    for own in ("home", "file"):
        if own in values:
            raise BadConfig(f"{own}: no such key")
    try:
        return Config.model_validate(
            {**values, "home": file.resolve().parent, "file": file.resolve()}
        )
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(str(step) for step in fault['loc'])}: {fault['msg']}"
            for fault in error.errors(include_input=False, include_url=False)
        )
        raise BadConfig(f"{file}: {faults}") from None
