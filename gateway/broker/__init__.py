"""The Broker port and the engines behind it."""
