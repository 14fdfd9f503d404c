"""The table of kinds, through which children are applied, watched and pruned."""

import pytest

from seldon_core.plan import KINDS, Config, LiveObject, Observed, plan

from .build import CONFIG, all_ready, live, single


def test_every_kind_is_listed_once_with_its_condition() -> None:
    assert {child.kind: (child.api_version, child.condition) for child in KINDS} == {
        "Service": ("v1", "ServicesReady"),
        "Deployment": ("apps/v1", "DeploymentsReady"),
        "HorizontalPodAutoscaler": ("autoscaling/v2", "HpasReady"),
        "ScaledObject": ("keda.sh/v1alpha1", "KedaReady"),
        "PodDisruptionBudget": ("policy/v1", "PdbsReady"),
        "HTTPRoute": ("gateway.networking.k8s.io/v1", "GatewayRoutesReady"),
        "GRPCRoute": ("gateway.networking.k8s.io/v1", "GatewayRoutesReady"),
        "DestinationRule": ("networking.istio.io/v1", "istioVirtualServicesReady"),
        "VirtualService": ("networking.istio.io/v1", "istioVirtualServicesReady"),
        "TLSContext": ("getambassador.io/v2", "AmbassadorMappingsReady"),
        "Mapping": ("getambassador.io/v2", "AmbassadorMappingsReady"),
    }
    assert len({child.plural for child in KINDS}) == len(KINDS)


@pytest.mark.parametrize(
    ("switch", "kinds"),
    [
        pytest.param("keda_enabled", {"ScaledObject"}, id="keda"),
        pytest.param("gateway_enabled", {"HTTPRoute", "GRPCRoute"}, id="gateway"),
        pytest.param("istio_enabled", {"DestinationRule", "VirtualService"}, id="istio"),
        pytest.param("ambassador_enabled", {"TLSContext", "Mapping"}, id="ambassador"),
    ],
)
def test_kinds_of_other_projects_are_planned_where_they_are_switched_on(switch: str, kinds: set[str]) -> None:
    off = {child.kind for child in KINDS if child.planned(CONFIG)}
    on = {child.kind for child in KINDS if child.planned(Config(**{switch: True}))}
    assert on - off == kinds
    assert all(not child.built_in for child in KINDS if child.kind in kinds)


def test_routes_of_an_ingress_that_is_switched_off_go_in_the_reverse_order() -> None:
    first = plan(single(), CONFIG, Observed())
    others = {(child.kind, "m"): LiveObject(uid=child.kind) for child in KINDS if child.routes}
    old = {"m-p-0-old": live(carries_engine=True)}
    observed = Observed(deployments={**all_ready(first), **old}, others=others)
    gone = [ref.kind for ref in plan(single(), CONFIG, observed).superseded]
    assert gone == ["Mapping", "TLSContext", "VirtualService", "DestinationRule", "GRPCRoute", "HTTPRoute"]


@pytest.mark.parametrize("kind", ["HorizontalPodAutoscaler", "ScaledObject", "PodDisruptionBudget"])
def test_what_scales_a_deployment_goes_at_once_where_the_deployment_stays(kind: str) -> None:
    unwanted = {(kind, "m-p-0-a"): LiveObject(uid="1"), (kind, "m-p-0-gone"): LiveObject(uid="2")}
    made = plan(single(), CONFIG, Observed(deployments={"m-p-0-a": live()}, others=unwanted))
    assert [(ref.kind, ref.name, ref.uid) for ref in made.obsolete] == [
        (kind, "m-p-0-a", "1"),
        (kind, "m-p-0-gone", "2"),
    ]


def test_what_scales_an_old_deployment_goes_together_with_it() -> None:
    first = plan(single(), CONFIG, Observed())
    others = {("HorizontalPodAutoscaler", "m-p-0-old"): LiveObject(uid="1")}
    old = {"m-p-0-old": live(carries_engine=True)}
    starting = plan(single(), CONFIG, Observed(deployments=old, others=others))
    assert (starting.obsolete, starting.superseded) == ([], [])
    made = plan(single(), CONFIG, Observed(deployments={**all_ready(first), **old}, others=others))
    assert made.obsolete == []
    assert [(ref.kind, ref.name) for ref in made.superseded] == [
        ("Deployment", "m-p-0-old"),
        ("HorizontalPodAutoscaler", "m-p-0-old"),
    ]
