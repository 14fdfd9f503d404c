"""When a controller is ready, and when it should be restarted."""

import time

import pytest

from controller.app import DEAF_SECONDS, Controller
from seldon_core.kube.client import Client
from seldon_core.plan import Config


@pytest.fixture
def controller() -> Controller:
    return Controller(Client("/nowhere"), Config())


async def test_it_is_not_ready_before_everything_is_listed(controller: Controller) -> None:
    assert controller.not_ready() == "the first lists are not complete"


async def test_it_is_alive_as_long_as_its_watches_hear_something(controller: Controller) -> None:
    assert controller.not_alive() is None
    assert controller.not_alive(lambda: time.monotonic() + DEAF_SECONDS / 2) is None
    problem = controller.not_alive(lambda: time.monotonic() + DEAF_SECONDS + 10)
    assert problem is not None
    assert problem.startswith("a watch has heard nothing for ")


async def test_one_that_does_not_lead_queues_nothing(controller: Controller) -> None:
    controller._enqueue([("n", "m")])
    assert len(controller.queue) == 0
    controller.working = True
    controller._enqueue([("n", "m")])
    assert len(controller.queue) == 1
