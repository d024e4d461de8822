"""The log nobody can rewrite: Merkle tree, checkpoints, entries, proofs and their checks."""
