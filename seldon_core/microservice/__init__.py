"""Wraps an ordinary Python class as a component of an inference graph.

The class contract and its one data plane live here; transports only hand over messages.
"""
