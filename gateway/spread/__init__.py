"""Spread: Redis, between processes and hosts. Ids and numbers only, and all of it may be lost.

Nothing is decided from what is here: SQL is the truth, a sweep puts the rest back, and with Redis
away every process goes on by looking for itself, within its own share of each limit.
"""
