"""What is wrong with a training, in plain words: rules on what the monitor recorded."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from skact.analysis.diagnosis_rules import FAILED, Finding, findings_of_fit
from skact.naming import name_values
from skact.results.frames import to_frame
from skact.results.histories import net_of
from skact.results.schema import schema_of


@dataclass(frozen=True)
class Diagnosis:
    """What `diagnose` found; printing it says so in words.

    Parameters
    ----------
    findings : list of (dict, Finding)
        With the parameters and the folds that tell apart the fits of a search.
    looked_at : str
        What the rules had before them.

    Examples
    --------
    >>> found = Diagnosis([], "Looked at 3 epochs.")
    >>> bool(found), str(found)
    (False, 'Nothing wrong was found. Looked at 3 epochs.')
    """

    findings: list[tuple[dict[str, Any], Finding]]
    looked_at: str

    def to_frame(self) -> pd.DataFrame:
        """Return a row a finding."""
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
            said = ", ".join(f"{name}={value}" for name, value in where.items())
            key = (said, finding.kind, finding.advice)
            alike.setdefault(key, []).append(finding)
        groups: dict[str, list[str]] = {}
        for (said, *_), found in alike.items():
            groups.setdefault(said, []).append(_line(found))
        lines = []
        for said, texts in groups.items():
            lines += [said] * bool(said)
            lines += [f"{'  ' * bool(said)}{text}" for text in texts]
        return "\n".join([*lines, self.looked_at])


def diagnose(obj: Any) -> Diagnosis:
    """Say in plain words what is wrong with a training, and what to try.

    Parameters
    ----------
    obj : fitted net, pipeline, search, loaded results, or several of them
        Whatever :func:`~skact.to_frame` takes with ``level="epoch"``, or such a frame.
        For more than the losses, nets need an :class:`~skact.ActivationMonitor`, and
        those of a search a :class:`~skact.TrainingLog`, too. A net whose fit has failed
        can be diagnosed as well.

    Returns
    -------
    Diagnosis
        Print it. It is false if nothing was found.

    Notes
    -----
    The rules, on what :class:`~skact.ActivationMonitor` records; the last epoch counts
    unless another is named:

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

    The learning rate is blamed for what nothing else accounts for: inputs are, if
    ``preact_std_1`` was above 4 after an epoch that has not changed the weights by more
    than themselves; `dropout` from .8 on, `weight_decay` from .5 on, and
    ``init="torch"`` with five layers or more. It is a suspicion, not a proof.

    Of a search each candidate is judged by its folds: what is found in more than half
    of them, with the median of the figures.

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
    if "epoch" not in frame.columns:
        raise ValueError("obj must have epochs: a frame needs the column 'epoch'.")
    schema = schema_of(frame.columns, "epoch")
    recorded = schema.results
    tried = {*schema.params, *schema.resources}
    params = [name for name in frame.columns if name in tried]
    base = _parameters_of(obj)
    findings: list[tuple[dict[str, Any], Finding]] = []
    # what tells fits apart in frames of searches, of several nets, and of logs
    keys = [name for name in schema.ids if name not in ("epoch", "refit")]
    several = [name for name in keys if name != "fold"]
    for _, rows in _grouped(frame, several):
        where = {name: rows[name].iloc[0] for name in several + params}
        own = {**base, **{name: rows[name].iloc[0] for name in params}}
        fits = [fit for _, fit in _grouped(rows, [x for x in keys if x == "fold"])]
        found = [findings_of_fit(fit[["epoch", *recorded]], own) for fit in fits]
        findings += [(where, finding) for finding in _common(found)]
    monitored = "ActivationMonitor" in str(base.get("callbacks", ""))
    return Diagnosis(findings, _looked_at(frame, recorded, monitored))


def _looked_at(frame: pd.DataFrame, recorded: Sequence[str], monitored: bool) -> str:
    layers = [name for name in recorded if name.startswith("dead_")]
    said = f"Looked at {len(frame)} epochs"
    if not layers and not monitored:
        return (
            f"{said}, and at losses alone: with callbacks=[ActivationMonitor()] the "
            f"net records what its layers do."
        )
    return f"{said} and {len(layers)} hidden layer{'s' * (len(layers) > 1)}."


def _parameters_of(obj: Any) -> dict[str, Any]:
    """Return the parameters of the net, as far as there is one."""
    net = net_of(getattr(obj, "estimator", obj))
    if not hasattr(net, "get_params"):
        return {}
    params = net.get_params(deep=False)
    named = dict(zip(params, name_values(params.values()), strict=True))
    # a net that has diverged does not answer, but its history is there
    return {**named, FAILED: getattr(net, "initialized_", True) is False}


def _grouped(
    frame: pd.DataFrame, names: Sequence[str]
) -> Iterator[tuple[Any, pd.DataFrame]]:
    if not names:
        yield (), frame
        return
    yield from frame.groupby(list(names), sort=False, dropna=False)


def _common(found: Sequence[Sequence[Finding]]) -> list[Finding]:
    """Keep what is found in more than half of the fits, with its median figures."""
    if len(found) == 1:
        return list(found[0])
    kinds: dict[tuple, list[Finding]] = {}
    for of_fit in found:
        for finding in of_fit:
            kinds.setdefault((finding.kind, finding.layer), []).append(finding)
    kept = []
    for alike in kinds.values():
        if 2 * len(alike) <= len(found):
            continue
        # the one in the middle tells of itself; the figures are of all
        alike.sort(key=lambda finding: next(iter(finding.figures.values()), 0.0))
        middle = alike[len(alike) // 2]
        figures = {
            name: float(np.median([one.figures[name] for one in alike]))
            for name in middle.figures
        }
        text = f"{middle.text} (in {len(alike)} of {len(found)} folds)"
        kept.append(Finding(middle.kind, text, middle.advice, figures, middle.layer))
    return kept


def _line(alike: Sequence[Finding]) -> str:
    """Say what layers have in common; the worst of them speaks."""
    if len(alike) == 1:
        return str(alike[0])
    worst = max(alike, key=lambda finding: next(iter(finding.figures.values()), 0.0))
    layers = ", ".join(str(finding.layer) for finding in alike)
    return f"layers {layers}: {worst.text}, or fewer; {worst.advice}"
