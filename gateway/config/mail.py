"""The mail sections of throughgate.toml beside the default relay: routes and bounces."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from gateway.config.section import Section

DEFAULT = "default"  # the name of the route that [email] itself is


def check_host_name(text: str) -> str:
    """Return a DNS name as it stands."""
    from gateway.channels import addresses  # late: most commands read no mail section

    return addresses.check_host_name(text)


def check_mailbox(text: str) -> str:
    """Return a mailbox as it stands."""
    from gateway.channels import addresses

    return addresses.check_mailbox(text)


def _not_the_default(name: str) -> str:
    if name == DEFAULT:
        raise ValueError("the default route is [email] itself")
    return name


Domain = Annotated[str, AfterValidator(check_host_name)]
Mailbox = Annotated[str, AfterValidator(check_mailbox)]
RouteName = Annotated[str, Field(pattern=r"^[a-z0-9-]{1,40}$"), AfterValidator(_not_the_default)]


class MailRouteConfig(Section):
    """`[[email.route]]`: a relay that some domains are reached over, and over no other."""

    name: RouteName
    domains: Annotated[tuple[Domain, ...], Field(min_length=1)]  # each with all below it
    host: str
    port: Annotated[int, Field(ge=1, le=65535)]
    security: Literal["starttls", "tls"] = "starttls"
    sender: Mailbox | None = None  # None: as in [email]
    hostname: Domain | None = None  # None: as in [email]
    bounces: Mailbox | None = None  # return path, as in [email.bounces]; None: the sender
    ca_file: Path | None = None
    username: str | None = None
    password_file: Path | None = None


class MailBouncesConfig(Section):
    """`[email.bounces]`: where reports of what became of mail come in."""

    maildir: Path
    mailbox: Mailbox | None = None  # return path, which must take `+<alert id>`; None: the sender
    poll_s: Annotated[float, Field(gt=0, le=3600)] = 5
    after: Literal["keep", "delete"] = "keep"  # what has been read
