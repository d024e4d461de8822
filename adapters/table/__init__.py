"""Any agency's table: CSV, lines of JSON or a workbook, read and written as a mapping file says.

There is no entry point: an instance names its mappings, and each makes an adapter of its own.
"""

from functools import partial
from typing import Final

from adapters.contract import Adapter, Inbound, Outbound, Split
from adapters.kit.framing import csv_rows, lines
from adapters.table.mapping import BadMapping, TableMapping, read_mapping
from adapters.table.reading import translate_row
from adapters.table.workbook import workbook_rows
from adapters.table.writing import MEDIA_TYPES, render_row

__all__ = ["BadMapping", "TableMapping", "read_mapping", "table_adapter"]

WORKBOOK: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


def table_adapter(mapping: TableMapping) -> Adapter:
    """Return the adapter of one table. A workbook is read, never written. Pure."""
    splits: dict[str, Split] = {"csv": csv_rows, "jsonl": lines}
    media_type = MEDIA_TYPES.get(mapping.format)
    written = (
        Outbound(form="row", media_type=media_type, render=partial(render_row, mapping))
        if media_type
        else None
    )
    return Adapter(
        name=mapping.name,
        title=mapping.title,
        inbound=Inbound(
            media_types=(media_type or WORKBOOK,),
            translate=partial(translate_row, mapping),
            split=splits.get(mapping.format) or workbook_rows(mapping.sheet),
        ),
        outbound=(written,) if written else (),
    )
