"""Names of scores and times are told from those of parameters."""

from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV
from sklearn.tree import DecisionTreeClassifier

from skact.results.result_names import INDEX_OF_CSV, RESULT_NAME


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


def test_an_index_of_a_file_is_known_by_the_name_that_pandas_gives_it() -> None:
    for name in ("Unnamed: 0", "Unnamed: 0.1", "Unnamed: 12", "Unnamed: 0.1.1"):
        assert INDEX_OF_CSV.fullmatch(name)
    for name in ("Unnamed", "Unnamed: x", "0", "Unnamed: 0_level_1"):
        assert not INDEX_OF_CSV.fullmatch(name)
