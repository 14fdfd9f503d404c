"""A model on images: eight by eight grey pixels, as a tensor or as the bytes of a file."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from seldon_core.flask_utils import SeldonMicroserviceException

SIDE = 8


class DigitClassifier:
    """Answers the probability of each digit for each image."""

    def load(self) -> None:
        """Fit the model to the images that come with scikit-learn; a real model is read from a file."""
        images, digits = load_digits(return_X_y=True)
        self.model = LogisticRegression(max_iter=200).fit(images / 16, digits)

    def predict(self, X: Any, names: list[str]) -> NDArray[np.float64]:  # noqa: N803
        """X is an array of shape (images, 8, 8), or the 64 bytes of one image."""
        pixels = np.frombuffer(X, np.uint8) if isinstance(X, bytes) else np.asarray(X)
        if pixels.size == 0 or pixels.size % SIDE**2:
            raise SeldonMicroserviceException(f"an image has {SIDE**2} pixels, got {pixels.size}")
        return self.model.predict_proba(pixels.reshape(-1, SIDE**2) / 16)

    def class_names(self) -> list[str]:
        """The columns of the answer."""
        return [str(digit) for digit in range(10)]
