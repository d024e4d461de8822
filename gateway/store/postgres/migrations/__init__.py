"""The numbered steps of PostgreSQL's schema, run by Alembic; SQL, no mapped classes."""
