"""Where the gateway's own keys are fetched from: files, a token or a KMS, as configured."""

import os
from pathlib import Path

from gateway.config import BadConfig, Config, load_config
from gateway.config.keys import KeyPlace, KmsConfig
from gateway.disclosure_log.checkpoint import LogKey
from gateway.disclosure_log.problem import LogProblem
from keys.at_rest import KeyEncryptionKey
from keys.problem import KeyProblem
from keys.providers import aws_kms
from keys.providers import file as key_file
from keys.providers.aws_kms import Kms, KmsKey
from keys.providers.pkcs11 import TokenKey, TokenSigner
from keys.providers.secret_file import read_secret, write_secret
from keys.providers.token import Token, token


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
        return _stamp(folder), _stamp(self._file)


def _stamp(path: Path) -> int:
    try:
        return os.stat(path).st_mtime_ns  # noqa: PTH116 - asked for every new person: half the cost
    except OSError:
        return 0


def _keks(config: Config, place: KeyPlace) -> list[KeyEncryptionKey]:
    if place.provider == "pkcs11":
        return [TokenKey(token_of(config, place), place.key or "")]
    if place.provider == "aws-kms":
        return [KmsKey(kms_of(config, place), place.key or "")]
    path = config.path(Path(place.key) if place.key else config.instance.key_encryption_key)
    return [key_file.load(one) for one in key_file.files(path)]


class LogKeys:
    """The keys the disclosure log may be signed with: those the configuration names, and those a
    rotation put beside them. Calling it reads them anew, and the configuration."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._newest = self.load()[0]

    def __call__(self) -> list[LogKey]:
        """Return the keys, the newest first, each under the instance's name.

        Raises:
            KeyProblem: one of them cannot be read; ``config``: nor can the configuration.
        """
        if self._config.file.exists():
            try:
                self._config = load_config(self._config.file)
            except BadConfig:
                raise KeyProblem("config", "the configuration cannot be read again") from None
        return self.load()

    def load(self) -> list[LogKey]:
        """Return the keys as the configuration named them when it was last read.

        Raises:
            KeyProblem: one of them cannot be read.
        """
        config = self._config
        places: list[KeyPlace] = [config.keys.log, *config.keys.log.retiring]
        return [one for place in places for one in _log_keys(config, place)]

    @property
    def verifier(self) -> str:
        """The public half of the newest key, as vkey text."""
        return self._newest.verifier


def _log_keys(config: Config, place: KeyPlace) -> list[LogKey]:
    own = config.instance
    if place.provider == "pkcs11":
        return [LogKey.of(own.name, TokenSigner(token_of(config, place), place.key or ""))]
    files_of_it = key_file.files(file_of(config, place, own.log_key))
    try:
        return [LogKey.parse_secret(read_secret(one)) for one in files_of_it]
    except LogProblem as error:
        raise KeyProblem(error.code, "a key file of the log does not hold one") from None


def make_log_key(config: Config) -> Path:
    """Put a fresh log key beside the one in force and return its file. It signs nothing yet.

    Raises:
        KeyProblem: config: the key does not live in a file.
        OSError: the directory cannot be written.
    """
    place = config.keys.log
    if place.provider != "file":
        raise KeyProblem("config", "make the key in the token, and name it in keys.log")
    path = key_file.next_of(file_of(config, place, config.instance.log_key))
    write_secret(path, LogKey.generate(config.instance.name).secret_text)
    return path


def file_of(config: Config, place: KeyPlace, default: Path) -> Path:
    """Return the file a key lives in."""
    return config.path(Path(place.key) if place.key else default)


def token_of(config: Config, place: KeyPlace) -> Token:
    """Return the token a key lives in.

    Raises:
        KeyProblem: config: none is described.
    """
    where = place.pkcs11 or config.keys.pkcs11
    if where is None:
        raise KeyProblem("config", "a key in a token needs keys.pkcs11")
    return token(where.module, where.token, config.path(where.pin_file), where.timeout_s)


def kms_of(config: Config, place: KeyPlace) -> Kms:
    """Return the client of the KMS a key lives in."""
    where = place.kms or config.keys.kms or KmsConfig()
    return aws_kms.client(
        region=where.region, endpoint_url=where.endpoint_url, timeout_s=where.timeout_s
    )
