"""The [postgres] section: the database of an instance that more than one machine serves."""

from pathlib import Path
from typing import Final
from urllib.parse import parse_qs, urlsplit

from pydantic import field_validator

from gateway.config.section import Section

_SCHEMES: Final = frozenset({"postgresql", "postgres"})
_SECRETS: Final = frozenset({"password", "passfile", "sslpassword"})


class PostgresConfig(Section):
    """Where PostgreSQL is. Without this section the store is the file `instance.database`.

    Unless the address says otherwise (`sslmode`), a server elsewhere than on this machine must
    show a certificate that the system trusts for its name.
    """

    url: str  # postgresql://USER@HOST:PORT/DATABASE
    password_file: Path | None = None

    @field_validator("url")
    @classmethod
    def _names_a_database_and_holds_no_secret(cls, url: str) -> str:
        return checked_url(url)


def checked_url(url: str) -> str:
    """Return the address of a database if it is one, and holds no secret.

    Raises:
        ValueError: it is not, or it does; says what to do, and repeats nothing of it.
    """
    parts = urlsplit(url)
    if parts.scheme not in _SCHEMES or len(parts.path) < 2:
        raise ValueError("as postgresql://USER@HOST:PORT/DATABASE")
    if parts.password is not None or _SECRETS & parse_qs(parts.query).keys():
        raise ValueError("no password in the address: name a password_file")
    return url
