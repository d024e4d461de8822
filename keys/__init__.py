"""Sealing, signing, keyrings and key-encryption-key providers. Code, never key material."""
