"""The assignments: a configuration in; explanations, figures, numbers and a report out."""

from .config import RunConfig
from .config_file import load_config, parse_config

__all__ = ["RunConfig", "load_config", "parse_config"]
