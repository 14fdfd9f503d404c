"""Asynchronous access to the Kubernetes API server: typed errors, watch, cache, server-side apply.

Of SeldonDeployments it knows no more than the resource's name; what to write is decided in the rooms above.
"""
