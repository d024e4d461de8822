"""The whole story on real loopback servers."""
