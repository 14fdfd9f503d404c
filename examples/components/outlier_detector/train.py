"""Learn what is usual from the iris data set, which comes with scikit-learn, and write it to outliers.joblib."""

import joblib
from sklearn.datasets import load_iris
from sklearn.ensemble import IsolationForest


def train() -> IsolationForest:
    """Return the fitted forest; the same one every time."""
    features, _ = load_iris(return_X_y=True)
    return IsolationForest(n_estimators=50, random_state=0).fit(features)


if __name__ == "__main__":
    joblib.dump(train(), "outliers.joblib")
