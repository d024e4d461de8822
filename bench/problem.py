"""What a bench says instead of a figure."""


class NotMeasured(Exception):
    """Something did not add up, so there is no figure. The text says what."""
