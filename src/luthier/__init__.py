"""Luthier: from a team's own data to a language model it can trust in production."""

__version__ = "0.1.0"
