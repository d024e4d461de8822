"""The path: receive, decide, disclose, deliver, audit. Alone may import its siblings."""
