"""What model classes import to make metrics of their own."""

from seldon_core.microservice.custom_metrics import (
    COUNTER,
    GAUGE,
    TIMER,
    create_counter,
    create_gauge,
    create_timer,
)

__all__ = ["COUNTER", "GAUGE", "TIMER", "create_counter", "create_gauge", "create_timer"]
