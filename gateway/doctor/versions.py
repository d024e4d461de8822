"""What the gateway runs on: Python, SQLite, OpenSSL, and the packages it was built for."""

import re
import ssl
import sys
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, requires, version
from importlib.util import find_spec
from typing import Final

import apsw
from cryptography.hazmat.backends.openssl import backend

from gateway.config import Config
from gateway.doctor.asked import Asked
from gateway.doctor.finding import Finding, error, ok, unknown, warning

_PYTHON: Final = (3, 11)
_SQLITE: Final = (3, 51, 3)
_OPENSSL: Final = (3, 0)
_REQUIREMENT: Final = re.compile(
    r"([A-Za-z0-9_.\-]+)(?:\[[^\]]*\])?\s*([<>=!~0-9.,a-z]*)\s*(?:;(.*))?"
)
_BOUND: Final = re.compile(r"(>=|<)([0-9.]+)")
_EXTRA: Final = re.compile(r"extra == '([a-z]+)'|extra == \"([a-z]+)\"")

# What a configuration asks for: an extra, and a module it brings.
_EXTRAS: Final = {
    "hsm": "pkcs11",
    "kms": "boto3",
    "otel": "opentelemetry.sdk",
    "sqs": "aiobotocore",
    "pdf": "weasyprint",
    "scaled": "psycopg",
}


def examine(asked: Asked) -> Iterator[Finding]:
    """Yield which versions are too old, missing or not those the program was built for."""
    yield _floor("python", sys.version_info[:2], _PYTHON, "Install a newer Python.")
    lib = _numbers(apsw.sqlite_lib_version())
    yield _floor("sqlite", lib, _SQLITE, "Older ones can corrupt a database: upgrade apsw.")
    yield _floor("openssl", ssl.OPENSSL_VERSION_INFO[:2], _OPENSSL, "Upgrade the system's OpenSSL.")
    yield ok("versions.cryptography", f"Sealing runs on {backend.openssl_version_text()}.")
    yield from _extras(asked.config)
    yield from _drift()


def _floor(name: str, found: tuple[int, ...], least: tuple[int, ...], do: str) -> Finding:
    stated, wanted = (".".join(map(str, one)) for one in (found, least))
    if found < least:
        return error(f"versions.{name}", f"{name} {stated} is older than {wanted}.", do)
    return ok(f"versions.{name}", f"{name} {stated} will do.")


def wanted_extras(config: Config) -> set[str]:
    """Return the extras that a configuration cannot do without. Pure."""
    keys = config.keys
    providers = {one.provider for one in (keys, *keys.retired, keys.log, keys.webhook, keys.mail)}
    wanted = {
        "hsm": "pkcs11" in providers,
        "kms": "aws-kms" in providers,
        "otel": config.telemetry is not None,
        "sqs": any(feed.kind == "sqs" for feed in config.feed),
        "scaled": config.postgres is not None,
    }
    return {name for name, is_wanted in wanted.items() if is_wanted}


def _extras(config: Config) -> Iterator[Finding]:
    wanted = wanted_extras(config)
    for name, module in _EXTRAS.items():
        check = f"versions.extra-{name}"
        if _is_there(module):
            if name in wanted:
                yield ok(check, f"The extra {name}, which the configuration needs, is installed.")
        elif name in wanted:
            yield error(
                check,
                f"The configuration needs the extra {name}, which is not installed.",
                f"pip install 'throughgate[{name}]'",
            )
        elif name == "pdf":
            yield warning(check, "Evidence packs cannot be made as PDF.",
                          "pip install 'throughgate[pdf]'")  # fmt: skip


def _is_there(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # its parent is missing
        return False


def _drift() -> Iterator[Finding]:
    """Yield which installed packages are outside what the program declares."""
    check = "versions.packages"
    try:
        stated = requires("throughgate") or []
    except PackageNotFoundError:
        yield unknown(
            check, "The program is not installed as a package.", "pip install throughgate"
        )
        return
    outside = sorted(f"{name} {found}" for name, found in drifted(stated).items())
    if outside:
        yield warning(
            check,
            f"Installed, but not of a version the program is tested with: {', '.join(outside)}.",
            "Install from requirements.lock.",
        )
    else:
        yield ok(check, "Every package installed is of a version the program declares.")


def drifted(stated: list[str]) -> Mapping[str, str]:
    """Return what is installed outside the bounds stated, by name; what is missing is left out."""
    found: dict[str, str] = {}
    for line in stated:
        requirement = _REQUIREMENT.match(line)
        if requirement is None:
            continue
        name, bounds, marker = requirement.groups()
        extra = _EXTRA.search(marker or "")
        if extra and "dev" in extra.groups():
            continue
        try:
            installed = version(name)
        except PackageNotFoundError:
            continue
        if not _within(installed, bounds or ""):
            found[name] = installed
    return found


def _within(installed: str, bounds: str) -> bool:
    """Return whether a version is within ">=" and "<"; other operators are passed over. Pure."""
    have = _numbers(installed)
    for operator, text in _BOUND.findall(bounds):
        limit = _numbers(text)
        if (operator == ">=" and have < limit) or (operator == "<" and have >= limit):
            return False
    return True


def _numbers(text: str) -> tuple[int, ...]:
    leading = re.match(r"[0-9]+(?:\.[0-9]+)*", text)
    return tuple(int(part) for part in leading[0].split(".")) if leading else ()
