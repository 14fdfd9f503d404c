"""The two webhook configurations: what they match, in every mode, and whose the certificate authority is not."""

from typing import Any

import pytest

from tests.chart.rendering import Helm, Object, Rendered
from webhook.trust import Place

KINDS = ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration")
LABEL = "seldon.io/controller-id"
ABSENT = {"matchExpressions": [{"key": LABEL, "operator": "DoesNotExist"}]}


def _webhook(rendered: Rendered, kind: str) -> Object:
    (configuration,) = rendered.of(kind)
    (webhook,) = configuration["webhooks"]
    return dict(webhook)


@pytest.mark.parametrize("kind", KINDS)
def test_the_webhook_sees_creates_and_updates_of_seldondeployments_only(default: Rendered, kind: str) -> None:
    webhook = _webhook(default, kind)
    assert webhook["rules"] == [
        {
            "apiGroups": ["machinelearning.seldon.io"],
            "apiVersions": ["v1", "v1alpha2", "v1alpha3"],
            "operations": ["CREATE", "UPDATE"],
            "resources": ["seldondeployments"],
            "scope": "Namespaced",
        }
    ]
    assert webhook["matchPolicy"] == "Equivalent"
    assert [found["expression"] for found in webhook["matchConditions"]] == ["!has(object.metadata.deletionTimestamp)"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_webhook_that_does_not_answer_lets_nothing_through(default: Rendered, kind: str) -> None:
    webhook = _webhook(default, kind)
    assert (webhook["failurePolicy"], webhook["timeoutSeconds"], webhook["sideEffects"]) == ("Fail", 10, "None")
    assert webhook["admissionReviewVersions"] == ["v1"]


@pytest.mark.parametrize(("kind", "path"), list(zip(KINDS, ("/mutate", "/validate"), strict=True)))
def test_requests_go_through_the_service(default: Rendered, kind: str, path: str) -> None:
    service = {"name": "seldon-webhook-service", "namespace": "seldon-system", "path": path, "port": 443}
    assert _webhook(default, kind)["clientConfig"] == {"service": service}


def test_the_program_is_told_the_names_of_what_it_owns(default: Rendered) -> None:
    for kind, flag in zip(KINDS, ("mutating-configuration", "validating-configuration"), strict=True):
        (configuration,) = default.of(kind)
        assert default.argument("seldon-webhook", flag) == configuration["metadata"]["name"]
    assert default.argument("seldon-webhook", "service-name") == "seldon-webhook-service"
    assert default.argument("seldon-webhook", "namespace") == "$(POD_NAMESPACE)"


def test_the_authority_is_in_no_manifest(default: Rendered) -> None:
    assert "caBundle" not in default.text
    assert "ownerReferences" not in str([found["metadata"] for found in default.objects])
    assert default.of("Secret") == []


MODES: dict[str, tuple[dict[str, Any], Object, Object, dict[str, str]]] = {
    "cluster-wide": ({}, ABSENT, ABSENT, {"WATCH_NAMESPACE": "", "CONTROLLER_ID": ""}),
    "single namespace": (
        {"singleNamespace": True},
        {"matchLabels": {"kubernetes.io/metadata.name": "models"}},
        ABSENT,
        {"WATCH_NAMESPACE": "models", "CONTROLLER_ID": ""},
    ),
    "by id": (
        {"controllerId": "x"},
        ABSENT,
        {"matchLabels": {LABEL: "x"}},
        {"WATCH_NAMESPACE": "", "CONTROLLER_ID": "x"},
    ),
    "by id in a single namespace": (
        {"controllerId": "1", "singleNamespace": True},
        {"matchLabels": {"kubernetes.io/metadata.name": "models"}},
        {"matchLabels": {LABEL: "1"}},
        {"WATCH_NAMESPACE": "models", "CONTROLLER_ID": "1"},
    ),
}


@pytest.mark.parametrize(("values", "namespaces", "objects", "environment"), MODES.values(), ids=MODES)
def test_webhook_controller_and_check_agree_on_what_is_theirs(
    helm: Helm, values: dict[str, Any], namespaces: Object, objects: Object, environment: dict[str, str]
) -> None:
    rendered = helm.operator(values, namespace="models")
    for kind in KINDS:
        webhook = _webhook(rendered, kind)
        assert (webhook["namespaceSelector"], webhook["objectSelector"]) == (namespaces, objects)
    assert rendered.environment("seldon-controller-manager").items() >= environment.items()
    assert rendered.environment("seldon-webhook-check")["CONTROLLER_ID"] == environment["CONTROLLER_ID"]


def test_operators_of_two_namespaces_share_no_cluster_wide_name(helm: Helm) -> None:
    first, second = (
        {
            (found["kind"], found["metadata"]["name"])
            for found in helm.operator({"crd": {"create": False}}, namespace=namespace).objects
            if "namespace" not in found["metadata"]
        }
        for namespace in ("one", "two")
    )
    assert len(first) == len(second) == 8
    assert not first & second


def test_cert_manager_makes_a_certificate_for_the_names_that_the_api_server_calls(helm: Helm) -> None:
    rendered = helm.operator({"certManager": {"enabled": True}}, namespace="models")
    certificate = rendered.one("Certificate", "seldon-webhook")["spec"]
    assert certificate["secretName"] == rendered.argument("seldon-webhook", "secret-name")
    place = Place("models", rendered.argument("seldon-webhook", "service-name"), "", "", "")
    assert certificate["dnsNames"] == place.names
    # From the certificate to its issuer, to the authority, to itself.
    issuer = rendered.one("Issuer", certificate["issuerRef"]["name"])["spec"]
    (authority,) = [
        c["spec"] for c in rendered.of("Certificate") if c["spec"]["secretName"] == issuer["ca"]["secretName"]
    ]
    assert authority["isCA"] is True
    assert rendered.one("Issuer", authority["issuerRef"]["name"])["spec"] == {"selfSigned": {}}
    # Only one hand writes the authority into the configurations.
    assert "cert-manager.io/inject" not in rendered.text
    assert "caBundle" not in rendered.text


def test_without_cert_manager_nothing_of_it_is_rendered(default: Rendered) -> None:
    assert "cert-manager.io" not in default.text
    assert default.argument("seldon-webhook", "certificates") == "own"
