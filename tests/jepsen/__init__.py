"""A recorder and a checker after Jepsen's manner: histories of real processes under real faults."""
