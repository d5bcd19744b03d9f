"""Find faults of a training by rules on recorded values, and describe them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from skact.analysis.diagnosis_rules import FAILED, Finding, findings_of_fit
from skact.naming import name_values
from skact.results.epochs import names_in_net
from skact.results.frames import to_frame
from skact.results.histories import net_of
from skact.results.schema import schema_of_frame


@dataclass(frozen=True)
class Diagnosis:
    """The faults that `diagnose` found; it prints them as sentences.

    Parameters
    ----------
    findings : list of (dict, Finding)
        Each dict has the ids and parameters of the candidate, net or fit.
    looked_at : str
        A sentence that says which values the rules have read.

    Examples
    --------
    >>> found = Diagnosis([], "Looked at 3 epochs.")
    >>> bool(found), str(found)
    (False, 'Nothing wrong was found. Looked at 3 epochs.')
    """

    findings: list[tuple[dict[str, Any], Finding]]
    looked_at: str

    def to_frame(self) -> pd.DataFrame:
        """Return a frame with a row for each finding."""
        rows = [
            {
                **where,
                "layer": finding.layer,
                "kind": finding.kind,
                "text": finding.text,
                "advice": finding.advice,
                **finding.figures,
            }
            for where, finding in self.findings
        ]
        frame = pd.DataFrame(rows)
        return frame.astype({"layer": "Int64"}) if rows else frame

    def __bool__(self) -> bool:
        return bool(self.findings)

    def __str__(self) -> str:
        if not self.findings:
            return f"Nothing wrong was found. {self.looked_at}"
        alike: dict[tuple[str, str, str], list[Finding]] = {}
        for where, finding in self.findings:
            heading = ", ".join(f"{name}={value}" for name, value in where.items())
            key = (heading, finding.kind, finding.advice)
            alike.setdefault(key, []).append(finding)
        groups: dict[str, list[str]] = {}
        for (heading, *_), found in alike.items():
            groups.setdefault(heading, []).append(_describe_layers(found))
        lines = []
        for heading, texts in groups.items():
            lines += [heading] if heading else []
            lines += [f"{'  ' if heading else ''}{text}" for text in texts]
        return "\n".join([*lines, self.looked_at])


def diagnose(obj: Any) -> Diagnosis:
    """Describe the faults of a training, and say what to try.

    Parameters
    ----------
    obj : fitted net, pipeline, search, loaded results, or several of them
        All that :func:`~skact.to_frame` takes with ``level="epoch"``, or such a frame.
        Without an :class:`~skact.ActivationMonitor` on the net, only the losses are
        read. The net of a search needs a :class:`~skact.TrainingLog`. A net whose fit
        has failed can be diagnosed, too.

    Returns
    -------
    Diagnosis
        It can be printed. It is false if no fault was found.

    Notes
    -----
    The rules read values that :class:`~skact.ActivationMonitor` records. Where a rule
    names no epoch, the last epoch counts:

    ============== ===============================================================
    diverged       the loss became NaN or infinite
    dead units     ``dead_k`` is .4 or more in the last two epochs
    saturated      ``saturated_k`` is .5 or more in the last two epochs
    vanishing      ``grad_ratio`` was below .01 after the first epoch, or in half of
                   them, with two layers or more
    exploding      ``grad_ratio`` was above 100 after the first epoch, or in half
    rising loss    in the last three epochs the training loss was 1.5 times its minimum
                   or more, and a quarter of what it was after the first
    too slow       no layer changed by more than .001 of itself in half of the epochs
    no learning    in three epochs or more, the training loss fell by less than 2 %
    overfitting    the loss on validation rows, or on the search's fold, is 1.3 times
                   its minimum, while the training loss fell
    ============== ===============================================================

    The advice names the likeliest cause, which is not proven. Causes are, in this
    order: inputs that are not scaled (``preact_std_1`` was above 4 after the first
    epoch, and that epoch did not change the weights by more than their own size);
    `dropout` from .8 on; `weight_decay` from .5 on; ``init="torch"`` with five layers
    or more; otherwise the learning rate.

    A candidate of a search has a fault if more than half of its folds have this fault;
    figures are medians of these folds.

    Raises
    ------
    ValueError, TypeError, NotFittedError
        If there is no training history.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skact import ActivationMonitor, ActMLP, diagnose
    >>> net = ActMLP(
    ...     "relu", lr=5.0, max_epochs=10, random_state=0,
    ...     callbacks=[ActivationMonitor()],
    ... )
    >>> print(diagnose(net.fit(*load_iris(return_X_y=True))).findings[0][1])
    layer 1: 100 % dead units since epoch 1; lr 5 is high for relu: try lr <= 0.1, or \
leaky_relu
    """
    frame = obj if isinstance(obj, pd.DataFrame) else to_frame(obj, level="epoch")
    schema = schema_of_frame(frame, "epoch")
    if "epoch" not in schema.ids:
        raise ValueError("obj must have epochs: a frame needs the column 'epoch'.")
    recorded = schema.results
    tried = {*schema.params, *schema.resources}
    params = [name for name in frame.columns if name in tried]
    base, in_net = _parameters_of_net(obj), names_in_net(obj, params)
    findings: list[tuple[dict[str, Any], Finding]] = []
    # columns that tell fits apart in frames of searches, of several nets, and of logs
    keys = [name for name in schema.ids if name not in ("epoch", "refit")]
    several = [name for name in keys if name != "fold"]
    for _, rows in _group_rows(frame, several):
        where = {name: rows[name].iloc[0] for name in several + params}
        first = {name: rows[label].iloc[0] for label, name in in_net.items()}
        own = {**base, **{k: v for k, v in first.items() if not pd.isna(v)}}
        fits = [fit for _, fit in _group_rows(rows, [x for x in keys if x == "fold"])]
        found = [findings_of_fit(fit[["epoch", *recorded]], own) for fit in fits]
        findings += [(where, finding) for finding in _findings_of_most_folds(found)]
    monitored = "ActivationMonitor" in str(base.get("callbacks", ""))
    return Diagnosis(findings, _describe_what_was_read(frame, recorded, monitored))


def _describe_what_was_read(
    frame: pd.DataFrame, recorded: Sequence[str], monitored: bool
) -> str:
    layers = [name for name in recorded if name.startswith("dead_")]
    n_epochs = f"Looked at {len(frame)} epochs"
    if not layers and not monitored:
        return (
            f"{n_epochs}, and at losses alone: with callbacks=[ActivationMonitor()] "
            f"the net records what its layers do."
        )
    return f"{n_epochs} and {len(layers)} hidden layer{'s' if len(layers) > 1 else ''}."


def _parameters_of_net(obj: Any) -> dict[str, Any]:
    """Return the parameters of the net; no parameters if there is no net."""
    net = net_of(getattr(obj, "estimator", obj))
    if not hasattr(net, "get_params"):
        return {}
    params = net.get_params(deep=False)
    named = dict(zip(params, name_values(params.values()), strict=True))
    # a net that diverged is not initialized any more, but it has a history
    return {**named, FAILED: getattr(net, "initialized_", True) is False}


def _group_rows(
    frame: pd.DataFrame, names: Sequence[str]
) -> Iterator[tuple[Any, pd.DataFrame]]:
    if not names:
        yield (), frame
        return
    yield from frame.groupby(list(names), sort=False, dropna=False)


def _findings_of_most_folds(
    found_in_folds: Sequence[Sequence[Finding]],
) -> list[Finding]:
    """Return faults of more than half of the folds, with medians of their figures."""
    n_folds = len(found_in_folds)
    if n_folds == 1:
        return list(found_in_folds[0])
    kinds: dict[tuple, list[Finding]] = {}
    for found in found_in_folds:
        for finding in found:
            kinds.setdefault((finding.kind, finding.layer), []).append(finding)
    kept = []
    for alike in kinds.values():
        if 2 * len(alike) <= n_folds:
            continue
        # text and advice are those of the middle fold; figures are medians of all folds
        alike.sort(key=lambda finding: next(iter(finding.figures.values()), 0.0))
        middle = alike[len(alike) // 2]
        figures = {
            name: float(np.median([one.figures[name] for one in alike]))
            for name in middle.figures
        }
        text = f"{middle.text} (in {len(alike)} of {n_folds} folds)"
        kept.append(Finding(middle.kind, text, middle.advice, figures, middle.layer))
    return kept


def _describe_layers(alike: Sequence[Finding]) -> str:
    """Describe the same fault of several layers by the worst of these layers."""
    if len(alike) == 1:
        return str(alike[0])
    worst = max(alike, key=lambda finding: next(iter(finding.figures.values()), 0.0))
    layers = ", ".join(str(finding.layer) for finding in alike)
    return f"layers {layers}: {worst.text}, or fewer; {worst.advice}"
