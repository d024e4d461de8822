"""The gateway beside other people's programs, on the same work, in one run."""
