"""The annual MAPPA tables, counted from the event store. Only counts leave; no record does."""
