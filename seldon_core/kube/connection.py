"""Where the API server is and who we are to it.

Reading kubeconfig files and service accounts is left to the `kubernetes` package. It is heavy (0.2 s and
22 MiB on top of aiohttp), so it is imported only when a connection is made.
"""

import os
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from seldon_core.kube.errors import ConfigurationError

if TYPE_CHECKING:
    from kubernetes.aio.client import Configuration

_SERVICE_ACCOUNT_TOKEN = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")


@dataclass(frozen=True)
class Connection:
    """The address of an API server and the means to be recognised by it.

    Attributes:
        url: scheme, host and port, and a path prefix where there is one; no trailing slash.
        ssl: trusted authorities and, where the kubeconfig has one, the client certificate.
        server_hostname: the name to expect in the server's certificate where it is not the URL's host.
        proxy: the kubeconfig's own ``proxy-url``; proxy variables of the environment never count.
    """

    url: str
    ssl: ssl.SSLContext
    server_hostname: str | None
    proxy: str | None
    _configuration: "Configuration"

    async def authorization(self) -> str | None:
        """Return the Authorization header, or None; a service account's token is re-read each minute.

        Raises:
            ConfigurationError: the token file is gone or empty.
        """
        from kubernetes.aio.config import ConfigException

        try:
            token = await self._configuration.get_api_key_with_prefix("BearerToken")
        except (ConfigException, OSError) as error:
            raise ConfigurationError(f"cannot read the service account's token: {error}") from error
        return token.strip() if token else None


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
    source = path or "the service account"
    configuration = await _load(path)
    if not configuration.host.startswith(("https://", "http://")):
        raise ConfigurationError(f"{source}: server: {configuration.host!r}: must begin with https:// or http://")
    try:
        context = _tls(configuration)
    except OSError as error:
        raise ConfigurationError(f"{source}: cannot use its certificates: {error}") from error
    return Connection(
        url=configuration.host.rstrip("/"),
        ssl=context,
        server_hostname=configuration.tls_server_name,
        proxy=configuration.proxy,
        _configuration=configuration,
    )


def _kubeconfig_path(given: str | None) -> str | None:
    """Return the kubeconfig to read, or None to use the service account of this pod."""
    path = given or os.environ.get("KUBECONFIG")
    if not path:
        if os.environ.get("KUBERNETES_SERVICE_HOST") and _SERVICE_ACCOUNT_TOKEN.exists():
            return None
        path = str(Path.home() / ".kube" / "config")
    if not any(Path(part).expanduser().is_file() for part in path.split(":") if part):
        raise ConfigurationError(
            f"{path}: no such kubeconfig file; set KUBECONFIG to one, or run in a pod with a service account"
        )
    return path


async def _load(path: str | None) -> "Configuration":
    """Read the kubeconfig at `path`, or with None the service account of this pod."""
    import yaml
    from kubernetes.aio.client import Configuration
    from kubernetes.aio.config import ConfigException, load_incluster_config, load_kube_config

    configuration = Configuration()
    try:
        if path is None:
            load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
        else:
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
        raise ConfigurationError(f"{path or 'the service account'}: cannot be used: {error}") from error
    return configuration


def _tls(configuration: "Configuration") -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=configuration.ssl_ca_cert)
    # Python 3.13 turns strict RFC 5280 checks on, which many a cluster's own CA does not pass.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if configuration.cert_file:
        context.load_cert_chain(configuration.cert_file, configuration.key_file)
    if not configuration.verify_ssl:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
