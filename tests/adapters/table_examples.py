"""The worked mappings of the documentation, as adapters.

``python -m tests.adapters.examples tests.adapters.table_examples`` writes their golden files anew.
"""

from dataclasses import replace

from adapters.table import TableMapping, read_mapping, table_adapter
from tests.adapters.examples import FOLDER

HOUSING: TableMapping = read_mapping(
    (FOLDER / "table" / "supported_housing.toml").read_text("utf-8")
)
# Under the name its examples are kept by; ids and file names keep the mapping's own.
ADAPTER = replace(table_adapter(HOUSING), name="table")
