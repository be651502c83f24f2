"""The typed form of `gateway.toml`: its tables, its loading and its error messages."""

from gateway.config.complaints import ConfigError, place
from gateway.config.load import load
from gateway.config.model import Config
from gateway.config.reference import Key, reference

__all__ = ["Config", "ConfigError", "Key", "load", "place", "reference"]
