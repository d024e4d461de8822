"""One SQL schema, group commit, and the outbox. The truth."""
