"""A model on texts: one as a string, several as an array of them."""

from typing import Any

from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

# A few words are enough to show how it goes; a real model is read from a file.
GOOD = ["what a joy", "great work", "I love it", "good and friendly"]
BAD = ["what a mess", "poor work", "I hate it", "bad and rude"]


class SentimentClassifier:
    """Answers "good" or "bad": a string for a string, a list for several."""

    def load(self) -> None:
        """Fit the model."""
        words = make_pipeline(TfidfVectorizer(), LogisticRegression())
        self.model = words.fit([*GOOD, *BAD], ["good"] * len(GOOD) + ["bad"] * len(BAD))

    def predict(self, X: Any, names: list[str]) -> Any:  # noqa: N803
        """X is a str (strData), or an array or a list of texts."""
        texts = [X] if isinstance(X, str) else [str(text) for text in X]
        found = [str(label) for label in self.model.predict(texts)]
        return found[0] if isinstance(X, str) else found
