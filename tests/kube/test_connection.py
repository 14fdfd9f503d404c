"""Which API server is used, and what is said when none can be."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hack.certificates import Authority
from seldon_core.kube.connection import connect
from seldon_core.kube.errors import ConfigurationError


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


def kubeconfig(path: Path, cluster: dict[str, Any], user: dict[str, Any] | None = None) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    config = {
        "clusters": [{"name": "c", "cluster": cluster}],
        "users": [{"name": "u", "user": user or {}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    path.write_text(json.dumps(config))
    return str(path)


async def test_the_given_file_comes_before_the_environment_and_the_home_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = kubeconfig(tmp_path / "home/.kube/config", {"server": "https://home:1/"})
    environment = kubeconfig(tmp_path / "environment", {"server": "https://environment:1/"})
    given = kubeconfig(tmp_path / "given", {"server": "https://given:1/"})
    assert (await connect()).url == "https://home:1"
    monkeypatch.setenv("KUBECONFIG", f"/nowhere:{environment}:{home}")
    assert (await connect()).url == "https://environment:1"
    assert (await connect(given)).url == "https://given:1"


async def test_a_pod_uses_its_service_account_and_reads_the_token_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token, authority = tmp_path / "token", Authority(tmp_path / "pki", "ca").certificate
    token.write_text("first\n")
    (tmp_path / "ca.crt").write_text(authority.read_text())
    monkeypatch.setattr("seldon_core.kube.connection.SERVICE_ACCOUNT", tmp_path)
    monkeypatch.delenv("KUBECONFIG", raising=False)
    now = 1000.0
    monkeypatch.setattr("seldon_core.kube.connection.time.monotonic", lambda: now)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "fd00::1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    connection = await connect()
    assert connection.url == "https://[fd00::1]:443"
    assert await connection.authorization() == "Bearer first"

    token.write_text("second\n")
    now += 59
    assert await connection.authorization() == "Bearer first"
    now += 1
    assert await connection.authorization() == "Bearer second"
    now += 60
    token.write_text("")
    with pytest.raises(ConfigurationError, match="token is empty"):
        await connection.authorization()
    token.unlink()
    with pytest.raises(ConfigurationError, match="service account's token"):
        await connection.authorization()


async def test_a_pod_without_its_authority_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "token").write_text("t")
    monkeypatch.setattr("seldon_core.kube.connection.SERVICE_ACCOUNT", tmp_path)
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    with pytest.raises(ConfigurationError, match="the service account: cannot use its certificates"):
        await connect()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(None, "no such kubeconfig file; set KUBECONFIG", id="missing"),
        pytest.param("{", "file: ", id="not YAML"),
        pytest.param("[]", "file: ", id="a list"),
        pytest.param("clusters: []", "file: .*current-context", id="empty"),
        pytest.param(
            json.dumps({"current-context": "x", "contexts": [], "clusters": [], "users": []}),
            "file: .*name x in",
            id="no such context",
        ),
    ],
)
async def test_an_unusable_file_is_named(tmp_path: Path, content: str | None, message: str) -> None:
    path = tmp_path / "file"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ConfigurationError, match=message):
        await connect(str(path))


@pytest.mark.parametrize(
    ("cluster", "user", "message"),
    [
        pytest.param({"server": "127.0.0.1:6443"}, {}, "must begin with https://", id="no scheme"),
        pytest.param(
            {"server": "https://h", "certificate-authority-data": "bm90IFBFTQ=="}, {}, "its certificates", id="not PEM"
        ),
        pytest.param({"server": "https://h", "certificate-authority-data": "%"}, {}, "file: ", id="not base64"),
        pytest.param({"server": "https://h"}, {"client-certificate": "/nowhere"}, "/nowhere", id="no certificate"),
    ],
)
async def test_unusable_contents_are_named(
    tmp_path: Path, cluster: dict[str, Any], user: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        await connect(kubeconfig(tmp_path / "file", cluster, user))


def test_importing_the_client_does_not_import_the_heavy_package() -> None:
    program = "import sys, seldon_core.kube.lease, seldon_core.kube.cache; sys.exit('kubernetes' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
