"""Where events are fetched rather than posted; what is fetched goes to receive like any other."""
