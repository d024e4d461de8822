"""Golden files: what an adapter makes of its examples, kept beside them in one folder.

  NAME.in.EXT         what the agency's system sends        -> NAME.events.json, one event a line
  NAME.alert.json     what the recipient opened             -> NAME.FORM.out.EXT, in each form that
                                                               can say it

``python -m gateway.testing.golden MODULE FOLDER`` writes the right-hand side of a module's
`ADAPTER` anew: read the difference before you keep it.
"""

import json
import sys
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Final

from adapters.contract import Adapter, Rendition
from gateway.model.alert import read_alert

SOURCE: Final = "urn:example:agency"


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One input, and what is kept of what it should become."""

    given: Path
    kept: dict[str, Path]  # by form; inbound has one, named ""

    @property
    def name(self) -> str:
        """Return what its files are called before the first dot."""
        return self.given.name.partition(".")[0]


def inbound_of(folder: Path) -> list[Example]:
    """Return the examples of what is read."""
    found = []
    for given in sorted(folder.glob("*.in.*")):
        kept = folder / f"{given.name.partition('.')[0]}.events.json"
        found.append(Example(given=given, kept={"": kept} if kept.exists() else {}))
    return found


def outbound_of(folder: Path) -> list[Example]:
    """Return the examples of what is written."""
    return [
        Example(
            given=given,
            kept={
                kept.name.split(".")[1]: kept
                for kept in sorted(folder.glob(f"{given.name.partition('.')[0]}.*.out.*"))
            },
        )
        for given in sorted(folder.glob("*.alert.json"))
    ]


def events_text(adapter: Adapter, body: bytes) -> str:
    """Return what the golden file of an input holds."""
    events = adapter.translate(body, source=SOURCE).events
    lines = [json.dumps(one.to_cloudevent(), ensure_ascii=False) for one in events]
    return "\n".join(lines) + "\n"


def rendered(adapter: Adapter, alert: bytes) -> dict[str, Rendition]:
    """Return an alert in each of the adapter's forms that can say it."""
    made = {one.form: one.render(read_alert(alert)) for one in adapter.outbound}
    return {form: one for form, one in made.items() if isinstance(one, Rendition)}


def file_of(example: Example, form: str, rendition: Rendition) -> Path:
    """Return where a rendition is kept."""
    extension = rendition.file_name.rpartition(".")[2]
    return example.given.parent / f"{example.name}.{form}.out.{extension}"


def write(adapter: Adapter, folder: Path) -> list[Path]:
    """Write what the examples become, and return the files."""
    written = []
    for example in inbound_of(folder):
        path = folder / f"{example.name}.events.json"
        path.write_text(events_text(adapter, example.given.read_bytes()), "utf-8")
        written.append(path)
    for example in outbound_of(folder):
        for form, rendition in rendered(adapter, example.given.read_bytes()).items():
            path = file_of(example, form, rendition)
            path.write_bytes(rendition.body)
            written.append(path)
    return written


if __name__ == "__main__":
    module, folder = sys.argv[1:]
    write(import_module(module).ADAPTER, Path(folder))
