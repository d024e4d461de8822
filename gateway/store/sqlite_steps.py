"""What leads an embedded database to each version of the schema from the one before it.

The same numbered steps as PostgreSQL's (`gateway.store.postgres.migrations`); a step is never
changed once it was released. `gateway.store.schema` runs them.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

# Version 4 is the first that was released.
STEPS: Final[Mapping[int, str]] = MappingProxyType({
    5: (
        "CREATE TABLE lease (shard INTEGER PRIMARY KEY, holder TEXT NOT NULL,"
        " token INTEGER NOT NULL, until INTEGER NOT NULL) STRICT"
    ),
})  # fmt: skip
