"""Keys and certificates for control planes of one test or one machine, made by the openssl program."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hack.console import capture

_DAYS = "3650"
_NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
# Said here in full, so that a distribution's own openssl.cnf adds nothing.
_CONFIG = "[req]\ndistinguished_name = dn\n[dn]\n"


@dataclass(frozen=True)
class Pair:
    """The files of a certificate and its key."""

    certificate: Path
    key: Path


class Authority:
    """A certificate authority in a folder; made when the folder has none yet.

    Arguments:
        directory: where its files and those of the certificates it issues live.
        name: its common name and the name of its files.
    """

    def __init__(self, directory: Path, name: str) -> None:
        self.directory = directory
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._pair = _pair(directory, name)
        if not self._pair.certificate.exists():
            extensions = ("basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign,cRLSign")
            _certify(self._pair, subject(name), extensions, signer=None)

    @property
    def certificate(self) -> Path:
        """The file of the authority's own certificate."""
        return self._pair.certificate

    def issue(self, name: str, user: str, groups: Sequence[str] = (), *, hosts: Sequence[str] = ()) -> Pair:
        """Return a certificate for clients, and for a server where hosts are given; kept until asked for otherwise.

        Arguments:
            name: the name of the files.
            user: the common name; to Kubernetes, the user.
            groups: the organizations; to Kubernetes, the user's groups.
            hosts: the DNS names and IP addresses that the server is reached by.
        """
        pair = _pair(self.directory, name)
        usage = "clientAuth,serverAuth" if hosts else "clientAuth"
        extensions = ["basicConstraints=critical,CA:FALSE", f"extendedKeyUsage={usage}"]
        if hosts:
            extensions.append(f"subjectAltName={alternative_names(hosts)}")
        # What was asked for lies beside the certificate: asked for something else, it is made anew.
        request = "\n".join([subject(user, groups), *extensions])
        asked = pair.certificate.with_suffix(".request")
        if not pair.certificate.exists() or not asked.exists() or asked.read_text() != request:
            pair.certificate.unlink(missing_ok=True)
            asked.write_text(request)
            _certify(pair, subject(user, groups), extensions, signer=self._pair)
        return pair


def signing_keys(directory: Path, name: str) -> tuple[Path, Path]:
    """Return the private and the public key that service-account tokens are signed with; made once."""
    private, public = directory / f"{name}.key", directory / f"{name}.pub"
    if not public.exists():
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        curve = ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")
        capture(["openssl", "genpkey", *curve, "-out", private])
        private.chmod(0o600)
        capture(["openssl", "pkey", "-in", private, "-pubout", "-out", public])
    return private, public


def subject(user: str, groups: Sequence[str] = ()) -> str:
    """Return a subject as openssl's -subj takes it, with the characters escaped that have a meaning there."""
    return "".join(f"/{field}={_escape(value)}" for field, value in [*(("O", group) for group in groups), ("CN", user)])


def alternative_names(hosts: Sequence[str]) -> str:
    """Return hosts as openssl's subjectAltName takes them: addresses and names are told apart."""
    return ",".join(f"{'IP' if _is_address(host) else 'DNS'}:{host}" for host in hosts)


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace("/", "\\/").replace("+", "\\+")


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _pair(directory: Path, name: str) -> Pair:
    return Pair(directory / f"{name}.crt", directory / f"{name}.key")


def _certify(pair: Pair, subject_name: str, extensions: Sequence[str], signer: Pair | None) -> None:
    signed_by = ("-CA", signer.certificate, "-CAkey", signer.key) if signer else ()
    added = [part for extension in extensions for part in ("-addext", extension)]
    # The certificate appears last and complete: its presence means that the pair is usable.
    partial = pair.certificate.with_suffix(".partial")
    request = [
        "openssl",
        "req",
        "-x509",
        "-config",
        "/dev/stdin",
        *_NEW_KEY,
        "-days",
        _DAYS,
        "-subj",
        subject_name,
    ]
    capture([*request, *signed_by, *added, "-keyout", pair.key, "-out", partial], stdin=_CONFIG)
    pair.key.chmod(0o600)
    partial.rename(pair.certificate)
