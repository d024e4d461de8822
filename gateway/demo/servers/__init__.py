"""Real servers on loopback for the demonstration and the tests: mail, webhooks, texts.

They speak the real protocols over real TLS and refuse what the real ones refuse. They keep what
they receive in memory, for reading back; nothing is written to disk but certificates asked for.
Each is an async context manager, listening on a free port of 127.0.0.1 while entered.
"""
