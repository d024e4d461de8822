"""An instance on disk: its keys, its configuration, its database. Made once by `init`."""

import os
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib.resources import files
from pathlib import Path
from typing import Protocol

import apsw

from gateway import clock
from gateway.config import BadConfig, Config, load_config
from gateway.config.keys import KeyPlace, KmsConfig
from gateway.disclosure_log import entry
from gateway.disclosure_log.checkpoint import LogKey
from gateway.law import Law
from gateway.model.ids import OURSELVES
from gateway.store import own_secrets, sqlite
from gateway.store.group_commit import Staged, Unit
from gateway.store.sealed import SealedStore
from gateway.store.store import Store
from keys.at_rest import KeyEncryptionKey
from keys.cms import MailSigner
from keys.key_ring import KeyRing
from keys.problem import KeyProblem
from keys.providers import aws_kms
from keys.providers import file as key_file
from keys.providers.aws_kms import Kms, KmsEcdsaSigner, KmsKey
from keys.providers.pkcs11 import TokenEcdsaSigner, TokenKey, TokenSigner
from keys.providers.secret_file import read_secret, write_secret
from keys.providers.token import Token, token
from keys.self_signed import mail_identity
from keys.signer import EcdsaSigner, Signer
from keys.signing import SigningKey
from policies.problem import BadRulebook
from policies.rulebook import load_rulebook

CONFIG_NAME = "throughgate.toml"
VKEY_NAME = "log.vkey"
_MAIL_CERTIFICATE_DAYS = 825


class WebhookSigner(Signer, Protocol):
    """The key pair webhooks are signed with."""

    @property
    def public_text(self) -> str:
        """Its public half, ``whpk_``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceKeys:
    """The gateway's own secrets. Never printed, never logged."""

    key_encryption_key: KeyRing
    log_key: LogKey
    signing_key: WebhookSigner
    mail_signer: MailSigner


def load_keys(config: Config) -> InstanceKeys:
    """Read the instance's keys from where they live.

    Raises:
        KeyProblem: a key is missing, malformed, or readable by others; a provider cannot.
    """
    return InstanceKeys(
        key_encryption_key=KeyRing.of(KekSource(config)),
        log_key=_log_key(config),
        signing_key=_signing_key(config),
        mail_signer=_mail_signer(config),
    )


class KekSource:
    """The key-encryption keys the configuration names, and whether it, or the folder with their
    files, was written to since they were last read."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._file = config.file
        self._seen: tuple[int, ...] | None = None

    def changed(self) -> bool:
        """Say whether the folder of the key files, or the configuration, has been written to."""
        return self._stamps() != self._seen

    def load(self) -> list[KeyEncryptionKey]:
        """Return the keys, the one in force first; read the configuration again if it changed.

        Raises:
            KeyProblem: one of them cannot be read; ``config``: nor can the configuration.
        """
        stamps = self._stamps()
        if self._seen is not None and self._file.exists():
            try:
                self._config = load_config(self._file)
            except BadConfig:
                raise KeyProblem("config", "the configuration cannot be read again") from None
        config = self._config
        found = [
            one for place in (config.keys, *config.keys.retired) for one in _keks(config, place)
        ]
        self._seen = stamps
        return found

    def _stamps(self) -> tuple[int, ...]:
        folder = self._config.path(self._config.instance.key_encryption_key).parent
        return tuple(_stamp(path) for path in (folder, self._file))


def _stamp(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def _keks(config: Config, place: KeyPlace) -> list[KeyEncryptionKey]:
    if place.provider == "pkcs11":
        return [TokenKey(_token(config, place), place.key or "")]
    if place.provider == "aws-kms":
        return [KmsKey(_kms(config, place), place.key or "")]
    path = config.path(Path(place.key) if place.key else config.instance.key_encryption_key)
    return [key_file.load(one) for one in key_file.files(path)]


def _log_key(config: Config) -> LogKey:
    place, own = config.keys.log, config.instance
    if place.provider == "pkcs11":
        return LogKey.of(own.name, TokenSigner(_token(config, place), place.key or ""))
    return LogKey.parse_secret(read_secret(_file(config, place, own.log_key)))


def _signing_key(config: Config) -> WebhookSigner:
    place = config.keys.webhook
    if place.provider == "pkcs11":
        return TokenSigner(_token(config, place), place.key or "")
    return SigningKey.parse(read_secret(_file(config, place, config.instance.signing_key)))


def _mail_signer(config: Config) -> MailSigner:
    place, own = config.keys.mail, config.instance
    key: str | EcdsaSigner
    if place.provider == "pkcs11":
        key = TokenEcdsaSigner(_token(config, place), place.key or "")
    elif place.provider == "aws-kms":
        key = KmsEcdsaSigner(_kms(config, place), place.key or "")
    else:
        key = read_secret(_file(config, place, own.mail_key))
    return MailSigner(config.path(own.mail_certificate).read_text("ascii"), key)


def _file(config: Config, place: KeyPlace, default: Path) -> Path:
    return config.path(Path(place.key) if place.key else default)


def _token(config: Config, place: KeyPlace) -> Token:
    where = place.pkcs11 or config.keys.pkcs11
    if where is None:
        raise KeyProblem("config", "a key in a token needs keys.pkcs11")
    return token(where.module, where.token, config.path(where.pin_file), where.timeout_s)


def _kms(config: Config, place: KeyPlace) -> Kms:
    where = place.kms or config.keys.kms or KmsConfig()
    return aws_kms.client(
        region=where.region, endpoint_url=where.endpoint_url, timeout_s=where.timeout_s
    )


def sealed_store(config: Config) -> SealedStore:
    """Return the instance's sealed store, to open what rests in its database. Reads only.

    Raises:
        KeyProblem, StoreUnavailable: a key or the database cannot be used.
    """
    kek = KeyRing.of(KekSource(config))
    with closing(sqlite.open_reader(config.path(config.instance.database))) as connection:
        return own_secrets.open_sealed(connection, kek)


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
    draft = folder / f".{CONFIG_NAME}"
    draft.write_text(f'[instance]\nname = "{name}"\n{sections}', "utf-8")
    draft.chmod(0o600)
    _make_key_files(load_config(draft))
    draft.rename(config_file)
    config = load_config(config_file)
    (folder / VKEY_NAME).write_text(load_keys(config).log_key.verifier + "\n", "utf-8")
    sqlite.create(config.path(config.instance.database))
    digest = load_law(config).rulebook.digest
    genesis = entry.genesis(at=clock.now(), origin=name, rulebook=digest)

    def begin(connection: apsw.Connection) -> Staged[None]:
        connection.execute("INSERT INTO setting (name, value) VALUES ('rulebook', ?)", (digest,))
        return Staged(None, [genesis.encode()])

    await commit_one(config, begin)
    return config


def _make_key_files(config: Config) -> None:
    """Make the keys that are to live in files; those in an HSM or KMS are there already."""
    own, keys = config.instance, config.keys
    for path in (own.key_encryption_key, own.log_key, own.signing_key, own.mail_key):
        config.path(path).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if keys.provider == "file":
        key_file.create(config.path(own.key_encryption_key))
    if keys.log.provider == "file":
        log_key = LogKey.generate(own.name)
        write_secret(_file(config, keys.log, own.log_key), log_key.secret_text)
    if keys.webhook.provider == "file":
        signing = SigningKey.generate()
        write_secret(_file(config, keys.webhook, own.signing_key), signing.secret_text)
    if keys.mail.provider == "file":
        now = clock.now()
        private, certificate = mail_identity(
            own.name,
            mailbox=None,
            valid_from=now - timedelta(minutes=5),
            valid_until=now + timedelta(days=_MAIL_CERTIFICATE_DAYS),
        )
        config.path(own.mail_certificate).write_text(certificate, "ascii")
        write_secret(_file(config, keys.mail, own.mail_key), private)


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
