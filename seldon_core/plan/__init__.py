"""From a SeldonDeployment to the Kubernetes objects that serve it, one module per kind of object.

Pure: what is planned depends on the arguments alone, and nothing here talks to a cluster.
"""
