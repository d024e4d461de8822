"""`policy adopt`: propose that the configured rulebook is put in force."""

from pathlib import Path

from gateway.cli.approvals import approving, say_proposed
from gateway.cli.beside import commit, opened, staff
from gateway.cli.exits import NO, Trouble
from gateway.config import load_config
from gateway.store import rulebooks


def adopt(config_file: Path, *, by: str, as_json: bool) -> int:
    """Propose the configured rulebook.

    Raises:
        Trouble: it is in force already, or the instance takes what is configured.
        BadRulebook: it does not hold together.
    """
    config = load_config(config_file)
    if config.policy.adoption != "two-person":
        raise Trouble(
            'this instance decides by what is configured; `[policy] adoption = "two-person"` asks'
            " for two persons",
            NO,
        )
    digest, unit = approving(config).propose_rulebook(by=staff(by))
    with opened(config) as connection:
        current = rulebooks.in_force(connection)
    if digest == current:
        raise Trouble("the configured rulebook is in force already", NO)
    return say_proposed(commit(config, unit), f"rulebook {digest}", as_json=as_json)
