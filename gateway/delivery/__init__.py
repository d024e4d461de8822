"""What delivering is made of: lanes, breakers, rates, digests and what an outcome leads to."""
