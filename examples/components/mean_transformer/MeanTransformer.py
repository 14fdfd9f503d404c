"""A transformer that scales what comes in to the range from 0 to 1."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from seldon_core.flask_utils import SeldonMicroserviceException


class MeanTransformer:
    """Min-max scaling over the whole array: the smallest number becomes 0, the largest 1, equal numbers all 0."""

    def transform_input(self, X: ArrayLike, names: list[str]) -> NDArray[np.float64]:  # noqa: N803
        """Scale an array of any shape; what is not a number (NaN) stays so."""
        try:
            values = np.asarray(X, dtype=np.float64)
        except (TypeError, ValueError):
            raise SeldonMicroserviceException("the data must be numbers, to be scaled") from None
        if np.isnan(values).all():  # also when there is nothing at all
            return values
        low, high = np.nanmin(values), np.nanmax(values)
        return (values - low) / (high - low if high > low else 1.0)
