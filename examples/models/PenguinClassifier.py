"""A model on a pandas DataFrame: columns of numbers and of words, found by their names."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from seldon_core.flask_utils import SeldonMicroserviceException

# A few birds are enough to show how it goes; a real model is read from a file.
BIRDS = pd.DataFrame(
    [
        ("Torgersen", 39.1, 3750, "Adelie"),
        ("Torgersen", 40.3, 3250, "Adelie"),
        ("Dream", 46.5, 3500, "Chinstrap"),
        ("Dream", 50.0, 3900, "Chinstrap"),
        ("Biscoe", 46.1, 4500, "Gentoo"),
        ("Biscoe", 50.0, 5700, "Gentoo"),
    ],
    columns=["island", "bill_mm", "mass_g", "species"],
)


class PenguinClassifier:
    """Answers the species of each bird."""

    def load(self) -> None:
        """Fit the model."""
        numbers = (StandardScaler(), ["bill_mm", "mass_g"])
        words = (OneHotEncoder(handle_unknown="ignore"), ["island"])
        self.model = make_pipeline(make_column_transformer(numbers, words), LogisticRegression())
        self.model.fit(BIRDS.drop(columns="species"), BIRDS["species"])

    def predict(self, X: Any, names: list[str]) -> NDArray[np.str_]:  # noqa: N803
        """One species for each row; V2 sends a DataFrame with content_type pd, an ndarray brings the names along."""
        birds = X if isinstance(X, pd.DataFrame) else pd.DataFrame(X, columns=names or None)
        missing = {"island", "bill_mm", "mass_g"} - {*birds.columns}
        if missing:
            raise SeldonMicroserviceException(f"no column {' and '.join(sorted(missing))}")
        return self.model.predict(birds.astype({"bill_mm": float, "mass_g": float})).astype(str)
