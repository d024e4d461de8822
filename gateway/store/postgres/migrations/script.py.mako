"""${message}."""

from alembic import op

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}


def upgrade() -> None:
    """Expand, migrate or contract; see `gateway.store.postgres`."""
    op.execute("")
