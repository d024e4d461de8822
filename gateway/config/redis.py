"""The [redis] section: what spreads work over machines, and may lose all it holds."""

from pathlib import Path
from typing import Annotated, Final
from urllib.parse import parse_qs, urlsplit

from pydantic import Field, field_validator

from gateway.config.section import Section

_SCHEMES: Final = frozenset({"redis", "rediss", "unix"})


class RedisConfig(Section):
    """Where Redis is. Only beside [postgres]; without it work is found by looking."""

    url: str  # redis://USER@HOST:PORT/NUMBER; rediss:// over TLS; unix:///PATH
    password_file: Path | None = None
    ca_file: Path | None = None
    timeout_s: Annotated[float, Field(gt=0, le=30)] = 2  # of a connection and of each answer

    @field_validator("url")
    @classmethod
    def _is_redis_and_holds_no_secret(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in _SCHEMES or not (parts.hostname or parts.path.strip("/")):
            raise ValueError("as redis://USER@HOST:PORT/NUMBER")
        if parts.password is not None or "password" in parse_qs(parts.query):
            raise ValueError("no password in the address: name a password_file")
        return url
