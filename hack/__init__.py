"""Tools for working on the project: the local cluster, image builds, code generation, pinned tools.

Nothing here ships; standard library only, so that it runs before anything is installed.
"""
