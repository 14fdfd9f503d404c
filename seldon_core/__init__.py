"""Seldon Core: inference graphs of machine-learning models on Kubernetes.

The library behind the admission webhook, the controller, the engine and the microservice wrapper.
"""

__version__ = "0.1.0"
