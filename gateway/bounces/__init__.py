"""What relays report of mail they took: read from a mailbox of ours, turned into receipts.

Whoever can reach the mailbox can write into it, so every byte is hostile. Nothing is read from a
report but which alert it is about, what became of it, and a status code; nothing else is kept or
logged.
"""
