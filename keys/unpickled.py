"""What holds a key in memory is never written out by accident."""


class NeverPickled:
    """Refuses to be pickled or copied: a key leaves its object only by the ways it names."""

    __slots__ = ()

    def __reduce__(self) -> str:
        raise TypeError("a key is not to be pickled")
