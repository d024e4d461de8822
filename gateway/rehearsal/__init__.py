"""Deciding without disclosing: one event beforehand, stored events again. Sends nothing."""
