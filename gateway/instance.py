"""An instance on disk: its keys, its configuration, its database. Made once by `init`."""

import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib.resources import files
from pathlib import Path
from typing import Protocol

from gateway import clock
from gateway.config import Config, load_config
from gateway.disclosure_log import entry
from gateway.disclosure_log.checkpoint import LogKey, VerifierKey, parse_keys
from gateway.key_places import KekSource, LogKeys, file_of, kms_of, token_of
from gateway.law import Law
from gateway.model.ids import OURSELVES
from gateway.store import own_secrets, rulebooks
from gateway.store.engine import Connection
from gateway.store.group_commit import Staged, Unit
from gateway.store.high_water import HighWater
from gateway.store.place import Place, place_of
from gateway.store.sealed import SealedStore
from gateway.store.sqlite import StoreUnavailable
from gateway.store.store import Store
from keys.cms import MailSigner
from keys.key_ring import KeyRing
from keys.providers import file as key_file
from keys.providers.aws_kms import KmsEcdsaSigner
from keys.providers.pkcs11 import TokenEcdsaSigner, TokenSigner
from keys.providers.secret_file import read_secret, write_secret
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
    log_key: LogKeys
    signing_key: WebhookSigner
    mail_signer: MailSigner


def load_keys(config: Config) -> InstanceKeys:
    """Read the instance's keys from where they live.

    Raises:
        KeyProblem: a key is missing, malformed, or readable by others; a provider cannot.
    """
    return InstanceKeys(
        key_encryption_key=KeyRing.of(KekSource(config)),
        log_key=LogKeys(config),
        signing_key=_signing_key(config),
        mail_signer=_mail_signer(config),
    )


def _signing_key(config: Config) -> WebhookSigner:
    place = config.keys.webhook
    if place.provider == "pkcs11":
        return TokenSigner(token_of(config, place), place.key or "")
    return SigningKey.parse(read_secret(file_of(config, place, config.instance.signing_key)))


def _mail_signer(config: Config) -> MailSigner:
    place, own = config.keys.mail, config.instance
    key: str | EcdsaSigner
    if place.provider == "pkcs11":
        key = TokenEcdsaSigner(token_of(config, place), place.key or "")
    elif place.provider == "aws-kms":
        key = KmsEcdsaSigner(kms_of(config, place), place.key or "")
    else:
        key = read_secret(file_of(config, place, own.mail_key))
    return MailSigner(config.path(own.mail_certificate).read_text("ascii"), key)


def sealed_store(config: Config) -> SealedStore:
    """Return the instance's sealed store, to open what rests in its database. Reads only.

    Raises:
        KeyProblem, StoreUnavailable: a key or the database cannot be used.
    """
    kek = KeyRing.of(KekSource(config))
    with closing(place_of(config).open_reader()) as connection:
        return own_secrets.open_sealed(connection, kek)


def load_law(config: Config | None = None) -> Law:
    """Read the rulebook in force: the folder the configuration names, else the one shipped.

    Raises:
        BadRulebook: some file is missing or does not hold together.
    """
    return Law(rulebook=load_rulebook(_configured(config)))


def _configured(config: Config | None) -> dict[str, str]:
    own = config.policy.rulebook if config else None
    return rulebook_texts(config.path(own) if config and own else None)


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


def note_rulebook(digest: str, now: datetime, texts: Mapping[str, str] | None = None) -> Unit[None]:
    """Return the unit that keeps the rulebook an instance decides by, and logs it where it is
    another than the last one. `texts` are its files; None: they are kept already."""

    def unit(connection: Connection) -> Staged[None]:
        return Staged(
            None, rulebooks.put_in_force(connection, digest, texts, by=OURSELVES, now=now)
        )

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
        raise StoreUnavailable("exists", f"{folder} already holds an instance; left as it is")
    draft = folder / f".{CONFIG_NAME}"
    draft.write_text(f'[instance]\nname = "{name}"\n{sections}', "utf-8")
    draft.chmod(0o600)
    try:
        _nothing_at(place_of(load_config(draft)))
    except StoreUnavailable:
        draft.unlink()
        raise
    _make_key_files(load_config(draft))
    draft.rename(config_file)
    config = load_config(config_file)
    keep_verifiers(config, load_keys(config).log_key.load())
    place_of(config).create()
    texts, begun = _configured(config), clock.now()
    digest = load_rulebook(texts).digest
    genesis = entry.genesis(at=begun, origin=name, rulebook=digest)

    def begin(connection: Connection) -> Staged[None]:
        rulebooks.put_in_force(connection, digest, texts, by=OURSELVES, now=begun)
        return Staged(None, [genesis.encode()])  # which names the rulebook: no entry of its own

    await commit_one(config, begin)
    return config


def _nothing_at(place: Place) -> None:
    if place.exists():
        raise StoreUnavailable(
            "exists", f"{place.describe()} already holds an instance; left as it is"
        )


def _make_key_files(config: Config) -> None:
    """Make the keys that are to live in files; those in an HSM or KMS are there already."""
    own, keys = config.instance, config.keys
    for path in (own.key_encryption_key, own.log_key, own.signing_key, own.mail_key):
        config.path(path).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if keys.provider == "file":
        key_file.create(config.path(own.key_encryption_key))
    if keys.log.provider == "file":
        log_key = LogKey.generate(own.name)
        write_secret(file_of(config, keys.log, own.log_key), log_key.secret_text)
    if keys.webhook.provider == "file":
        signing = SigningKey.generate()
        write_secret(file_of(config, keys.webhook, own.signing_key), signing.secret_text)
    if keys.mail.provider == "file":
        now = clock.now()
        private, certificate = mail_identity(
            own.name,
            mailbox=None,
            valid_from=now - timedelta(minutes=5),
            valid_until=now + timedelta(days=_MAIL_CERTIFICATE_DAYS),
        )
        config.path(own.mail_certificate).write_text(certificate, "ascii")
        write_secret(file_of(config, keys.mail, own.mail_key), private)


async def commit_one(config: Config, unit: Unit[None]) -> None:
    """Run one unit of work against an instance from the command line, logged.

    Works beside a serving gateway: both take the same lock and continue the same log.
    """
    async with opened(config) as store:
        await store.commit(unit)


@asynccontextmanager
async def opened(config: Config) -> AsyncIterator[Store]:
    """Open an instance's store from the command line, beside a gateway that may be serving it.

    What it publishes is known to be published when the block ends.
    """
    keys = load_keys(config)
    store = await Store.open(
        place_of(config),
        key_encryption_key=keys.key_encryption_key,
        log_key=keys.log_key,
        on_fatal=lambda _code: os._exit(70),
        slot=-1,
        published=high_water_of(config).known(),
    )
    try:
        yield store
        note_published(config, store)
    finally:
        await store.close()


def high_water_of(config: Config) -> HighWater:
    """Return the file that remembers what was published last."""
    return HighWater(path=config.path(config.log.high_water), name=config.instance.name)


def note_published(config: Config, store: Store) -> None:
    """Remember the newest checkpoint, and let `log.vkey` name whatever signs now."""
    note = store.latest_checkpoint()
    if note is not None and store.behind is None:
        keep_published(config, store.signers(), note)


def keep_published(config: Config, signers: Sequence[LogKey], note: str) -> None:
    """Keep a checkpoint that is published, and who signed it. Writes files, and reads no store."""
    keep_verifiers(config, signers)
    high_water_of(config).keep(note)


def verifiers_of(config: Config) -> tuple[VerifierKey, ...]:
    """Return every key the log was ever signed with, as `log.vkey` has them, the newest first.

    Raises:
        BadKey, OSError: the file cannot be used.
    """
    return parse_keys((config.home / VKEY_NAME).read_text("utf-8"))


def keep_verifiers(config: Config, signers: Sequence[LogKey]) -> None:
    """Put the verifier keys of what signs now first in `log.vkey`; none that is there goes."""
    path = config.home / VKEY_NAME
    before = path.read_text("utf-8").splitlines() if path.exists() else []
    lines = list(dict.fromkeys([*(one.verifier for one in signers), *before]))
    if lines != before:
        draft = path.with_name(f".{VKEY_NAME}.{os.getpid()}")
        draft.write_text("".join(f"{line}\n" for line in lines), "utf-8")
        draft.replace(path)
