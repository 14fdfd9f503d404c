"""The messages of the inference protocols: parse, merge, convert.

Pure functions over bytes and arrays, shared by engine, microservice and client; no I/O.
"""
