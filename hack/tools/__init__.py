"""The tools that the project's commands need, each found on PATH in a version that fits or made in the cache.

Only the standard library is used: this room runs before anything is installed.
"""

from hack.tools.build import find, module_folder

__all__ = ["find", "module_folder"]
