"""What a fit uses late, or not at all, is tried before it: loaders and predictions."""

from typing import Any

import numpy as np
import torch
from skorch import NeuralNetBinaryClassifier
from skorch.dataset import Dataset
from torch.utils.data import DataLoader

from skact._skorch import PREDICTION_METHODS, overridden_method
from skact.engine.batches import to_tensor
from skact.global_rng import seed_generators_temporarily
from skact.naming import short_name
from skact.nets.components import device_of
from skact.nets.prediction import apply_nonlinearity, check_columns
from skact.parameters.criterion_checks import check_some_row_counts
from skact.parameters.rows import Rows, TrainingData

_METHODS = PREDICTION_METHODS | {
    *("initialize_module", "initialize_criterion"),
    *("forward_iter", "predict_proba"),
}


def has_late_parts(net: Any) -> bool:
    """Whether a net has other parts than usual that a fit uses late, or not at all."""
    return (
        net.criterion is not net._engine_criterion
        or not isinstance(net.predict_nonlinearity, str)
        or any(key.startswith(("criterion__", "iterator_valid__")) for key in vars(net))
    )


def try_late_parts(net: Any, rows: Rows) -> None:
    """Raise before a fit at a part with which the fit, or its net, would fail.

    Parameters
    ----------
    net : BaseNet
        Initialized.
    rows : Rows
        Of the fit.

    Raises
    ------
    TypeError, ValueError
    """
    check_some_row_counts(net, rows.targets, rows.sample_weight)
    options = net.get_params_for("iterator_valid")
    if options and (net.iterator_valid, net.dataset) == (DataLoader, Dataset):
        net.get_iterator(TrainingData.of_rows(rows), training=False)
    is_usual = type(getattr(net, "criterion_", None)) is net._engine_criterion
    if not (is_usual and isinstance(net.predict_nonlinearity, str)):
        _try_to_predict(net, rows)


def _try_to_predict(net: Any, rows: Rows) -> None:
    """Raise if what predictions make of outputs has another shape, or no value."""
    if overridden_method(net, _METHODS) is not None:
        return
    module, was_training = net.module_, net.module_.training
    module.eval()
    try:
        with torch.no_grad(), seed_generators_temporarily(0, device_of(net)):
            outputs = net.infer(to_tensor(rows.X[:2]))
            # a logarithm has values for some of these
            values = apply_nonlinearity(net, torch.cat([outputs, -outputs]))
    finally:
        module.train(was_training)
    is_binary = isinstance(net, NeuralNetBinaryClassifier)
    check_columns(net, values, 2 if is_binary else net.n_outputs_)
    if not np.isfinite(values).any() and outputs.isfinite().all():
        raise ValueError(
            f"The 'predict_nonlinearity' parameter of {type(net).__name__} must give "
            f"finite values, but {short_name(net.predict_nonlinearity)} gives "
            f"{values.flat[0]}."
        )
