"""What can be wrong with a key, a sealed message or a signature. Texts never hold a value."""


class KeyProblem(Exception):
    """Base of everything this package raises on purpose. `code` is stable, for programs."""

    def __init__(self, code: str, text: str) -> None:
        self.code = code
        self.text = text
        super().__init__(code, text)

    def __str__(self) -> str:
        return self.text


class BadKey(KeyProblem):
    """The key cannot be parsed, is too weak, out of its time, or not meant for this use."""


class CannotSeal(KeyProblem):
    """The key is sound but this content cannot be sealed to it: too long, or no mail signer."""


class CannotOpen(KeyProblem):
    """Not for this key, tampered with, or not a format this package reads.

    ``undecryptable`` covers wrong key and tampering alike: telling them apart would be an oracle.
    """


class BadSignature(KeyProblem):
    """A webhook request that is not proven: ``id``, ``timestamp``, ``stale`` or ``no-match``."""
