"""A combiner that answers the mean of what the nodes below it answer: an ensemble in one class."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from seldon_core.flask_utils import SeldonMicroserviceException


class MeanCombiner:
    """Element-wise mean; every child counts the same."""

    def aggregate(self, features_list: list[ArrayLike], names_list: list[list[str]]) -> NDArray[np.float64]:
        """Combine one array from each child, all of the same shape."""
        try:
            arrays = [np.asarray(features, dtype=np.float64) for features in features_list]
        except (TypeError, ValueError):
            raise SeldonMicroserviceException("every child must answer numbers, to take their mean") from None
        shapes = {array.shape for array in arrays}
        if len(shapes) != 1:
            found = ", ".join(str(array.shape) for array in arrays) or "none"
            raise SeldonMicroserviceException(f"every child must answer an array of the same shape, got {found}")
        return np.mean(arrays, axis=0)
