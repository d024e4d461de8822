"""What can be wrong with a log, a proof or a key: one family, each with a stable `code`.

Messages are the code alone: they never quote an entry, a key, a path or an address.
"""


class LogProblem(Exception):
    """Something about a log does not add up. `code` is stable and safe to print."""

    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__(code)


class BadProof(LogProblem):
    """An inclusion or consistency proof is malformed or does not hold."""


class BadCheckpoint(LogProblem):
    """A signed note is malformed, unsigned by a known key, or wrongly signed."""


class BadKey(LogProblem):
    """The text is not the text form of an Ed25519 note key."""


class LogCorrupt(LogProblem):
    """What is stored of our own log cannot be a log: stop disclosing and raise the alarm."""


class CannotRead(LogProblem):
    """The log could not be read, so nothing can be said about it either way."""
