"""Connecting to PostgreSQL: what is asked of the way there, of the server, and of the database."""

import ipaddress
from dataclasses import dataclass
from typing import Any, Final

import psycopg
from psycopg.conninfo import conninfo_to_dict

from gateway.store.engine import StoreUnavailable
from gateway.store.postgres import trouble

VERSION: Final = "0001"  # of the schema this program is made for
OLDEST_SERVER: Final = 140000
CONNECT_WITHIN_S: Final = 5
PATIENCE_S: Final = 30.0  # for how long the server may say nothing at all
LOCK_WITHIN_S: Final = 10
STATEMENT_WITHIN_S: Final = 60
IDLE_WITHIN_S: Final = 60  # in a transaction: whoever stops there must not stop the others for long

_OURS: Final = frozenset({"options", "application_name", "client_encoding"})
_SETTINGS: Final = {
    "max_parallel_workers_per_gather": 0,  # what is put together of several parts stays in order
    "lock_timeout": LOCK_WITHIN_S * 1000,
    "statement_timeout": STATEMENT_WITHIN_S * 1000,
    "idle_in_transaction_session_timeout": IDLE_WITHIN_S * 1000,
}
_STANDS: Final = (
    "SELECT current_setting('synchronous_commit'), current_setting('fsync'),"
    " current_setting('full_page_writes'), current_setting('server_encoding'),"
    " coalesce(current_setting('throughgate.disposable', true), 'off')"
)


@dataclass(frozen=True, slots=True)
class Link:
    """The way to one database. `address`: what libpq connects by; with the password, if any."""

    address: str

    def connect(self, *, name: str, writes: bool, patience_s: float) -> "psycopg.Connection[Any]":
        """Return a new connection to the server that is written to, never to a standby.

        Raises:
            DatabaseTrouble: unavailable, cannot-open.
        """
        stated: dict[str, Any] = {
            "connect_timeout": CONNECT_WITHIN_S,
            "tcp_user_timeout": int(patience_s * 1000),
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
        } | conninfo_to_dict(self.address)
        stated |= {"application_name": name, "client_encoding": "utf8"}
        stated |= {"target_session_attrs": "primary"}
        try:
            base = psycopg.connect(autocommit=True, prepare_threshold=None, **stated)
        except psycopg.Error as error:
            raise trouble.of_connecting(error) from None  # its text names the host and the user
        wanted = [pair for pair in _SETTINGS.items() if writes or pair[0] != "lock_timeout"]
        calls = ", ".join(["set_config(%s, %s, false)"] * len(wanted))
        try:
            base.execute(
                f"SELECT {calls}".encode(),
                [part for setting, value in wanted for part in (setting, str(value))],
            )
        except psycopg.Error as error:
            base.close()
            raise trouble.of_connecting(error) from None
        return base

    def refuse_unless_private(self) -> None:
        """Refuse a way over a network on which another could pose as the server, or listen.

        Raises:
            StoreUnavailable: tls; address: it states what is the gateway's own to state.
        """
        try:
            stated = conninfo_to_dict(self.address)
        except psycopg.Error:
            raise StoreUnavailable("address", "the database's address cannot be read") from None
        if _OURS & stated.keys():
            raise StoreUnavailable("address", f"not in the address: {', '.join(sorted(_OURS))}")
        hosts = str(stated.get("hostaddr") or stated.get("host") or "").split(",")
        if stated.get("sslmode") != "verify-full" and not all(map(_on_this_machine, hosts)):
            raise StoreUnavailable(
                "tls", "a database on another machine is spoken to with sslmode=verify-full only"
            )

    def refuse_unless_durable(self) -> None:
        """Refuse a server that may lose what it committed, or that is not of a kind we know.

        A server for trials, which loses everything when its machine stops, says so of itself by
        the setting `throughgate.disposable = on`.

        Raises:
            StoreUnavailable: unsafe-settings, postgres-too-old, encoding; or it is unavailable.
        """
        with self.connect(name="throughgate", writes=False, patience_s=PATIENCE_S) as base:
            row = base.execute(_STANDS).fetchone()
            version = base.info.server_version
        synchronous, fsync, full_pages, encoding, disposable = row or ("off",) * 5
        if version < OLDEST_SERVER:
            raise StoreUnavailable("postgres-too-old", "PostgreSQL 14 at least")
        if encoding != "UTF8":
            raise StoreUnavailable("encoding", "the database's encoding is not UTF8")
        unsafe = [
            setting
            for setting, value in (
                ("synchronous_commit", synchronous),
                ("fsync", fsync if disposable != "on" else "on"),
                ("full_page_writes", full_pages if disposable != "on" else "on"),
            )
            if value == "off"
        ]
        if unsafe:
            raise StoreUnavailable(
                "unsafe-settings", f"PostgreSQL would lose commits: {', '.join(unsafe)} = off"
            )

    def refuse_unless_of_this_version(self) -> None:
        """Refuse a schema this program does not know how to use.

        Raises:
            StoreUnavailable: schema, cannot-open; or the server is unavailable.
        """
        try:
            with self.connect(name="throughgate", writes=False, patience_s=PATIENCE_S) as base:
                row = base.execute(
                    "SELECT (SELECT version_num FROM alembic_version),"
                    " (SELECT value FROM setting WHERE name = 'schema_floor')"
                ).fetchone()
        except psycopg.errors.UndefinedTable:
            raise StoreUnavailable(
                "cannot-open", "no instance in this database; run `throughgate init DIR` first"
            ) from None
        version, floor = row or (None, None)
        if version is None or version < VERSION:
            raise StoreUnavailable(
                "schema", "the database is of an older version; run `throughgate migrate schema`"
            )
        if floor is not None and floor > VERSION:
            raise StoreUnavailable("schema", "the database is of a newer version of this program")


def _on_this_machine(host: str) -> bool:
    if not host or host.startswith(("/", "@")) or host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
