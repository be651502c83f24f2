"""HTTP under /api/v1: JSON in, JSON out, problem+json where something is wrong."""
