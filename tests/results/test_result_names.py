"""Names of scores and times are told from those of parameters."""

from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV
from sklearn.tree import DecisionTreeClassifier

from skact.results.result_names import RESULT_NAME


def test_all_that_a_search_measures_has_the_name_of_a_result() -> None:
    search = GridSearchCV(
        DecisionTreeClassifier(),
        {"max_depth": [1, 2]},
        cv=2,
        scoring=["accuracy", "f1_macro"],
        refit=False,
        return_train_score=True,
    ).fit(*load_iris(return_X_y=True))
    others = [key for key in search.cv_results_ if not RESULT_NAME.fullmatch(key)]
    assert others == ["param_max_depth", "params"]
