"""The [console] section: who may sign in to the pages, how, and for how long."""

from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from gateway.config.section import Section


class OidcConfig(Section):
    """An OpenID Connect provider that vouches for staff. Authorization code with PKCE."""

    issuer: str  # https; exactly as the provider states it
    client_id: str
    client_secret_file: Path | None = None  # None: a public client
    ca_file: Path | None = None
    timeout_s: Annotated[float, Field(gt=0, le=60)] = 10

    @field_validator("issuer")
    @classmethod
    def _is_a_url(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in {"https", "http"} or not parts.hostname or parts.query:
            raise ValueError("an https URL without a query")
        return url


class ConsoleConfig(Section):
    """Sessions of the console. Source: OWASP ASVS 5.0 V7."""

    enabled: bool = True
    idle_s: Annotated[float, Field(ge=60, le=3600)] = 900
    absolute_s: Annotated[float, Field(ge=600, le=86_400)] = 8 * 3600
    passkeys: bool = True  # local accounts; False: only by the provider
    oidc: OidcConfig | None = None
