"""Who may read and write the instance's files."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from gateway.config import Config
from gateway.doctor.asked import Asked
from gateway.doctor.finding import Finding, error, ok, unknown
from gateway.store.place import SqlitePlace

_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_WRITTEN_BY_OTHERS = stat.S_IWGRP | stat.S_IWOTH


def examine(asked: Asked) -> Iterator[Finding]:
    """Yield what the modes and owners of the instance's files come to."""
    faults = [
        *_faults("permissions.secret", secrets(asked.config), _OTHERS, "chmod 600"),
        *_faults("permissions.database", _stored(asked), _OTHERS, "chmod 600"),
        *_faults(
            "permissions.configuration", [asked.config.file], _WRITTEN_BY_OTHERS, "chmod go-w"
        ),
        *_faults("permissions.folder", [asked.config.home], _WRITTEN_BY_OTHERS, "chmod go-w"),
    ]
    yield from faults
    if not faults:
        yield ok("permissions", "Keys, database and configuration are closed to others.")


def secrets(config: Config) -> list[Path]:
    """Return the files the configuration names that hold a secret. Reads nothing."""
    own, keys = config.instance, config.keys
    named = [
        own.key_encryption_key if keys.provider == "file" else None,
        own.log_key if keys.log.provider == "file" and not keys.log.key else None,
        own.signing_key if keys.webhook.provider == "file" and not keys.webhook.key else None,
        own.mail_key if keys.mail.provider == "file" and not keys.mail.key else None,
        *(Path(one.key) for one in (keys, keys.log, keys.webhook, keys.mail)
          if one.provider == "file" and one.key),
        config.http.tls_key,
        config.webhook.key,
        config.email.password_file if config.email else None,
        config.sms.api_key_file if config.sms else None,
        config.sms.callback_token_file if config.sms else None,
        config.mesh.password_file if config.mesh else None,
        config.mesh.shared_key_file if config.mesh else None,
        config.mesh.key if config.mesh else None,
        config.console.oidc.client_secret_file if config.console.oidc else None,
        config.postgres.password_file if config.postgres else None,
        config.redis.password_file if config.redis else None,
    ]  # fmt: skip
    return [config.path(path) for path in named if path is not None]


def _stored(asked: Asked) -> list[Path]:
    """Return the database's files that are there: SQLite's own take the database's mode."""
    if not isinstance(asked.place, SqlitePlace):
        return []
    database = asked.place.path
    beside = [database.with_name(database.name + end) for end in ("-wal", "-shm")]
    return [database, *(path for path in beside if path.exists())]


def _faults(check: str, paths: list[Path], mode: int, mend: str) -> Iterator[Finding]:
    for path in paths:
        try:
            found = path.stat()
        except OSError as trouble:
            yield unknown(check, f"{path.name} cannot be looked at: {trouble.strerror}.",
                          "Put it there, or run this as the gateway's own user.")  # fmt: skip
            continue
        if found.st_mode & mode:
            yield error(check, f"{path.name} is open to others than the gateway.", f"{mend} it.")
        if found.st_uid not in {os.geteuid(), 0}:
            yield error(
                check,
                f"{path.name} belongs to another user.",
                "chown it to the gateway's user, or run this as that user.",
            )
