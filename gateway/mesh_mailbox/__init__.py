"""One mailbox of the NHS Message Exchange for Social Care and Health (MESH)."""
