"""The witnesses a policy names with a URL, and how each stands with the gateway that asks it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal
from urllib.parse import urlsplit

from gateway.disclosure_log.trust_policy import TrustPolicy
from gateway.witness.ask import check_url

Trouble = Literal["behind", "forked"]

_LONGEST_REST_S: Final = 60.0


@dataclass(slots=True, kw_only=True)
class Asked:
    """One witness, and how it stands."""

    url: str
    names: frozenset[str]  # of its keys in the policy
    size: int = 0  # of what it cosigned last, as far as is known
    done: int = -1  # size of the checkpoint it cosigned last for us, verified
    code: str = "not-asked"  # what came of asking last: "cosigned", or why not
    failures: int = 0  # in a row
    rests_until: datetime | None = None
    trouble: Trouble | None = None  # what it last said of the log

    @property
    def subject(self) -> str:
        """What it goes by where operators read."""
        return urlsplit(self.url).netloc

    def is_due(self, size: int, now: datetime) -> bool:
        """Return whether it is to be asked now for a checkpoint of this size."""
        return self.done != size and (self.rests_until is None or self.rests_until <= now)

    def cosigned(self, size: int) -> None:
        """Note that it cosigned."""
        self.size = self.done = size
        self.code, self.failures, self.rests_until = "cosigned", 0, None
        self.trouble = None

    def failed(self, code: str, now: datetime, every_s: float) -> None:
        """Note why it did not, and let it rest: each time for longer, at most a minute or so."""
        self.code = code
        self.failures += 1
        rest = min(every_s * 2 ** min(self.failures - 1, 16), _LONGEST_REST_S)
        self.rests_until = now + timedelta(seconds=max(rest, every_s))


def to_ask(policy: TrustPolicy) -> list[Asked]:
    """Return the witnesses that have a URL: the keys of one URL are one witness's.

    Raises:
        BadAddress: a URL is not https, nor http to a loopback address.
    """
    named: dict[str, set[str]] = {}
    for one in policy.witnesses:
        if one.url is not None:
            named.setdefault(check_url(one.url), set()).add(one.name)
    return [Asked(url=url, names=frozenset(names)) for url, names in named.items()]
