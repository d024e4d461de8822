"""Agency formats: bytes to canonical CloudEvents and back. Pure: no I/O, clock, keys or rules."""
