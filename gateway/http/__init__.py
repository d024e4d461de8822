"""aiohttp routes, one file per audience."""
