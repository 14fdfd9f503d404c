"""The container images: built from ordinary Dockerfiles with Docker, buildah or podman, and loaded into the cluster.

An image is built again only when something that goes into it changed; nothing of the machine stays inside.
"""
