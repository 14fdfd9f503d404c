"""A transformer that lets data through as it is, and says in tags and metrics which rows are unusual."""

from pathlib import Path

import joblib
import numpy as np
from numpy.typing import ArrayLike

from seldon_core.flask_utils import SeldonMicroserviceException
from seldon_core.metrics import create_counter, create_gauge
from seldon_core.user_model import SeldonResponse


class OutlierDetector:
    """Scores every row with the isolation forest that train.py has written.

    Args:
        path: the file of the forest.
        threshold: score above which a row is an outlier; scores lie between 0 (usual) and 1. 0 takes the forest's own.
    """

    def __init__(self, path: str = "outliers.joblib", threshold: float = 0.0) -> None:
        self.path = Path(path)
        self.threshold = threshold

    def load(self) -> None:
        """Read the forest once, before the first request."""
        self.forest = joblib.load(self.path)
        self.threshold = self.threshold or -self.forest.offset_

    def transform_input(self, X: ArrayLike, names: list[str]) -> SeldonResponse:  # noqa: N803
        """Return X itself, with the tags is_outlier and outlier_score, both a list with one entry for each row."""
        try:
            rows = np.asarray(X, dtype=np.float64)
        except (TypeError, ValueError):
            raise SeldonMicroserviceException("the data must be numbers, to be scored") from None
        columns = self.forest.n_features_in_
        if rows.ndim != 2 or rows.shape[1] != columns:
            raise SeldonMicroserviceException(f"every row must have {columns} numbers, got shape {rows.shape}")
        if not len(rows):
            return SeldonResponse(X, tags={"is_outlier": [], "outlier_score": []})
        scores = -self.forest.score_samples(rows)
        outliers = scores > self.threshold
        return SeldonResponse(
            X,
            tags={"is_outlier": outliers.tolist(), "outlier_score": scores.tolist()},
            metrics=[
                create_counter("rows", len(rows)),
                create_counter("outliers", int(outliers.sum())),
                create_gauge("outlier_score", float(scores.max())),
            ],
        )
