"""Email, webhook and SMS. They see ciphertext and an address; no rule, no key, no plaintext."""
