from .activations.build import activation_gain, make_activation
from .activations.catalogue import (
    get_activation,
    list_activations,
    register_activation,
    unregister_activation,
)
from .activations.entry import Activation, Range
from .activations.frame import activations_frame
from .activations.param_grids import (
    activation_distributions,
    activation_grid,
    suggest_activation,
)
from .analysis.comparison import Comparison, compare
from .analysis.diagnosis import Diagnosis, diagnose
from .analysis.finding import Finding
from .backend.context import fused
from .callbacks.activation_monitor import ActivationMonitor
from .callbacks.training_log import TrainingLog
from .deploying.onnx_export import to_onnx
from .exceptions import DivergedError, UnscaledInputWarning
from .nets.estimators import ActMLP, ActMLPBinary, ActMLPRegressor
from .network.mlp import MLP
from .quick_search.result import SearchResult
from .quick_search.search import search
from .results.checkpoints import checkpoints, reduce_checkpoints
from .results.frames import to_frame
from .results.optuna_trials import params_of_trial
from .results.storage import load_results, save_results
from .visualization.activation_display import ActivationDisplay
from .visualization.comparison_display import ComparisonDisplay
from .visualization.hiplot_experiment import to_hiplot
from .visualization.hiplot_server import hiplot_fetcher
from .visualization.search_display import SearchDisplay
from .visualization.training_display import TrainingDisplay

__version__: str

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
    "SearchDisplay",
    "SearchResult",
    "TrainingDisplay",
    "TrainingLog",
    "UnscaledInputWarning",
    "activation_distributions",
    "activation_gain",
    "activation_grid",
    "activations_frame",
    "checkpoints",
    "compare",
    "diagnose",
    "fused",
    "get_activation",
    "hiplot_fetcher",
    "list_activations",
    "load_results",
    "make_activation",
    "params_of_trial",
    "reduce_checkpoints",
    "register_activation",
    "save_results",
    "search",
    "suggest_activation",
    "to_frame",
    "to_hiplot",
    "to_onnx",
    "unregister_activation",
]
