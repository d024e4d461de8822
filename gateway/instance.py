"""An instance on disk: its keys, its configuration, its database. Made once by `init`."""

import os
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib.resources import files
from pathlib import Path

import apsw

from gateway import clock
from gateway.config import Config, load_config
from gateway.disclosure_log import entry
from gateway.disclosure_log.checkpoint import LogKey
from gateway.law import Law
from gateway.model.ids import OURSELVES
from gateway.store import sqlite
from gateway.store.group_commit import Staged, Unit
from gateway.store.store import Store
from keys.at_rest import KeyEncryptionKey
from keys.cms import MailSigner
from keys.providers import file as key_file
from keys.providers.secret_file import read_secret, write_secret
from keys.self_signed import mail_identity
from keys.signing import SigningKey
from policies.problem import BadRulebook
from policies.rulebook import load_rulebook

CONFIG_NAME = "throughgate.toml"
VKEY_NAME = "log.vkey"
_MAIL_CERTIFICATE_DAYS = 825


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceKeys:
    """The gateway's own secrets. Never printed, never logged."""

    key_encryption_key: KeyEncryptionKey
    log_key: LogKey
    signing_key: SigningKey
    mail_signer: MailSigner


def load_keys(config: Config) -> InstanceKeys:
    """Read the instance's keys from its files.

    Raises:
        KeyProblem: a key is missing, malformed, or readable by others.
    """
    own = config.instance
    return InstanceKeys(
        key_encryption_key=key_file.load(config.path(own.key_encryption_key)),
        log_key=LogKey.parse_secret(read_secret(config.path(own.log_key))),
        signing_key=SigningKey.parse(read_secret(config.path(own.signing_key))),
        mail_signer=MailSigner(
            config.path(own.mail_certificate).read_text("ascii"),
            read_secret(config.path(own.mail_key)),
        ),
    )


def load_law(config: Config | None = None) -> Law:
    """Read the rulebook in force: the folder the configuration names, else the one shipped.

    Raises:
        BadRulebook: some file is missing or does not hold together.
    """
    own = config.policy.rulebook if config else None
    texts = rulebook_texts(config.path(own) if config and own else None)
    return Law(rulebook=load_rulebook(texts))


def rulebook_texts(folder: Path | None) -> dict[str, str]:
    """Return the files of a rulebook, relative name to text; None is the one shipped.

    Raises:
        BadRulebook: there is no such folder, or a file in it cannot be read as text.
    """
    root = files("policies") if folder is None else folder
    try:
        texts = {
            one.name: one.read_text("utf-8") for one in root.iterdir() if one.name.endswith(_LAW)
        }
        for one in root.joinpath("rulebook").iterdir():
            if one.name.endswith(".cedar"):
                texts[f"rulebook/{one.name}"] = one.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadRulebook("unreadable", file=str(root), reason=type(error).__name__) from None
    return texts


_LAW = (".toml", ".cedarschema")


def note_rulebook(digest: str, now: datetime) -> Unit[None]:
    """Return the unit that logs a rulebook other than the last one this instance decided by."""

    def unit(connection: apsw.Connection) -> Staged[None]:
        connection.execute(
            "INSERT INTO setting (name, value) VALUES ('rulebook', ?)"
            " ON CONFLICT (name) DO UPDATE SET value = excluded.value"
            " WHERE value <> excluded.value",
            (digest,),
        )
        changed = connection.changes() == 1
        logged = entry.rulebook(at=now, digest=digest, actor=OURSELVES)
        return Staged(None, [logged.encode()] if changed else [])

    return unit


async def create(folder: Path, *, name: str, sections: str) -> Config:
    """Make a new instance: configuration, keys, database, and the log's first entry.

    Args:
        folder: Made with mode 0700 if missing; must not hold an instance.
        name: Origin line of its log; unique to this instance for ever.
        sections: TOML appended to the `[instance]` table: the other sections.

    Raises:
        StoreUnavailable: an instance is already there; nothing of it is touched.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    config_file = folder / CONFIG_NAME
    if config_file.exists():
        raise sqlite.StoreUnavailable(
            "exists", f"{folder} already holds an instance; left as it is"
        )
    keys = folder / "keys"
    keys.mkdir(mode=0o700, exist_ok=True)
    key_file.create(keys / "key-encryption-key")
    log_key = LogKey.generate(name)
    write_secret(keys / "log-key", log_key.secret_text)
    write_secret(keys / "signing-key", SigningKey.generate().secret_text)
    now = clock.now()
    private, certificate = mail_identity(
        name,
        mailbox=None,
        valid_from=now - timedelta(minutes=5),
        valid_until=now + timedelta(days=_MAIL_CERTIFICATE_DAYS),
    )
    (keys / "mail-certificate.pem").write_text(certificate, "ascii")
    write_secret(keys / "mail-key.pem", private)
    (folder / VKEY_NAME).write_text(log_key.verifier + "\n", "utf-8")
    config_file.write_text(f'[instance]\nname = "{name}"\n{sections}', "utf-8")
    config_file.chmod(0o600)
    config = load_config(config_file)
    sqlite.create(config.path(config.instance.database))
    digest = load_law(config).rulebook.digest
    genesis = entry.genesis(at=now, origin=name, rulebook=digest)

    def begin(connection: apsw.Connection) -> Staged[None]:
        connection.execute("INSERT INTO setting (name, value) VALUES ('rulebook', ?)", (digest,))
        return Staged(None, [genesis.encode()])

    await commit_one(config, begin)
    return config


async def commit_one(config: Config, unit: Unit[None]) -> None:
    """Run one unit of work against an instance from the command line, logged.

    Works beside a serving gateway: both take the same lock and continue the same log.
    """
    keys = load_keys(config)
    store = await Store.open(
        config.path(config.instance.database),
        key_encryption_key=keys.key_encryption_key,
        log_key=keys.log_key,
        on_fatal=lambda _code: os._exit(70),
        slot=-1,
    )
    try:
        await store.commit(unit)
    finally:
        await store.close()
