"""Serves the classifier that train.py has written."""

from pathlib import Path

import joblib
import numpy as np
from numpy.typing import NDArray


class IrisClassifier:
    """Answers the probability of each species for every row of four measures in cm."""

    def __init__(self, path: str = "model.joblib") -> None:
        self.path = Path(path)

    def load(self) -> None:
        """Read the model once, before the first request."""
        self.model = joblib.load(self.path)

    def predict(self, X: NDArray[np.float64], names: list[str]) -> NDArray[np.float64]:  # noqa: N803
        """One row of probabilities for each row of measures."""
        return self.model.predict_proba(X)

    def class_names(self) -> list[str]:
        """The columns of the answer."""
        return ["setosa", "versicolor", "virginica"]
