"""The webhook, given any bytes in place of an AdmissionReview."""

import json

import yaml

from tests.fuzz.fuzzing import ROOT
from tests.webhook.reviews import review
from tests.webhook.verdicts import hold

SEEDS = [
    b"",
    b"{}",
    b'{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{"uid":"u","operation":"DELETE"}}',
    *(
        json.dumps(review(yaml.safe_load(path.read_text()))).encode()
        for path in sorted(ROOT.glob("examples/**/*.yaml"))
    ),
]


def check(data: bytes) -> None:
    """Decide on a body."""
    hold(data)
