"""Every pod of the chart: its security, its place, its life, and what selects it."""

from typing import Any

import pytest

from tests.chart.pod_security import violations
from tests.chart.rendering import Helm, Object, Rendered

CONTROLLER, WEBHOOK, CHECK = "seldon-controller-manager", "seldon-webhook", "seldon-webhook-check"
PODS = (CONTROLLER, WEBHOOK, CHECK)
RESOURCE_NAMES = {"cpu", "memory"}

VARIANTS: dict[str, dict[str, Any]] = {
    "default": {},
    "image's own user": {"managerUserID": None},
    "large user id": {"managerUserID": 1000650000},
    "no limits": {
        "manager": {"cpuLimit": "", "memoryLimit": None},
        "webhook": {"cpuLimit": "", "memoryLimit": None},
    },
    "own annotations": {"manager": {"annotations": {"a": "b"}}, "webhook": {"annotations": {"a": "b"}}},
    "single namespace": {"singleNamespace": True},
    "labelled": {"commonLabels": {"team": "ml"}, "nameOverride": "ml"},
}


@pytest.fixture(scope="session", params=VARIANTS)
def rendered(request: pytest.FixtureRequest, helm: Helm) -> Rendered:
    return helm.operator(VARIANTS[request.param])


def test_the_pods_are_these(rendered: Rendered) -> None:
    assert sorted(rendered.pods()) == sorted(PODS)


@pytest.mark.parametrize("owner", PODS)
def test_pods_meet_the_restricted_standard(rendered: Rendered, owner: str) -> None:
    assert violations(rendered.pods()[owner]["spec"]) == []


@pytest.mark.parametrize("owner", PODS)
def test_containers_write_to_no_disk(rendered: Rendered, owner: str) -> None:
    assert rendered.container(owner)["securityContext"]["readOnlyRootFilesystem"] is True
    assert "volumes" not in rendered.pods()[owner]["spec"]


@pytest.mark.parametrize("owner", PODS)
def test_containers_request_cpu_and_memory(rendered: Rendered, owner: str) -> None:
    assert rendered.container(owner)["resources"]["requests"].keys() == RESOURCE_NAMES


@pytest.mark.parametrize("owner", [CONTROLLER, WEBHOOK])
def test_long_running_containers_are_probed_on_their_metrics_port(rendered: Rendered, owner: str) -> None:
    container = rendered.container(owner)
    probes = {kind: container[f"{kind}Probe"]["httpGet"] for kind in ("startup", "liveness", "readiness")}
    assert probes == {
        "startup": {"path": "/healthz", "port": "metrics"},
        "liveness": {"path": "/healthz", "port": "metrics"},
        "readiness": {"path": "/readyz", "port": "metrics"},
    }
    assert {"name": "metrics", "containerPort": 8080, "protocol": "TCP"} in container["ports"]


@pytest.mark.parametrize("owner", PODS)
def test_each_program_has_an_account_of_its_own(rendered: Rendered, owner: str) -> None:
    accounts = {owner: pod["spec"]["serviceAccountName"] for owner, pod in rendered.pods().items()}
    assert accounts == {CONTROLLER: "seldon-manager", WEBHOOK: "seldon-webhook", CHECK: "seldon-webhook-check"}
    assert rendered.pods()[owner]["spec"]["automountServiceAccountToken"] is True
    assert rendered.one("ServiceAccount", accounts[owner])["automountServiceAccountToken"] is False


@pytest.mark.parametrize(
    ("owner", "command"),
    [
        (CONTROLLER, ["python", "-m", "controller"]),
        (WEBHOOK, ["python", "-m", "webhook"]),
        (CHECK, ["python", "-m", "webhook"]),
    ],
)
def test_one_image_holds_the_programs(default: Rendered, owner: str, command: list[str]) -> None:
    container = default.container(owner)
    assert container["image"] == "docker.io/seldonio/seldon-core-operator:0.1.0"
    assert container["command"] == command


def test_the_check_is_a_hook_that_leaves_nothing_behind(default: Rendered) -> None:
    hooks = [found for found in default.objects if "helm.sh/hook" in found["metadata"].get("annotations", {})]
    assert sorted(found["kind"] for found in hooks) == ["Job", "Role", "RoleBinding", "ServiceAccount"]
    for found in hooks:
        assert found["metadata"]["name"] == CHECK
        assert found["metadata"]["annotations"]["helm.sh/hook"] == "post-install,post-upgrade"
        assert found["metadata"]["annotations"]["helm.sh/hook-delete-policy"] == "before-hook-creation,hook-succeeded"
    weights = {found["kind"]: int(found["metadata"]["annotations"]["helm.sh/hook-weight"]) for found in hooks}
    assert weights["Job"] > max(weight for kind, weight in weights.items() if kind != "Job")


def test_the_check_tries_by_itself_and_is_not_repeated(default: Rendered) -> None:
    job = default.one("Job", CHECK)
    assert default.container(CHECK)["args"][0] == "check"
    assert job["spec"]["backoffLimit"] == 0
    assert job["spec"]["template"]["spec"]["restartPolicy"] == "Never"
    assert job["metadata"]["annotations"]["helm.sh/hook-output-log-policy"] == "hook-failed"


# Selectors are immutable: a release with others could not be upgraded to.
SELECTORS = {
    CONTROLLER: {"app.kubernetes.io/instance": "seldon", "control-plane": "seldon-controller-manager"},
    WEBHOOK: {"app.kubernetes.io/instance": "seldon", "control-plane": "seldon-webhook"},
}


def test_selectors_never_change(rendered: Rendered) -> None:
    selectors = {found["metadata"]["name"]: found["spec"]["selector"] for found in rendered.of("Deployment")}
    assert selectors == {name: {"matchLabels": labels} for name, labels in SELECTORS.items()}


def _selected(rendered: Rendered, labels: dict[str, str]) -> list[str]:
    return [owner for owner, pod in rendered.pods().items() if pod["metadata"]["labels"].items() >= labels.items()]


def test_selectors_match_the_pods_that_they_mean_and_no_others(rendered: Rendered) -> None:
    assert [_selected(rendered, labels) for labels in SELECTORS.values()] == [[CONTROLLER], [WEBHOOK]]
    assert _selected(rendered, rendered.one("Service", "seldon-webhook-service")["spec"]["selector"]) == [WEBHOOK]
    budget = rendered.one("PodDisruptionBudget", WEBHOOK)["spec"]["selector"]["matchLabels"]
    assert _selected(rendered, budget) == [WEBHOOK]
    for constraint in rendered.pods()[WEBHOOK]["spec"]["topologySpreadConstraints"]:
        assert _selected(rendered, constraint["labelSelector"]["matchLabels"]) == [WEBHOOK]


def test_the_service_leads_to_the_port_that_the_webhook_listens_on(rendered: Rendered) -> None:
    (port,) = rendered.one("Service", "seldon-webhook-service")["spec"]["ports"]
    (target,) = [found for found in rendered.container(WEBHOOK)["ports"] if found["name"] == port["targetPort"]]
    assert (port["port"], target["containerPort"]) == (443, 4443)
    assert rendered.argument(WEBHOOK, "port") == "4443"


def test_the_webhook_survives_drains_and_rollouts(default: Rendered) -> None:
    budget = default.one("PodDisruptionBudget", WEBHOOK)["spec"]
    assert (budget["maxUnavailable"], budget["unhealthyPodEvictionPolicy"]) == (1, "AlwaysAllow")
    deployment = default.one("Deployment", WEBHOOK)["spec"]
    assert deployment["replicas"] == 2
    assert deployment["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
    pod = deployment["template"]["spec"]
    assert {found["topologyKey"] for found in pod["topologySpreadConstraints"]} == {
        "kubernetes.io/hostname",
        "topology.kubernetes.io/zone",
    }


def test_on_the_hosts_network_the_old_pod_goes_first(helm: Helm) -> None:
    rendered = helm.operator({"hostNetwork": True})
    assert rendered.one("Deployment", WEBHOOK)["spec"]["strategy"]["rollingUpdate"] == {
        "maxSurge": 0,
        "maxUnavailable": 1,
    }
    assert violations(rendered.pods()[WEBHOOK]["spec"]) == ["hostNetwork: must not be set"]
    assert violations(rendered.pods()[CONTROLLER]["spec"]) == []


def test_a_new_chart_around_the_same_programs_restarts_nothing(default: Rendered) -> None:
    for pod in default.pods().values():
        assert "helm.sh/chart" not in pod["metadata"]["labels"]


BROKEN: dict[str, tuple[Object, str]] = {
    "host": ({"hostPID": True}, "hostPID"),
    "volume": ({"volumes": [{"name": "v", "hostPath": {}}]}, "volume v: hostPath"),
    "container": ({"containers": [{"name": "c"}]}, "c: runAsNonRoot must be true"),
    "capability": (
        {"containers": [{"name": "c", "securityContext": {"capabilities": {"add": ["SYS_ADMIN"]}}}]},
        "c: capabilities added",
    ),
}


@pytest.mark.parametrize(("pod", "problem"), BROKEN.values(), ids=BROKEN)
def test_the_check_of_the_standard_finds_what_breaks_it(pod: Object, problem: str) -> None:
    assert any(found.startswith(problem) for found in violations(pod))
