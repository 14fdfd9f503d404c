"""Tools for working on the project: the local cluster, image builds, code generation, pinned tools.

Nothing here ships. Standard library only, so that it runs before anything is installed; only the generation of the CRD
uses the library, whose types it reads.
"""
