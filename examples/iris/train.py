"""Train a classifier on the iris data set, which comes with scikit-learn, and write it to model.joblib."""

import joblib
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler


def train() -> Pipeline:
    """Return the trained classifier; the same one every time."""
    features, species = load_iris(return_X_y=True)
    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)).fit(features, species)


if __name__ == "__main__":
    joblib.dump(train(), "model.joblib")
