"""The questions a data protection officer asks of the log, each answered with its evidence."""
