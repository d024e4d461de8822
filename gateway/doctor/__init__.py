"""The examination of one instance, beside a gateway that may be serving it. Changes nothing."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from gateway.doctor import (
    certificates,
    clocks,
    configuration,
    disk,
    feeds,
    law,
    log,
    outbound,
    own_keys,
    permissions,
    recipients,
    store,
    versions,
    work,
)
from gateway.doctor.asked import Asked, Examine
from gateway.doctor.finding import Finding, Verdict, unknown

__all__ = ["GROUPS", "Finding", "Verdict", "examine"]

GROUPS: tuple[tuple[str, Examine], ...] = (
    ("permissions", permissions.examine),
    ("keys", own_keys.examine),
    ("versions", versions.examine),
    ("clock", clocks.examine),
    ("tls", certificates.examine),
    ("outbound", outbound.examine),
    ("store", store.examine),
    ("disk", disk.examine),
    ("log", log.examine),
    ("law", law.examine),
    ("recipients", recipients.examine),
    ("feeds", feeds.examine),
    ("work", work.examine),
)


def examine(
    file: Path, now: datetime, *, url: str | None = None, network: bool = False, full: bool = False
) -> Iterator[Finding]:
    """Yield what is found, group by group; never raises.

    Args:
        file: The configuration.
        now: The time, by this machine's clock.
        url: The serving gateway's address: its clock is compared.
        network: Whether relays are greeted.
        full: Whether the whole log is checked, which takes a while.
    """
    config, findings = configuration.read(file)
    yield from findings
    if config is None:
        return
    asked = Asked(config=config, now=now, url=url, network=network, full=full)
    for name, group in GROUPS:
        try:
            yield from group(asked)
        except Exception as error:  # noqa: BLE001 - one that fails must not hide the others
            yield unknown(
                name,
                f"This could not be looked at: {type(error).__name__}.",
                "Report it; the other findings stand.",
            )
