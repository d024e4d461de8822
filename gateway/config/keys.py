"""The `keys` section of the configuration: where the gateway's own keys live."""

from pathlib import Path
from typing import Annotated, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from gateway.config.section import Section

Provider = Literal["file", "pkcs11", "aws-kms"]

_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})


class Pkcs11Config(Section):
    """A token of an HSM. The PIN file is closed to everyone else."""

    module: Path  # the shared library
    token: Annotated[str, Field(min_length=1, max_length=32)]  # its label
    pin_file: Path
    timeout_s: Annotated[float, Field(gt=0, le=60)] = 5


class KmsConfig(Section):
    """AWS KMS. Credentials come the usual AWS way, never from this file."""

    region: str = "eu-west-2"
    endpoint_url: str | None = None  # none: AWS's own
    timeout_s: Annotated[float, Field(gt=0, le=60)] = 5

    @model_validator(mode="after")
    def _is_encrypted(self) -> Self:
        parts = urlsplit(self.endpoint_url or "https://aws")
        plain = parts.scheme == "http" and parts.hostname in _LOOPBACK
        if not plain and (parts.scheme != "https" or not parts.hostname):
            raise ValueError("endpoint_url is https, or http to loopback")
        return self


class KeyPlace(Section):
    """Where one key lives. `key` is its label in the token, its KMS key id or ARN, or the path of
    its file; none: the file the section `instance` names."""

    provider: Provider = "file"
    key: Annotated[str, Field(min_length=1, max_length=256)] | None = None
    pkcs11: Pkcs11Config | None = None  # none: that of the section `keys`
    kms: KmsConfig | None = None  # likewise

    @model_validator(mode="after")
    def _is_named(self) -> Self:
        if self.provider != "file" and self.key is None:
            raise ValueError(f"key: say which one ({self.provider})")
        return self


class LogKeyPlace(KeyPlace):
    """The key the log signs with, and older ones that sign beside it until they are retired."""

    retiring: tuple[KeyPlace, ...] = ()


class KeysConfig(KeyPlace):
    """The key-encryption key in force, older ones that may still unwrap, and the signing keys."""

    retired: tuple[KeyPlace, ...] = ()
    log: LogKeyPlace = LogKeyPlace()
    webhook: KeyPlace = KeyPlace()
    mail: KeyPlace = KeyPlace()

    @model_validator(mode="after")
    def _places_are_described(self) -> Self:
        logs = (self.log, *self.log.retiring)
        places: list[KeyPlace] = [self, *self.retired, *logs, self.webhook, self.mail]
        for place in places:
            if place.provider == "pkcs11" and not (place.pkcs11 or self.pkcs11):
                raise ValueError("a key in a token needs module, token and pin_file (keys.pkcs11)")
        if "aws-kms" in {self.webhook.provider, *(one.provider for one in logs)}:
            raise ValueError(
                "log, webhook: signed with Ed25519 over more than KMS takes; file or pkcs11"
            )
        return self
