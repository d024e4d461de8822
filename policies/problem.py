"""What is wrong with a rulebook: a stable code, and where to look."""


class BadRulebook(Exception):
    """These texts are not a rulebook to decide by; the one in force stays in force.

    Carries words of the rulebook only: no person's facts exist where this is raised.
    """

    def __init__(self, code: str, *, file: str, position: str = "", reason: str = "") -> None:
        self.code = code  # stable, for programs: "annotation-missing", "rule-id-twice", ...
        self.file = file  # relative name, as given to the loader
        self.position = position  # "rule police-release", "line 3", or empty
        self.reason = reason
        super().__init__(": ".join(part for part in (file, position, code, reason) if part))
