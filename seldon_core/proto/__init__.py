"""The protobuf messages of the inference protocols, built by `make generate` from the sources in proto/.

Nothing here is edited by hand but the few lines that load what was built; no I/O, no meaning.
"""
