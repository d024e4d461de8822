"""The section `[pick_up]` of the configuration: how long links and challenges last."""

from typing import Annotated

from pydantic import Field

from gateway.config.section import Section


class PickUpConfig(Section):
    """What recipients meet at the pages where they read and answer alerts. Times in seconds."""

    expires_s: Annotated[int, Field(ge=60, le=31 * 86400)] = 7 * 86400  # of a link, since it left
    wrong_after_s: Annotated[float, Field(ge=0.05, le=5)] = 0.5  # no wrong answer comes sooner
    challenge_s: Annotated[int, Field(ge=30, le=3600)] = 600  # of a page's passkey button
