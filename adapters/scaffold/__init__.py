"""What `throughgate adapters new` lays out: texts with `$name` and `$package`, by file name."""
