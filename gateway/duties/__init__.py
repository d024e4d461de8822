"""What is owed by when, what was done, and who is chased."""
