"""Asynchronous access to the Kubernetes API server: typed errors, watch, cache, server-side apply.

Knows nothing of SeldonDeployments; deciding what to write is the business of the rooms above.
"""
