"""What a search found says which score chose the best."""

from sklearn.datasets import load_iris

from skact import search


def test_the_first_of_several_scores_chooses() -> None:
    options = {"activations": ["relu"], "n_lr": 1, "max_epochs": 1, "progress": False}
    scores = ["f1_macro", "accuracy"]
    found = search(*load_iris(return_X_y=True), scoring=scores, cv=2, **options)
    assert found.search_.refit == "f1_macro"
