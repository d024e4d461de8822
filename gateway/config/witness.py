"""The [witness] section: who else signs for the log, and how many of them it takes."""

from pathlib import Path
from typing import Annotated

from pydantic import Field

from gateway.config.section import Section


class WitnessConfig(Section):
    """A trust policy (c2sp.org/tlog-policy) whose witnesses have URLs: they are asked."""

    policy: Path
    every_s: Annotated[float, Field(gt=0, le=3600)] = 1  # between two askings
    timeout_s: Annotated[float, Field(gt=0, le=60)] = 5
    ca_file: Path | None = None
    stale_after_s: Annotated[float, Field(gt=0)] = 600  # no quorum for so long is an incident
