"""The rulebook as people check it: matrix, coverage, vectors, differences. Pure."""
