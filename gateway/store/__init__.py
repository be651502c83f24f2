"""What the gateway keeps: facts to write, questions to ask, and the stores that do it."""
