"""What is known of the other SeldonDeployments while they come, change and go."""

import json

from hypothesis import given
from hypothesis import strategies as st

from seldon_core.api.installation import Installation
from seldon_core.kube.client import Client
from tests.api.samples import component, container, node, predictor, sdep
from tests.webhook.reviews import review
from webhook.admission import parse
from webhook.surroundings import ClusterTypes, Names, Neighbours, Rules


async def test_a_name_that_another_one_makes_is_refused_until_that_is_gone() -> None:
    client = Client()
    neighbours = Neighbours(client, None)
    rules = Rules(Installation(), ClusterTypes(client), neighbours)
    obj = sdep(predictor("a", node("x"), component(container("x"))))
    request = parse(json.dumps(review(obj)).encode())
    made: Names = frozenset({("Service", "mydep-a-x")})
    neighbours._change((request.namespace, "other"), None, made)
    (finding,) = rules.find(request)
    assert 'as SeldonDeployment "other" does' in str(finding)
    neighbours._change((request.namespace, "other"), made, None)
    assert rules.find(request) == []


NAMES = st.frozensets(st.tuples(st.sampled_from(["Service", "Deployment"]), st.sampled_from("abc")))


@given(st.lists(st.tuples(st.sampled_from(["n", "m"]), st.sampled_from("xyz"), st.none() | NAMES), max_size=30))
def test_after_any_changes_just_what_is_made_now_is_known(changes: list[tuple[str, str, Names | None]]) -> None:
    neighbours = Neighbours(Client(), None)
    now: dict[tuple[str, str], Names | None] = {}
    for namespace, name, names in changes:
        neighbours._change((namespace, name), now.get((namespace, name)), names)
        now[namespace, name] = names
    for namespace in ("n", "m"):
        known = {made: sorted(makers) for made, makers in neighbours.makers(namespace).items()}
        expected: dict[tuple[str, str], list[str]] = {}
        for (where, name), names in sorted(now.items()):
            for made in (names or ()) if where == namespace else ():
                expected.setdefault(made, []).append(name)
        assert known == expected
