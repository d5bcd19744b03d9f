"""Published figures of plain multilayer perceptrons on the tables of SKACT_DATA.

They stem from other splits, and mostly from larger, tuned networks with early stopping:
neighbours to look at, not targets.
"""

from typing import NamedTuple

SELU_PAPER = "Klambauer et al. 2017, arXiv:1706.02515, table A11, tuned"
TABM_PAPER = "MLP of the TabM paper, arXiv:2410.24210, tuned, 15 seeds"
DROPOUT_REPO = "github.com/yaringal/DropoutUncertaintyExps, of arXiv:1506.02142"
# The authors' report files (yandex-research/tabular-dl-tabr, exp/mlp/diamond) give R^2
# .9802 beside RMSE .1406: the price in units of its deviation, which is 3,989.4 here.
DIAMONDS_UNIT = 3989.4


class Figure(NamedTuple):
    what: str
    value: float  # accuracy for classes, root mean squared error for numbers
    std: float | None  # if it is published
    source: str


PUBLISHED: dict[str, tuple[Figure, ...]] = {
    "adult": (
        Figure("relu, official test rows", 0.8540, 0.0018, TABM_PAPER),
        Figure("relu", 0.8487, None, SELU_PAPER),
        Figure("selu", 0.8476, None, SELU_PAPER),
    ),
    "bank_marketing": (
        Figure("relu, version of 4,521 rows", 0.8876, None, SELU_PAPER),
        Figure("selu, version of 4,521 rows", 0.8903, None, SELU_PAPER),
    ),
    "churn_modelling": (Figure("relu", 0.8553, 0.0028, TABM_PAPER),),
    "credit_g": (
        Figure("relu", 0.7280, None, SELU_PAPER),
        Figure("selu", 0.7560, None, SELU_PAPER),
    ),
    "covtype_sub": (),  # an excerpt: nothing published is of these rows
    "electricity": (),
    "higgs_tiny": (),  # an excerpt
    "magic": (
        Figure("relu", 0.8629, None, SELU_PAPER),
        Figure("selu", 0.8692, None, SELU_PAPER),
    ),
    "satimage": (
        Figure("relu", 0.9075, None, SELU_PAPER),
        Figure("selu", 0.9100, None, SELU_PAPER),
    ),
    "spambase": (
        Figure("relu", 0.9461, None, SELU_PAPER),
        Figure("selu", 0.9409, None, SELU_PAPER),
    ),
    "california_housing": (Figure("relu", 0.4948, 0.0056, TABM_PAPER),),
    "diamonds": (
        Figure("relu", 0.1404 * DIAMONDS_UNIT, 0.0011 * DIAMONDS_UNIT, TABM_PAPER),
    ),
    "protein": (
        Figure("relu, 100 units, dropout", 4.388, 0.036, DROPOUT_REPO),
        Figure("relu, 2 x 100 units, dropout", 3.640, 0.048, DROPOUT_REPO),
    ),
    "wine_quality": (
        Figure("relu, rows of Grinsztajn et al. 2022", 0.6707, None, TABM_PAPER),
    ),
}
