"""The reference page of the HMPPS catalogue: ``python -m tests.adapters.hmpps_reference`` writes
it anew."""

from pathlib import Path
from typing import Final

from adapters.hmpps_domain_events.reference import page

PAGE: Final = Path(__file__).parents[2] / "docs" / "reference" / "hmpps.md"

if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
