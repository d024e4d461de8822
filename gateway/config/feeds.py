"""The `[[feed]]` sections: where messages are fetched, and whose they are."""

from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Annotated, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from gateway.config.section import Section


class _FeedConfig(Section):
    """What every feed says: whose messages these are, and in which format."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")]
    agency: Annotated[str, Field(min_length=1, max_length=100)]
    adapter: str | None = None  # none: canonical events


_LOOPBACK_NAMES: Final = frozenset({"127.0.0.1", "::1", "localhost"})


class SqsFeedConfig(_FeedConfig):
    """An Amazon SQS queue. Credentials come the usual AWS way, never from this file."""

    kind: Literal["sqs"]
    queue_url: str
    region: str = "eu-west-2"
    endpoint_url: str | None = None  # none: AWS's own
    wait_s: Annotated[int, Field(ge=0, le=20)] = 20  # of one long poll
    retry_after_s: Annotated[int, Field(ge=0, le=43200)] = 30  # what cannot be taken now

    @model_validator(mode="after")
    def _is_encrypted(self) -> Self:
        for url in (self.queue_url, self.endpoint_url or self.queue_url):
            parts = urlsplit(url)
            plain = parts.scheme == "http" and parts.hostname in _LOOPBACK_NAMES
            if not plain and (parts.scheme != "https" or not parts.hostname):
                raise ValueError("queue_url and endpoint_url are https, or http to loopback")
        return self


class MllpFeedConfig(_FeedConfig):
    """HL7 v2 over MLLP. The client's certificate stands in for a signature."""

    kind: Literal["mllp"]
    host: IPv4Address | IPv6Address = IPv4Address("127.0.0.1")
    port: Annotated[int, Field(ge=0, le=65535)]
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    client_ca_file: Path | None = None  # only clients with a certificate of this authority
    client_name: str | None = None  # and this DNS name in it
    behind_proxy: bool = False
    max_connections: Annotated[int, Field(ge=1, le=1000)] = 16
    message_timeout_s: Annotated[float, Field(gt=0, le=300)] = 10  # first byte to last
    idle_timeout_s: Annotated[float, Field(gt=0, le=86400)] = 600  # between two messages

    @model_validator(mode="after")
    def _knows_who_connects(self) -> Self:
        if self.adapter is None:
            raise ValueError("adapter: an mllp feed needs one that reads HL7 v2")
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("tls_certificate and tls_key go together")
        if self.client_ca_file is not None and self.tls_certificate is None:
            raise ValueError("client_ca_file needs tls_certificate and tls_key")
        if self.client_name is not None and self.client_ca_file is None:
            raise ValueError("client_name needs client_ca_file")
        if not (self.host.is_loopback or self.client_ca_file or self.behind_proxy):
            raise ValueError(
                "to listen beyond loopback, set tls_certificate, tls_key and client_ca_file,"
                " or behind_proxy"
            )
        return self


class FolderFeedConfig(_FeedConfig):
    """A drop folder: whole files appear in it and are taken one by one."""

    kind: Literal["folder"]
    path: Path
    after: Literal["delete", "keep"] = "delete"  # what becomes of a file wholly accepted
    settle_s: Annotated[float, Field(ge=0, le=3600)] = 2  # unchanged so long: its writer is done
    every_s: Annotated[float, Field(gt=0, le=3600)] = 1  # between two looks


class MeshFeedConfig(_FeedConfig):
    """The NHS MESH mailbox of the section `mesh`, as far as one agency writes to it."""

    kind: Literal["mesh"]
    senders: Annotated[tuple[str, ...], Field(min_length=1)]  # the agency's mailbox ids
    workflow_id: str | None = None  # none: of every workflow
    poll_s: Annotated[float, Field(gt=0, le=86400)] = 300


FeedConfig = Annotated[
    SqsFeedConfig | MllpFeedConfig | FolderFeedConfig | MeshFeedConfig,
    Field(discriminator="kind"),
]
