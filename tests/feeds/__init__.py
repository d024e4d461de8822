"""Feeds against real sources: a queue server, an HL7 client, files in a folder."""
