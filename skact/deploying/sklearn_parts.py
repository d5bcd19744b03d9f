"""scikit-learn's parts of a model, written and read by skops.

skops trusts scikit-learn's estimators, and numpy's and scipy's functions of arrays.
What it does not trust is read only if it is on the list below, or on the user's.
"""

import importlib
import warnings
from collections.abc import Collection
from typing import Any

from sklearn.exceptions import InconsistentVersionWarning

from skact.deploying.model_files import check_matrices, unpack
from skact.deploying.net_places import NetPlace

# Types that hold numbers and texts, and run nothing when they are built; and functions
# of arrays. Not here are trees, also those of neighbours, and sparse matrices: wrong
# numbers in one can end the process.
TRUSTED = (
    f"{NetPlace.__module__}.{NetPlace.__qualname__}",
    "skact.quick_search.numbers.NumberEncoder",
    "skact.quick_search.pipelines.SearchPipeline",
    "skact.quick_search.pipelines.StandardisedPipeline",
    "skact.quick_search.tables.TableEncoder",
    "numpy.dtype",
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
    "sklearn.calibration._TemperatureScaling",
    "sklearn.compose._column_transformer.make_column_selector",
    "sklearn.feature_selection._mutual_info.mutual_info_classif",
    "sklearn.feature_selection._mutual_info.mutual_info_regression",
    "sklearn.feature_selection._univariate_selection.chi2",
    "sklearn.feature_selection._univariate_selection.f_classif",
    "sklearn.feature_selection._univariate_selection.f_regression",
    "sklearn.metrics._classification.accuracy_score",
    "sklearn.metrics._classification.balanced_accuracy_score",
    "sklearn.metrics._classification.f1_score",
    "sklearn.metrics._ranking.roc_auc_score",
    "sklearn.metrics._regression.r2_score",
    "sklearn.metrics._scorer._CurveScorer",
    "sklearn.metrics._scorer._PassthroughScorer",
    "sklearn.metrics._scorer._Scorer",
    "sklearn.model_selection._split.GroupKFold",
    "sklearn.model_selection._split.KFold",
    "sklearn.model_selection._split.RepeatedKFold",
    "sklearn.model_selection._split.RepeatedStratifiedKFold",
    "sklearn.model_selection._split.ShuffleSplit",
    "sklearn.model_selection._split.StratifiedGroupKFold",
    "sklearn.model_selection._split.StratifiedKFold",
    "sklearn.model_selection._split.StratifiedShuffleSplit",
    "sklearn.model_selection._split.TimeSeriesSplit",
    "sklearn.multiclass._ConstantPredictor",
    "sklearn.utils._bunch.Bunch",
    "sklearn.utils._metadata_requests.MetadataRequest",
    "sklearn.utils._metadata_requests.MethodMetadataRequest",
)


class NotTrustedError(ValueError):
    """A file holds types that nobody trusts.

    Parameters
    ----------
    types : list of str
    """

    def __init__(self, types: list[str]) -> None:
        super().__init__(", ".join(types))
        self.types = types


def write_parts(estimator: Any) -> bytes:
    """Return an estimator, whose nets are elsewhere, as skops writes it."""
    from skops.io import dumps

    return dumps(estimator)


def types_to_trust(content: bytes) -> list[str]:
    """Return the types in what `write_parts` returned that only a user can trust."""
    from skops.io import get_untrusted_types

    return [one for one in get_untrusted_types(data=content) if one not in TRUSTED]


def missing_types(types: Collection[str]) -> list[str]:
    """Return the types, out of those of the user's own estimator, that have no name."""
    return [one for one in types if not _has_name(one)]


def _has_name(full_name: str) -> bool:
    module, _, name = full_name.rpartition(".")
    try:
        getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError):
        return False
    return True


def read_parts(content: bytes, trusted: Collection[str]) -> Any:
    """Return the estimator that `write_parts` wrote.

    Raises
    ------
    NotTrustedError
        If it holds a type that is neither known nor among `trusted`.
    ValueError
        If it is damaged.
    """
    from skops.io import loads

    check_matrices(unpack(content))
    left = [one for one in types_to_trust(content) if one not in trusted]
    if left:
        raise NotTrustedError(left)
    with warnings.catch_warnings():
        # `load_model` says it once, and not once for each estimator
        warnings.simplefilter("ignore", InconsistentVersionWarning)
        return loads(content, trusted=[*TRUSTED, *trusted])
