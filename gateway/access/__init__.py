"""Users, devices, tokens, keys, and one policy: who may do what."""
