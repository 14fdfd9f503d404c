"""The `seldon-core` command: the same rules and plans as in the cluster, from a shell."""

from .main import main

__all__ = ["main"]
