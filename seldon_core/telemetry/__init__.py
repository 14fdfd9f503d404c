"""Metrics that cost next to nothing on the hot path, shared by engine and microservice.

Counting happens on plain integers; rendering for Prometheus happens when somebody scrapes.
"""
