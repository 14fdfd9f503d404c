"""A small classifier that needs nothing but numpy: multinomial logistic regression with fixed coefficients."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from seldon_core.flask_utils import SeldonMicroserviceException

# One row for each class, one column for each feature: sepal length and width, petal length and width, in cm.
COEFFICIENTS = np.array([
    [-0.42, 0.97, -2.52, -1.08],
    [0.53, -0.32, -0.20, -0.94],
    [-0.11, -0.65, 2.72, 2.02],
])  # fmt: skip
INTERCEPTS = np.array([9.85, 2.24, -12.09])


class MockClassifier:
    """Answers the probability of each of the three classes for every row of four numbers."""

    def predict(self, X: ArrayLike, names: list[str], meta: dict[str, object] | None = None) -> NDArray[np.float64]:  # noqa: N803
        """Softmax of the linear scores; a single row may come without the outer list."""
        rows = np.atleast_2d(np.asarray(X, dtype=np.float64))
        if rows.ndim != 2 or rows.shape[1] != COEFFICIENTS.shape[1]:
            raise SeldonMicroserviceException(f"every row must have four numbers, got an array of shape {rows.shape}")
        scores = rows @ COEFFICIENTS.T + INTERCEPTS
        odds = np.exp(scores - scores.max(axis=1, keepdims=True))
        return odds / odds.sum(axis=1, keepdims=True)
