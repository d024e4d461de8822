"""Which carrier of texts goes first: the configured one, unless its texts arrive late or fail.

Judged by the share of a carrier's last texts that were slow: no receipt within `prompt_s`, or
refused by the carrier for itself. Texts older than `window_s` no longer count, so a carrier that
was passed over is tried again in time. GOV.UK Notify lowers a carrier of its own by such a rule.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Final

from gateway.model.ids import AlertId

_NEVER: Final = float("inf")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """When a carrier counts as slow."""

    prompt_s: float = 300  # a receipt within this is prompt
    last: int = 20  # texts looked at
    at_least: int = 5  # fewer settle nothing
    slow_share: float = 0.3  # of the texts looked at
    window_s: float = 1800  # since they were handed over

    def __post_init__(self) -> None:
        """Check that the numbers make a rule.

        Raises:
            ValueError: they do not.
        """
        if not 1 <= self.at_least <= self.last or not 0 < self.slow_share <= 1:
            raise ValueError("failover: 1 <= at_least <= last, 0 < slow_share <= 1")
        if not 0 < self.prompt_s < self.window_s:
            raise ValueError("failover: prompt_s must be shorter than window_s")


@dataclass(slots=True)
class _Sample:
    alert: AlertId | None  # None: settled when it was made
    at: float
    heard_at: float


class Promptness:
    """Remembers a few texts of each carrier and puts the carriers in order. Reads no clock."""

    def __init__(self, providers: Iterable[str], rule: Rule) -> None:
        """Start without a judgement on anyone.

        Args:
            providers: Names, the preferred first.
            rule: When one counts as slow.
        """
        self._rule = rule
        # Texts still within their time settle nothing yet, and must not push out those that do.
        self._samples: dict[str, deque[_Sample]] = {
            name: deque(maxlen=10 * rule.last) for name in providers
        }

    def took(self, provider: str, alert: AlertId, at: float, *, receipt_due: bool) -> None:
        """Note that a carrier took a text; without a receipt to come, that is all it can show."""
        sample = _Sample(alert=alert, at=at, heard_at=_NEVER if receipt_due else at)
        self._samples[provider].append(sample)

    def failed(self, provider: str, at: float) -> None:
        """Note that a carrier refused for itself, or did not answer."""
        self._samples[provider].append(_Sample(alert=None, at=at, heard_at=_NEVER))

    def heard(self, alert: AlertId, at: float) -> None:
        """Note a receipt, of whatever content: the carrier's way back works. Repeats are nothing.

        An alert whose text no carrier is remembered for changes nothing.
        """
        for samples in self._samples.values():
            for sample in samples:
                if sample.alert == alert:
                    sample.heard_at = min(sample.heard_at, at)

    def slow(self, provider: str, at: float) -> bool:
        """Return whether a carrier counts as slow now. Pure."""
        rule = self._rule
        recent = (one for one in reversed(self._samples[provider]) if one.at > at - rule.window_s)
        verdicts = (_was_slow(one, at, rule.prompt_s) for one in recent)
        settled = list(islice((each for each in verdicts if each is not None), rule.last))
        return len(settled) >= rule.at_least and sum(settled) >= rule.slow_share * len(settled)

    def order(self, at: float) -> tuple[str, ...]:
        """Return every carrier: those that are not slow first, each in the configured order."""
        return tuple(sorted(self._samples, key=lambda name: self.slow(name, at)))


def _was_slow(sample: _Sample, at: float, prompt_s: float) -> bool | None:
    """Return whether a text was slow, or None while it may still be prompt."""
    if sample.heard_at != _NEVER:
        return sample.heard_at - sample.at > prompt_s
    if sample.alert is not None and at - sample.at <= prompt_s:
        return None
    return True
