"""Where key-encryption keys live. The only part of this package that touches disk or network."""
