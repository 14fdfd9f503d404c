"""A real API server for tests: etcd and kube-apiserver on free ports, in a folder of their own, gone afterwards.

There is no controller manager, no scheduler and no node: what is applied is stored, admitted and watched, and nothing
acts on it. Namespaces therefore never finish deleting; tests use a new one each.
"""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from hack.apiserver import Access
from hack.certificates import Authority, Pair, signing_keys
from hack.components import AUDIT_POLICY, ApiServer, Etcd
from hack.console import Failure, tail
from hack.tools import find

T = TypeVar("T")

_START_TIMEOUT = 60.0
_STOP_TIMEOUT = 10.0
_START_ATTEMPTS = 3
_LOCALHOST = "127.0.0.1"
_ADDRESS_TAKEN = "address already in use"


class ControlPlane:
    """An API server with RBAC, its own authority and an administrator's kubeconfig; a context manager.

    The processes die with the thread that started them, so start it in one that stays (a test session's main thread).

    Arguments:
        audit: whether requests are recorded, one JSON object per line, in `audit_log`.
        program: the tool that is its API server: `kube-apiserver`, or `kube-apiserver-oldest`.

    Attributes:
        url: the address of the API server.
        kubeconfig: the administrator's kubeconfig.
        access: the same for Python: `access.call(method, path, body)`.
        audit_log: the file of the audit log.

    Raises:
        Failure: on entering, where a tool is missing or a process does not come up; with the end of its log.
    """

    def __init__(self, *, audit: bool = False, program: str = "kube-apiserver") -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="seldon-control-plane-"))
        self.kubeconfig = self.directory / "admin.kubeconfig"
        self.audit_log = self.directory / "audit.log"
        self._audit = audit
        self._program = program
        self._authority = Authority(self.directory / "pki", "ca")
        self._etcd_authority = Authority(self.directory / "etcd-pki", "ca")
        self._processes: list[subprocess.Popen[bytes]] = []
        self._command: list[str] = []

    def __enter__(self) -> Self:
        try:
            etcd = self._start_etcd()
            self.access = self._start_api_server(etcd)
            self.url = self.access.url
            self.access.write_kubeconfig(self.kubeconfig)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def pids(self) -> list[int]:
        """The process ids of etcd and of the API server."""
        return [process.pid for process in self._processes]

    def kubeconfig_for(self, user: str, groups: Sequence[str] = ()) -> Path:
        """Return a kubeconfig of a user with no rights but what RBAC gives to it and its groups.

        A service account is the user `system:serviceaccount:<namespace>:<name>` with the groups
        `system:serviceaccounts` and `system:serviceaccounts:<namespace>`.
        """
        name = re.sub(r"[^a-z0-9]+", "-", "-".join(["user", user, *groups]).lower())
        client = self._authority.issue(name, user, groups)
        access = Access(self.url, self._authority.certificate, client)
        return access.write_kubeconfig(self.directory / f"{name}.kubeconfig")

    def kill_api_server(self) -> None:
        """End the API server in the middle of whatever it does; etcd goes on."""
        process = self._processes.pop()
        process.kill()
        process.wait()

    def start_api_server_again(self) -> None:
        """Start it at the address that it had, with what is stored."""
        self._until_ready("kube-apiserver", lambda: (self._spawn("kube-apiserver", self._command), self.access.ready))

    def stop(self) -> None:
        """Stop the processes, the API server first, and remove the folder."""
        while self._processes:
            process = self._processes.pop()
            process.terminate()
            try:
                process.wait(_STOP_TIMEOUT)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)

    def _start_etcd(self) -> Etcd:
        server = self._etcd_authority.issue("server", "etcd", hosts=[_LOCALHOST])

        def start() -> tuple[Etcd, Callable[[], bool]]:
            data = self.directory / "etcd"
            shutil.rmtree(data, ignore_errors=True)
            etcd = Etcd(
                self.directory / "etcd", _LOCALHOST, _free_port(), self._etcd_authority.certificate, server, sync=False
            )
            self._spawn("etcd", etcd.command(find("etcd")))
            return etcd, lambda: _listens(etcd.port)

        return self._until_ready("etcd", start)

    def _start_api_server(self, etcd: Etcd) -> Access:
        signing, verification = signing_keys(self.directory / "pki", "service-accounts")
        etcd_client = self._etcd_authority.issue("kube-apiserver", "kube-apiserver")
        server = self._authority.issue("kube-apiserver", "kube-apiserver", hosts=[_LOCALHOST, "localhost"])
        admin = self._authority.issue("admin", "admin", ["system:masters"])

        def start() -> tuple[Access, Callable[[], bool]]:
            configuration = self._api_server(etcd, etcd_client, server, signing, verification)
            access = Access(configuration.url, self._authority.certificate, admin)
            self._command = configuration.command(find(self._program))
            self._spawn("kube-apiserver", self._command)
            return access, access.ready

        return self._until_ready("kube-apiserver", start)

    def _api_server(self, etcd: Etcd, etcd_client: Pair, server: Pair, signing: Path, verification: Path) -> ApiServer:
        extra = [
            # Default service accounts are made by the controller manager, which is not here.
            "--disable-admission-plugins=ServiceAccount",
            "--enable-admission-plugins=NodeRestriction,OwnerReferencesPermissionEnforcement",
            # Endpoints of the Service `kubernetes` may not be loopback addresses; nobody here asks for them.
            "--endpoint-reconciler-type=none",
        ]
        if self._audit:
            policy = self.directory / "audit-policy.json"
            policy.write_text(json.dumps(AUDIT_POLICY))
            extra += [
                f"--audit-policy-file={policy}",
                f"--audit-log-path={self.audit_log}",
                "--audit-log-mode=blocking",
            ]
        return ApiServer(
            etcd=etcd,
            etcd_client=etcd_client,
            address=_LOCALHOST,
            port=_free_port(),
            authority=self._authority.certificate,
            server=server,
            signing_key=signing,
            verification_key=verification,
            service_range="10.0.0.0/16",
            extra=tuple(extra),
        )

    def _spawn(self, name: str, command: list[str]) -> None:
        # A test run that is killed leaves no orphans: the kernel ends them with their parent.
        guarded = ["setpriv", "--pdeathsig", "KILL", "--", *command]
        with (self.directory / f"{name}.log").open("wb") as log:
            try:
                process = subprocess.Popen(guarded, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
            except OSError as error:
                raise Failure(f"cannot run setpriv: {error.strerror}; install util-linux") from None
        self._processes.append(process)

    def _until_ready(self, name: str, start: Callable[[], tuple[T, Callable[[], bool]]]) -> T:
        """Start a process until it is ready; again on other ports if somebody took its port in between."""
        log = self.directory / f"{name}.log"
        for _ in range(_START_ATTEMPTS):
            started, ready = start()
            process = self._processes[-1]
            deadline = time.monotonic() + _START_TIMEOUT
            while time.monotonic() < deadline and process.poll() is None:
                if ready():
                    return started
                time.sleep(0.05)
            if process.poll() is None:
                raise Failure(f"{name} was not ready within {_START_TIMEOUT:.0f} s\n{tail(log)}")
            self._processes.pop()
            if _ADDRESS_TAKEN not in log.read_text(errors="replace"):
                break
        raise Failure(f"{name} ended with exit code {process.returncode}\n{tail(log)}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((_LOCALHOST, 0))
        port: int = probe.getsockname()[1]
        return port


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((_LOCALHOST, port)) == 0
