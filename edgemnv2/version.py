"""The version; pyproject.toml reads it from here, and everything else."""

__all__ = ["__version__"]

__version__ = "0.1.0"
