"""Where the API server is and who we are to it.

Reading kubeconfig files is left to the `kubernetes` package. It is heavy (0.2 s and 22 MiB on top of aiohttp), so it is
imported only where there is one to read: not in a pod, whose service account is two files and two variables.
"""

import os
import ssl
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from seldon_core.kube.errors import ConfigurationError

if TYPE_CHECKING:
    from kubernetes.aio.client import Configuration

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
# The kubelet renews a token long before it expires.
_TOKEN_SECONDS = 60.0


@dataclass(frozen=True)
class Connection:
    """The address of an API server and the means to be recognised by it.

    Attributes:
        url: scheme, host and port, and a path prefix where there is one; no trailing slash.
        ssl: trusted authorities and, where the kubeconfig has one, the client certificate.
        server_hostname: the name to expect in the server's certificate where it is not the URL's host.
        proxy: the kubeconfig's own ``proxy-url``; proxy variables of the environment never count.
        authorization: returns the Authorization header, or None; a service account's token is re-read each minute.
            Raises ConfigurationError where its file is gone or empty.
    """

    url: str
    ssl: ssl.SSLContext
    server_hostname: str | None
    proxy: str | None
    authorization: Callable[[], Awaitable[str | None]]


async def connect(kubeconfig: str | None = None) -> Connection:
    """Find the API server and the credentials for it.

    Looked at in this order: the file given, ``$KUBECONFIG``, the service account of this pod,
    ``~/.kube/config``.

    Args:
        kubeconfig: path of a kubeconfig file, or of several separated by colons.

    Raises:
        ConfigurationError: there is none, or it cannot be used; the message says which file and why.
    """
    path = _kubeconfig_path(kubeconfig)
    if path is None:
        return _in_pod()
    configuration = await _load(path)
    if not configuration.host.startswith(("https://", "http://")):
        raise ConfigurationError(f"{path}: server: {configuration.host!r}: must begin with https:// or http://")

    async def authorization() -> str | None:
        token = await configuration.get_api_key_with_prefix("BearerToken")
        return token.strip() if token else None

    return Connection(
        url=configuration.host.rstrip("/"),
        ssl=_tls(path, configuration.ssl_ca_cert, configuration),
        server_hostname=configuration.tls_server_name,
        proxy=configuration.proxy,
        authorization=authorization,
    )


def _in_pod() -> Connection:
    """Return the connection of this pod's service account."""
    host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ.get("KUBERNETES_SERVICE_PORT") or "443"
    token = _Token(SERVICE_ACCOUNT / "token")

    async def authorization() -> str | None:
        return f"Bearer {token.read()}"

    token.read()
    return Connection(
        url=f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}",
        ssl=_tls("the service account", str(SERVICE_ACCOUNT / "ca.crt")),
        server_hostname=None,
        proxy=None,
        authorization=authorization,
    )


class _Token:
    """A token that is written anew from time to time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._value = ""
        self.read_at = 0.0

    def read(self) -> str:
        """Return the token.

        Raises:
            ConfigurationError: its file is gone or empty.
        """
        if not self._value or time.monotonic() - self.read_at >= _TOKEN_SECONDS:
            try:
                value = self._path.read_text().strip()
            except OSError as error:
                raise ConfigurationError(f"cannot read the service account's token: {error}") from error
            if not value:
                raise ConfigurationError(f"cannot read the service account's token: {self._path} is empty")
            self._value, self.read_at = value, time.monotonic()
        return self._value


def _kubeconfig_path(given: str | None) -> str | None:
    """Return the kubeconfig to read, or None to use the service account of this pod."""
    path = given or os.environ.get("KUBECONFIG")
    if not path:
        if os.environ.get("KUBERNETES_SERVICE_HOST") and (SERVICE_ACCOUNT / "token").exists():
            return None
        path = str(Path.home() / ".kube" / "config")
    if not any(Path(part).expanduser().is_file() for part in path.split(":") if part):
        raise ConfigurationError(
            f"{path}: no such kubeconfig file; set KUBECONFIG to one, or run in a pod with a service account"
        )
    return path


async def _load(path: str) -> "Configuration":
    """Read the kubeconfig at `path`."""
    import yaml
    from kubernetes.aio.client import Configuration
    from kubernetes.aio.config import ConfigException, load_kube_config

    configuration = Configuration()
    try:
        await load_kube_config(  # type: ignore[no-untyped-call]
            config_file=path, client_configuration=configuration, persist_config=False
        )
    except (
        ConfigException,
        OSError,
        yaml.YAMLError,
        ValueError,
        TypeError,
        AttributeError,
        KeyError,
    ) as error:
        # The last four are how the package reports a file whose structure it does not expect.
        raise ConfigurationError(f"{path}: cannot be used: {error}") from error
    return configuration


def _tls(source: str, authorities: str | None, configuration: "Configuration | None" = None) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=authorities)
        if configuration is not None and configuration.cert_file:
            context.load_cert_chain(configuration.cert_file, configuration.key_file)
    except OSError as error:
        raise ConfigurationError(f"{source}: cannot use its certificates: {error}") from error
    # Python 3.13 turns strict RFC 5280 checks on, which many a cluster's own CA does not pass.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if configuration is not None and not configuration.verify_ssl:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
