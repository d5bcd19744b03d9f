"""skorch's own tests of nets and callbacks, on skact's nets."""

import importlib
import re
import sys
import types
import warnings
from pathlib import Path

import numpy as np
import pytest
import skorch
import torch
from skorch.dataset import ValidSplit
from torch import nn

from skact import ActMLP, ActMLPBinary, ActMLPRegressor

GUIDE = Path(__file__).parents[2] / "docs" / "guide" / "from_skorch.md"

FIFTH = ValidSplit(5)


class _OfTheirModule:
    """A net of skact whose module is that of skorch's test, with skorch's defaults."""

    _criterion: type[nn.Module]

    def __init__(self, module, train_split=FIFTH, **kwargs):
        defaults = {
            "criterion": self._criterion,
            "optimizer": torch.optim.SGD,
            "max_epochs": 10,
            "shuffle": False,
            "verbose": 1,
            "random_state": 0,  # their fixture seeds only the global generators
        }
        super().__init__(
            train_split=train_split,
            **{**defaults, **kwargs},
        )
        self.module = module

    def _check_parameters(self):
        for_module = {k: v for k, v in vars(self).items() if k.startswith("module__")}
        for name in for_module:
            del self.__dict__[name]
        try:
            super()._check_parameters()
        finally:
            self.__dict__.update(for_module)

    def initialize(self, X=None, y=None):
        if X is None and not hasattr(self, "n_outputs_"):
            X, y = self._data_of_their_module()
        return super().initialize(X, y)

    def _data_of_their_module(self):
        """Return rows that fit the module: skact's `initialize` needs some."""
        with torch.random.fork_rng():
            module = self.initialized_instance(
                self.module, self.get_params_for("module")
            )
        sizes = [p.shape for p in module.parameters() if p.ndim == 2]
        n_features, n_outputs = (sizes[0][1], sizes[-1][0]) if sizes else (20, 2)
        X = np.zeros((2 * n_outputs, n_features), np.float32)
        return X, self._targets_of(n_outputs)

    def _targets_of(self, n_outputs):
        return np.arange(2 * n_outputs) % n_outputs

    def initialize_module(self):
        return skorch.NeuralNet.initialize_module(self)


class NeuralNetClassifier(_OfTheirModule, ActMLP):
    _criterion = nn.NLLLoss


class NeuralNetBinaryClassifier(_OfTheirModule, ActMLPBinary):
    _criterion = nn.BCEWithLogitsLoss

    def _targets_of(self, n_outputs):
        return np.arange(2 * n_outputs) % 2


class NeuralNetRegressor(_OfTheirModule, ActMLPRegressor):
    _criterion = nn.MSELoss

    def _targets_of(self, n_outputs):
        return np.zeros((2 * n_outputs, n_outputs), np.float32)


OURS = [NeuralNetClassifier, NeuralNetBinaryClassifier, NeuralNetRegressor]

# a row of the guide's table of differences: their tests that want the other side
NOT_OURS = {
    "set_params": """
        Net_NeuralNet::test_changing_model_reinitializes_optimizer
        Net_NeuralNet::test_reinitializing_module_optimizer_message[kwargs2-
        Net_NeuralNet::test_reinitializing_module_optimizer_message[kwargs4-
        Net_NeuralNet::test_reinitializing_module_optimizer_when_initialized_message[kwargs3-
        Net_NeuralNet::test_reinitializing_module_optimizer_when_initialized_message[kwargs4-
        Net_NeuralNet::test_set_params_on_custom_module
        Net_NeuralNet::test_set_params_on_custom_module_triggers_reinit_of_criterion_and_optimizer
        Net_NeuralNet::test_modules_reinit_when_both_initialized_but_custom_module_changed
        Net_NeuralNet::test_criteria_reinit_when_both_initialized_but_custom_criterion_changed
        Net_TorchCompile::test_compile_called_after_set_params
        Net_TorchCompile::test_compile_called_after_set_params_on_compile_param
        Training_InputShapeSetter::test_shape_set
        Training_InputShapeSetter::test_shape_set_using_fn
        Training_InputShapeSetter::test_parameter_name
        Training_InputShapeSetter::test_no_module_reinit_partial_fit
    """,
    "keywords": """
        Net_NeuralNet::test_predict_nonlinearity_type_error
        Scoring_ScoringCacheGlobalControl::test_net_use_caching_wrong_value_raises
        Net_NeuralNet::test_net_init_one_unknown_argument
        Net_NeuralNet::test_net_init_two_unknown_arguments
        Net_NeuralNet::test_net_init_missing_dunder_in_prefix_argument
        Net_NeuralNet::test_net_init_missing_dunder_in_2_prefix_arguments
        Net_NeuralNet::test_net_init_missing_dunder_and_unknown
        Net_NeuralNet::test_initializing_net_with_custom_history
        Net_NeuralNet::test_net_initialized_with_initalized_dataset_and_kwargs_raises
        Net_NeuralNet::test_moving_custom_modules_to_device
        Net_NeuralNet::test_set_params_on_custom_module_preserves_its_device
        Net_TorchCompile::test_compile_missing_dunder_in_prefix_arguments
        Net_NeuralNet::test_set_params_on_custom_criterion_with_default_criterion_params_msg
        Scoring_LossScoring::test_nonnull_sample_weight_raises
        Scoring_LossScoring::test_scored_net_output_type
        Scoring_LossScoring::test_score_on_net_fit
        Scoring_LossScoring::test_scored_net_matches_criterion_value
        Scoring_LossScoring::test_scored_net_with_reduction_none
        Scoring_LossScoring::test_score_unknown_reduction_raises
        Training_EarlyStopping::test_wrong_threshold_mode
    """,
    "not_fitted": """
        Net_NeuralNet::test_not_init_raises
        Regressor_NeuralNetRegressor::test_not_init_raises
    """,
    "input": """
        Net_NeuralNet::test_net_variable_prediction_lengths
        Net_NeuralNet::test_net_variable_label_lengths
        Net_NeuralNet::test_predefined_split
        Net_NeuralNet::test_fit_params_passed_to_module
        Net_NeuralNet::test_fit_params_passed_to_module_in_pipeline
        Net_NeuralNet::test_data_dict_and_fit_params
        Net_NeuralNet::test_data_dict_and_fit_params_conflicting_names_raises
        Net_NeuralNet::test_fit_with_dataset_X_y_inaccessible_does_not_raise
        Net_NeuralNet::test_fit_with_dataset_stratified_without_explicit_y_raises
        Net_NeuralNet::test_fit_with_dataset_one_item_error
        Net_NeuralNet::test_fit_with_dataset_three_items_error
        Net_MetadataRouting::test_fit_with_extra_params_and_routing
        Net_MetadataRouting::test_partial_fit_with_extra_params_and_routing
        Net_MetadataRouting::test_fit_with_extra_params_does_not_break_valid_split
        Net_MetadataRouting::test_undeclared_param_rejected_by_routing
        Net_MetadataRouting::test_pipeline_with_dict_x_and_groups_routing
        Classifier_NeuralNet::test_error_when_classes_could_not_be_inferred
        Dataset_NetWithoutY::test_net_1d_custom_loader
        Dataset_NetWithoutY::test_net_2d_custom_loader
        Dataset_NetWithPandas::test_fit_predict_proba
        Scoring_EpochScoring::test_without_target_data_works
        Scoring_EpochScoring::test_net_input_is_scoring_input
        Scoring_BatchScoring::test_without_target_data_works
        Training_InputShapeSetter::test_one_dimensional_x_raises
    """,
    "diverged": """
        Net_NeuralNet::test_with_initialized_module_other_params
        Net_NeuralNet::test_fit_params_passed_to_train_split
        Net_MetadataRouting::test_groups_routed_to_train_split
        Net_MetadataRouting::test_pipeline_with_routing_enabled
        Net_MetadataRouting::test_backward_compat_fit_params_to_train_split
        Training_ParamMapper::test_freezing_is_effective[mod_kwargs1-True]
        Training_InputShapeSetter::test_module_name
        Training_InputShapeSetter::test_no_module_reinit_when_already_correct
    """,
    "repr": """
        Net_NeuralNet::test_repr_uninitialized_works
        Net_NeuralNet::test_repr_initialized_works
        Net_NeuralNet::test_repr_fitted_works
    """,
    "prediction": """
        Net_NeuralNet::test_predict_nonlinearity_called_with_predict
        Net_NeuralNet::test_predict_nonlinearity_called_with_predict_proba
        Net_NeuralNet::test_multioutput_forward_iter
        Scoring_EpochScoring::test_with_caching_get_iterator_not_called[False-5]
        Scoring_ScoringCacheGlobalControl::test_net_overrides_caching[auto]
        Scoring_ScoringCacheGlobalControl::test_net_overrides_caching[False]
        Dataset_TrainSplitIsUsed::test_steps_called_with_split_data
    """,
    "regressor": """
        Regressor_NeuralNetRegressor::test_predict_predict_proba
        Regressor_NeuralNetRegressor::test_dimension_mismatch_warning
        Regressor_NeuralNetRegressor::test_fitting_with_1d_target_and_pred
        Regressor_NeuralNetRegressor::test_bagging_regressor
    """,
    "labels": """
        Scoring_PassthrougScoring::test_correct_valid_pass_through_scores
        Scoring_PassthrougScoring::test_correct_train_pass_through_scores
        Classifier_NeuralNet::test_pass_classes_explicitly_overrides
        Classifier_NeuralNet::test_pass_empty_classes_raises
    """,
    "loss": """
        Net_NeuralNet::test_custom_criterion_is_init_when_default_criterion_already_is
    """,
    "dtype": """
        Net_NeuralNet::test_optimizer_initialized_after_module_moved_to_device
    """,
}
# other reasons not to run a test
NOT_RUN = {
    "takes its seed from the clock": """
        Net_NeuralNet::test_fit_lbfgs_optimizer
    """,
    "needs safetensors, which skact does not": """
        Net_NeuralNet::test_save_load_state_dict_file[True]
        Net_NeuralNet::test_save_load_state_dict_str[True]
        Net_NeuralNet::test_save_load_safetensors_used
        Net_NeuralNet::test_save_optimizer_with_safetensors_raises
        Net_NeuralNet::test_save_and_load_from_checkpoint[True-True]
        Net_NeuralNet::test_save_and_load_from_checkpoint[True-False]
        Net_NeuralNet::test_save_and_load_from_checkpoint_formatting[True]
        Net_NeuralNet::test_save_load_state_dict_custom_module[True]
        Training_LoadInitState::test_load_initial_state[safetensors]
        Training_LoadInitState::test_load_initial_state_custom_scoring[safetensors]
    """,
    "needs files that skorch's package does not bring": """
        Net_NeuralNet::test_pickle_load
        Net_NeuralNet::test_load_cuda_params_to_cpu
    """,
    "takes half a minute, in torch's compiler": """
        Net_TorchCompile::test_fit_and_predict_with_compile
        Net_TorchCompile::test_binary_classifier_with_compile
    """,
}

REASONS = {
    **{
        test: pytest.mark.xfail(reason=f"guide, coming from skorch: {row}", strict=True)
        for row, tests in NOT_OURS.items()
        for test in tests.split("\n")
    },
    **{
        test: pytest.mark.skip(reason)
        for reason, tests in NOT_RUN.items()
        for test in tests.split("\n")
    },
}
REASONS = {test.strip(): mark for test, mark in REASONS.items()}

# the files of skorch's tests, and the classes there that use nets (None: all of them);
# test_history has none, it tests skorch's History by itself
_FILES = {
    "test_net": None,
    "test_classifier": None,
    "test_regressor": None,
    "test_scoring": None,
    "test_setter": None,
    "test_dataset": {"TestNetWithoutY", "TestTrainSplitIsUsed", "TestNetWithPandas"},
    "callbacks.test_logging": None,
    "callbacks.test_lr_scheduler": None,
    "callbacks.test_regularization": None,
    "callbacks.test_scoring": None,
    "callbacks.test_training": None,
}


def _import_their_tests(name):
    """Import a file of skorch's tests; it needs `flaky`, which repeats tests."""
    flaky = types.ModuleType("flaky")
    flaky.flaky = lambda test=None, **_: test if callable(test) else lambda test: test
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        patch.setitem(sys.modules, "flaky", flaky)
        return importlib.import_module(f"skorch.tests.{name}")


_THEIRS = {file: _import_their_tests(file) for file in _FILES}
for _file, _module in _THEIRS.items():
    _title = _file.rpartition("test_")[2].title().replace("_", "")
    for _name, _class in list(vars(_module).items()):
        if _name.startswith("Test") and (_FILES[_file] or {_name}) >= {_name}:
            globals()[f"TestTheir{_title}_{_name[4:]}"] = type(_name, (_class,), {})

# their fixtures
for _name, _fixture in vars(importlib.import_module("skorch.tests.conftest")).items():
    # pytest 8.4 made fixtures a class; before, they are functions with an attribute
    if "Fixture" in type(_fixture).__name__ or hasattr(
        _fixture, "_pytestfixturefunction"
    ):
        globals()[_name] = _fixture

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(autouse=True, scope="module")
def _our_nets():
    """Put skact's nets in the place of skorch's."""
    with pytest.MonkeyPatch.context() as patch:
        for ours in OURS:
            for module in (skorch, *_THEIRS.values()):
                if hasattr(module, ours.__name__):
                    patch.setattr(module, ours.__name__, ours)
        yield


@pytest.fixture(autouse=True)
def _own_folder(tmp_path, monkeypatch):
    """Some of their tests write files into the working directory."""
    monkeypatch.chdir(tmp_path)


def test_each_reason_is_a_row_of_the_table_of_differences():
    rows = set(re.findall(r"^\| `(\w+)` \|", GUIDE.read_text("utf8"), re.MULTILINE))
    assert NOT_OURS.keys() <= rows
    tests = [
        (_class, name)
        for _class in globals()
        if _class.startswith("TestTheir")
        for name in dir(globals()[_class])
    ]
    known = {f"{_class.removeprefix('TestTheir')}::{name}" for _class, name in tests}
    assert {test.partition("[")[0] for test in REASONS if test} <= known
