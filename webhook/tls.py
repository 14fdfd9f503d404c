"""TLS as it is served: the settings, and putting another certificate into them while they are in use."""

import os
import ssl

from webhook.certificates import Leaf


def server_context() -> ssl.SSLContext:
    """Return the TLS settings that are served with, still without a certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context


def load(context: ssl.SSLContext, leaf: Leaf) -> None:
    """Make `context` use another certificate for the connections to come.

    An SSLContext loads keys from files only, so this one is a file in memory that nobody else can open.
    """
    with os.fdopen(os.memfd_create("certificate", os.MFD_CLOEXEC), "wb") as file:
        file.write(leaf.pem())
        file.flush()
        context.load_cert_chain(f"/proc/self/fd/{file.fileno()}")
