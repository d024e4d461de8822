"""The pages a recipient meets in a browser: what they show, and their rendering. Pure."""
