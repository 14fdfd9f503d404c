"""Permissions: exactly the calls that the programs make, recorded here as group/resource -> verbs."""

from typing import Any

import pytest

from tests.chart.rendering import Helm, Object, Rendered

NAMESPACE = "seldon-system"
Rules = dict[str, set[str]]

CONTROLLER: Rules = {
    "machinelearning.seldon.io/seldondeployments": {"list", "watch"},
    "machinelearning.seldon.io/seldondeployments/status": {"patch"},
    "machinelearning.seldon.io/seldondeployments/finalizers": {"update"},
    "apps/deployments": {"get", "list", "watch", "create", "patch", "delete"},
    "/services": {"get", "list", "watch", "create", "patch", "delete"},
    "autoscaling/horizontalpodautoscalers": {"get", "list", "watch", "create", "patch", "delete"},
    "policy/poddisruptionbudgets": {"get", "list", "watch", "create", "patch", "delete"},
    "/pods": {"list"},
    "/events": {"create"},
}
# By the value that has objects of these kinds made; while it is off, those that were made before can be deleted.
OPTIONAL: dict[str, tuple[str, ...]] = {
    "gatewayApi": ("gateway.networking.k8s.io/httproutes", "gateway.networking.k8s.io/grpcroutes"),
    "istio": ("networking.istio.io/virtualservices", "networking.istio.io/destinationrules"),
    "ambassador": ("getambassador.io/mappings", "getambassador.io/tlscontexts"),
    "keda": ("keda.sh/scaledobjects",),
}
CONTROLLER |= {resource: {"list", "watch", "delete"} for resources in OPTIONAL.values() for resource in resources}
NAMESPACES: Rules = {"/namespaces": {"list", "watch"}}
LEASE: Rules = {
    "coordination.k8s.io/leases": {"create"},
    "coordination.k8s.io/leases[seldon-controller]": {"get", "update"},
}
WEBHOOK: Rules = {
    "admissionregistration.k8s.io/mutatingwebhookconfigurations[seldon-mutating-webhook-configuration-seldon-system]": {
        "get",
        "list",
        "watch",
        "patch",
        "delete",
    },
    "admissionregistration.k8s.io/validatingwebhookconfigurations"
    "[seldon-validating-webhook-configuration-seldon-system]": {"get", "list", "watch", "patch", "delete"},
    "/namespaces[seldon-system]": {"get"},
}
SEEN: Rules = {"machinelearning.seldon.io/seldondeployments": {"list", "watch"}}
CA: Rules = {"/secrets": {"create"}, "/secrets[seldon-webhook-ca]": {"get", "list", "watch", "update"}}
CHECK: Rules = {"machinelearning.seldon.io/seldondeployments": {"create"}}

# Account -> where its permissions hold -> what they are. "" is the whole cluster.
GRANTS: dict[str, dict[str, dict[str, Rules]]] = {
    "cluster-wide": {
        "seldon-manager": {"": CONTROLLER | NAMESPACES, NAMESPACE: LEASE},
        "seldon-webhook": {"": WEBHOOK | SEEN, NAMESPACE: CA},
        "seldon-webhook-check": {NAMESPACE: CHECK},
    },
    "single namespace": {
        "seldon-manager": {NAMESPACE: CONTROLLER | LEASE},
        "seldon-webhook": {"": WEBHOOK, NAMESPACE: SEEN | CA},
        "seldon-webhook-check": {NAMESPACE: CHECK},
    },
    "by id": {
        "seldon-manager": {"": CONTROLLER | NAMESPACES, NAMESPACE: LEASE},
        "seldon-webhook": {"": WEBHOOK | SEEN, NAMESPACE: CA},
        "seldon-webhook-check": {NAMESPACE: CHECK},
    },
}
VALUES: dict[str, dict[str, Any]] = {
    "cluster-wide": {},
    "single namespace": {"singleNamespace": True},
    "by id": {"controllerId": "x"},
}


def _rules(role: Object) -> Rules:
    rules: Rules = {}
    for rule in role["rules"]:
        for group in rule["apiGroups"]:
            for resource in rule["resources"]:
                for name in rule.get("resourceNames", [""]):
                    key = f"{group}/{resource}" + (f"[{name}]" if name else "")
                    assert key not in rules, f"{key} is granted twice"
                    rules[key] = set(rule["verbs"])
    return rules


def _grants(rendered: Rendered) -> dict[str, dict[str, Rules]]:
    grants: dict[str, dict[str, Rules]] = {}
    for binding in rendered.of("ClusterRoleBinding") + rendered.of("RoleBinding"):
        role = rendered.one(binding["roleRef"]["kind"], binding["roleRef"]["name"])
        assert role["metadata"].get("namespace") == binding["metadata"].get("namespace")
        (subject,) = binding["subjects"]
        assert (subject["kind"], subject["namespace"]) == ("ServiceAccount", NAMESPACE)
        where = grants.setdefault(subject["name"], {}).setdefault(binding["metadata"].get("namespace", ""), {})
        rules = _rules(role)
        assert not where.keys() & rules.keys()
        where.update(rules)
    return grants


@pytest.mark.parametrize("mode", GRANTS)
def test_accounts_may_do_what_their_programs_do_and_nothing_else(helm: Helm, mode: str) -> None:
    assert _grants(helm.operator(VALUES[mode])) == GRANTS[mode]


@pytest.mark.parametrize("switch", OPTIONAL)
def test_kinds_of_other_projects_are_made_only_where_they_are_switched_on(helm: Helm, switch: str) -> None:
    gateways = {"gateways": ["infra/gateway"]} if switch == "gatewayApi" else {}
    rules = _grants(helm.operator({switch: {"enabled": True, **gateways}}))["seldon-manager"][""]
    for other, resources in OPTIONAL.items():
        for resource in resources:
            made = {"get", "create", "patch"} if other == switch else set()
            assert rules[resource] == {"list", "watch", "delete"} | made


@pytest.mark.parametrize("mode", GRANTS)
def test_no_rule_has_a_wildcard_and_no_role_is_bound_to_nobody(helm: Helm, mode: str) -> None:
    rendered = helm.operator(VALUES[mode])
    bound = {found["roleRef"]["name"] for kind in ("ClusterRoleBinding", "RoleBinding") for found in rendered.of(kind)}
    for role in rendered.of("ClusterRole") + rendered.of("Role"):
        assert "*" not in str(role["rules"])
        aggregated = any("aggregate-to-" in label for label in role["metadata"]["labels"])
        assert aggregated != (role["metadata"]["name"] in bound)


def test_views_editors_and_admins_get_theirs_from_kubernetes_own_roles(default: Rendered) -> None:
    found: dict[str, Rules] = {"view": {}, "edit": {}, "admin": {}}
    for role in default.of("ClusterRole"):
        for builtin, rules in found.items():
            if role["metadata"]["labels"].get(f"rbac.authorization.k8s.io/aggregate-to-{builtin}") == "true":
                for key, verbs in _rules(role).items():
                    rules[key] = rules.get(key, set()) | verbs
    group = "machinelearning.seldon.io"
    read, write = {"get", "list", "watch"}, {"create", "update", "patch", "delete", "deletecollection"}
    assert found["view"] == {
        f"{group}/seldondeployments": read,
        f"{group}/seldondeployments/status": read,
        f"{group}/seldondeployments/scale": read,
    }
    assert found["edit"] == {
        f"{group}/seldondeployments": read | write,
        f"{group}/seldondeployments/status": read,
        f"{group}/seldondeployments/scale": read | {"update", "patch"},
    }
    assert found["admin"] == found["edit"]


def test_without_rbac_no_role_and_no_binding_is_rendered(helm: Helm) -> None:
    rendered = helm.operator({"rbac": {"create": False}})
    kinds = {found["kind"] for found in rendered.objects}
    assert not kinds & {"Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"}
    assert "ServiceAccount" in kinds


@pytest.mark.parametrize(
    ("values", "secret"),
    [
        ({"certManager": {"enabled": True}}, "seldon-webhook-tls"),
        ({"webhook": {"existingSecret": "mine"}}, "mine"),
    ],
    ids=["cert-manager", "existing Secret"],
)
def test_a_secret_that_somebody_else_keeps_is_only_read(helm: Helm, values: dict[str, Any], secret: str) -> None:
    assert _grants(helm.operator(values))["seldon-webhook"][NAMESPACE] == {
        f"/secrets[{secret}]": {"get", "list", "watch"}
    }


def test_the_lease_that_may_be_held_is_the_one_that_is_asked_for(helm: Helm) -> None:
    rendered = helm.operator({"manager": {"leaderElectionID": "other"}})
    lease = _grants(rendered)["seldon-manager"][NAMESPACE]
    assert lease["coordination.k8s.io/leases[other]"] == {"get", "update"}
    assert rendered.environment("seldon-controller-manager")["LEADER_ELECTION_ID"] == "other"


@pytest.mark.parametrize(
    ("values", "owner"),
    [
        ({"serviceAccount": {"create": False, "name": "mine"}}, "seldon-controller-manager"),
        ({"webhook": {"serviceAccount": {"create": False, "name": "mine"}}}, "seldon-webhook"),
    ],
    ids=["controller", "webhook"],
)
def test_an_account_that_exists_is_bound_and_used_but_not_created(
    helm: Helm, values: dict[str, Any], owner: str
) -> None:
    rendered = helm.operator(values)
    assert "mine" not in [found["metadata"]["name"] for found in rendered.of("ServiceAccount")]
    assert rendered.pods()[owner]["spec"]["serviceAccountName"] == "mine"
    assert "mine" in _grants(rendered)
