"""SQLite: schema and migrations, history, registry, commands, broker state."""
