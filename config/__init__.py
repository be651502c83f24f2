"""The typed form of `gateway.toml`: its tables, its loading and its error messages."""

from config.complaints import ConfigError
from config.load import load
from config.model import Config
from config.reference import Key, reference

__all__ = ["Config", "ConfigError", "Key", "load", "reference"]
