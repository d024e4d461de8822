"""What must hold whatever the rules say, shown over every combination of facts. Pure."""
