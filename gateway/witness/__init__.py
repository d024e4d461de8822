"""A witness: a small process of any agency's own, that cosigns a log only while it grows.

It holds sizes and hashes of logs, and knows nothing of what their entries say. It stands on
`gateway.disclosure_log` alone: no store, no rules, no adapters.

Source: c2sp.org/tlog-witness.
"""
