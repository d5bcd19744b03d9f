"""Find the right activation, width and learning rate for an MLP with scikit-learn."""

from skact.activation_display import ActivationDisplay
from skact.activations import (
    Activation,
    Range,
    get_activation,
    list_activations,
    register_activation,
    unregister_activation,
)
from skact.backend import fused
from skact.catalogue import activations_frame
from skact.comparison import Comparison, compare
from skact.comparison_display import ComparisonDisplay
from skact.diagnosis import Diagnosis, Finding, diagnose
from skact.estimators import ActMLP, ActMLPBinary, ActMLPRegressor
from skact.exceptions import DivergedError
from skact.frames import to_frame
from skact.grids import activation_distributions, activation_grid, suggest_activation
from skact.mlp import MLP
from skact.monitor import ActivationMonitor
from skact.quick_search import SearchResult, search
from skact.saving import load_results, save_results
from skact.server import hiplot_fetcher
from skact.specs import activation_gain, make_activation
from skact.training_display import TrainingDisplay
from skact.training_log import TrainingLog
from skact.views import to_hiplot

__version__ = "0.1.0.dev0"

__all__ = [
    "MLP",
    "ActMLP",
    "ActMLPBinary",
    "ActMLPRegressor",
    "Activation",
    "ActivationDisplay",
    "ActivationMonitor",
    "Comparison",
    "ComparisonDisplay",
    "Diagnosis",
    "DivergedError",
    "Finding",
    "Range",
    "SearchResult",
    "TrainingDisplay",
    "TrainingLog",
    "activation_distributions",
    "activation_gain",
    "activation_grid",
    "activations_frame",
    "compare",
    "diagnose",
    "fused",
    "get_activation",
    "hiplot_fetcher",
    "list_activations",
    "load_results",
    "make_activation",
    "register_activation",
    "save_results",
    "search",
    "suggest_activation",
    "to_frame",
    "to_hiplot",
    "unregister_activation",
]
