"""The pages of the console: each module one group, with `routes(own)`."""
