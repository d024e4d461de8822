"""What a serving process does: everything, or one half of it."""

import enum


class Role(enum.StrEnum):
    """One host does all; in the scaled form some accept, and some decide and deliver."""

    ALL = "all"
    API = "api"  # accepts events and serves pages
    DELIVER = "deliver"  # decides, delivers, escalates, chases

    @property
    def accepts(self) -> bool:
        """Whether it takes events and serves pages."""
        return self is not Role.DELIVER

    @property
    def works(self) -> bool:
        """Whether it decides and delivers."""
        return self is not Role.API
