"""Find the right activation, width and learning rate for an MLP with scikit-learn."""

from skact.activations.build import activation_gain, make_activation
from skact.activations.catalogue import (
    get_activation,
    list_activations,
    register_activation,
    unregister_activation,
)
from skact.activations.entry import Activation, Range
from skact.activations.frame import activations_frame
from skact.activations.param_grids import (
    activation_distributions,
    activation_grid,
    suggest_activation,
)
from skact.analysis.comparison import Comparison, compare
from skact.analysis.diagnosis import Diagnosis, Finding, diagnose
from skact.backend.context import fused
from skact.callbacks.activation_monitor import ActivationMonitor
from skact.callbacks.training_log import TrainingLog
from skact.exceptions import DivergedError
from skact.nets.estimators import ActMLP, ActMLPBinary, ActMLPRegressor
from skact.network.mlp import MLP
from skact.quick_search.result import SearchResult
from skact.quick_search.search import search
from skact.results.frames import to_frame
from skact.results.optuna_trials import params_of_trial
from skact.results.storage import load_results, save_results
from skact.visualization.activation_display import ActivationDisplay
from skact.visualization.comparison_display import ComparisonDisplay
from skact.visualization.hiplot_experiment import to_hiplot
from skact.visualization.hiplot_server import hiplot_fetcher
from skact.visualization.training_display import TrainingDisplay

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
    "params_of_trial",
    "register_activation",
    "save_results",
    "search",
    "suggest_activation",
    "to_frame",
    "to_hiplot",
    "unregister_activation",
]
