"""Asking an API server with the standard library alone: readiness, and the few objects that hack/ makes."""

from __future__ import annotations

import base64
import http.client
import json
import ssl
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hack.cache import write_if_changed
from hack.certificates import Pair

_TIMEOUT = 30


@dataclass(frozen=True)
class Access:
    """How to reach an API server: its address, its authority, and a client certificate."""

    url: str
    authority: Path
    client: Pair

    def write_kubeconfig(self, path: Path) -> Path:
        """Write a kubeconfig with the certificates inside, and return its path."""
        write_if_changed(path, json.dumps(kubeconfig(self), indent=2), mode=0o600)
        return path

    def call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> tuple[int, Any]:
        """Send one request and return the status and the answer, decoded where it is JSON.

        Arguments:
            method: the HTTP method; PATCH applies the body server-side.
            path: the path, with its query.
            body: the object to send.

        Raises:
            OSError: no connection, or it broke.
        """
        context = ssl.create_default_context(cafile=str(self.authority))
        context.load_cert_chain(self.client.certificate, self.client.key)
        host = urllib.parse.urlsplit(self.url)
        connection = http.client.HTTPSConnection(host.hostname or "", host.port, context=context, timeout=_TIMEOUT)
        kind = "application/apply-patch+yaml" if method == "PATCH" else "application/json"
        try:
            content = json.dumps(body).encode() if body is not None else None
            connection.request(method, path, content, {"Content-Type": kind, "Accept": "application/json"})
            response = connection.getresponse()
            return response.status, _decoded(response)
        except http.client.HTTPException as error:
            raise ConnectionError(f"{self.url}: {error!r}") from error
        finally:
            connection.close()

    def ready(self) -> bool:
        """Return whether the API server answers and says that it is ready."""
        try:
            return self.call("GET", "/readyz")[0] == http.client.OK
        except OSError:
            return False


def _decoded(response: http.client.HTTPResponse) -> Any:
    content = response.read()
    if "json" in (response.getheader("Content-Type") or ""):
        return json.loads(content)
    return content.decode(errors="replace")


def kubeconfig(access: Access) -> dict[str, Any]:
    """Return a kubeconfig for an API server, with the certificates inside."""
    cluster = {"server": access.url, "certificate-authority-data": _inline(access.authority)}
    user = {
        "client-certificate-data": _inline(access.client.certificate),
        "client-key-data": _inline(access.client.key),
    }
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "local", "cluster": cluster}],
        "users": [{"name": "local", "user": user}],
        "contexts": [{"name": "local", "context": {"cluster": "local", "user": "local"}}],
        "current-context": "local",
    }


def _inline(file: Path) -> str:
    return base64.b64encode(file.read_bytes()).decode()
