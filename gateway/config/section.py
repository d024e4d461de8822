"""What every section of the configuration is: read strictly, and never changed."""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """One table of the file. An unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)
