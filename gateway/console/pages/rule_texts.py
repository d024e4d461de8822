"""The text of one rule, out of the files of the rulebook it stood in. Pure."""

import re
from collections.abc import Mapping
from typing import Final

from policies.rulebook import RULE_SUFFIX

_NEXT: Final = re.compile(r"^@id\(", re.MULTILINE)


def text_of(files: Mapping[str, str], rule: str) -> str | None:
    """Return a rule as its file has it; None if no file of the rulebook has it."""
    mark = f'@id("{rule}")'
    for name, text in files.items():
        if not name.endswith(RULE_SUFFIX):
            continue
        start = text.find(mark)
        if start >= 0:
            following = _NEXT.search(text, start + len(mark))
            return _without_comment(text[start : following.start() if following else len(text)])
    return None


def _without_comment(text: str) -> str:
    """Return a rule without the comment that introduces the next one."""
    lines = text.rstrip().split("\n")
    while lines and (not lines[-1].strip() or lines[-1].startswith("//")):
        lines.pop()
    return "\n".join(lines)
