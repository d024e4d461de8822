"""The witnesses that the configuration names, to check their signatures with. Reads the disk."""

from collections.abc import Sequence

from gateway.config import Config
from gateway.disclosure_log.note import NoteVerifier
from gateway.disclosure_log.problem import LogProblem
from gateway.disclosure_log.trust_policy import TrustPolicy


def trust_policy(config: Config) -> TrustPolicy | None:
    """Return whose word is enough; None where none is configured, or it cannot be read."""
    section = config.witness
    if section is None:
        return None
    try:
        return TrustPolicy.parse(config.path(section.policy).read_bytes())
    except (OSError, LogProblem):
        return None


def witness_keys(config: Config) -> Sequence[NoteVerifier]:
    """Return the keys of the witnesses."""
    policy = trust_policy(config)
    return () if policy is None else tuple(one.key for one in policy.witnesses)
