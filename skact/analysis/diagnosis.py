"""Find faults of a training by rules on recorded values, and describe them."""

import html
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from skact.analysis.diagnosis_rules import findings_of_fit
from skact.analysis.evidence import Evidence
from skact.analysis.finding import Finding
from skact.analysis.given_data import facts_of_given
from skact.analysis.neighbours import Neighbours, neighbours_of
from skact.naming import name_values
from skact.results.epochs import names_in_net
from skact.results.frames import to_frame
from skact.results.histories import net_of
from skact.results.schema import MODEL, schema_of_frame

_SHOWN = 20  # candidates in print; a frame has all


@dataclass(frozen=True, repr=False)
class Diagnosis:
    """The faults that `diagnose` found, the costliest first; it prints as sentences.

    Parameters
    ----------
    findings : list of (dict, Finding)
        Each dict has the ids and parameters of the candidate, net or fit.
    looked_at : str
        What the rules have read, and what they could not see.

    Examples
    --------
    >>> found = Diagnosis([], "Looked at 3 epochs.")
    >>> bool(found), str(found)
    (False, 'Nothing wrong was found. Looked at 3 epochs.')
    >>> found
    <Diagnosis: nothing wrong was found>
    """

    findings: list[tuple[dict[str, Any], Finding]]
    looked_at: str

    def to_frame(self) -> pd.DataFrame:
        """Return a frame with a row for each finding."""
        return pd.DataFrame(
            {
                **where,
                "cause": finding.cause,
                "cost": finding.cost,
                "text": finding.text,
                "advice": finding.advice,
                **finding.figures,
            }
            for where, finding in self.findings
        )

    @property
    def summary(self) -> str:
        """How many faults of which cause."""
        if not self.findings:
            return "nothing wrong was found"
        counts = Counter(finding.cause for _, finding in self.findings).most_common()
        return ", ".join(f"{cause} ({n})" if n > 1 else cause for cause, n in counts)

    def __bool__(self) -> bool:
        return bool(self.findings)

    def __repr__(self) -> str:
        return f"<Diagnosis: {self.summary}>"

    def __str__(self) -> str:
        if not self.findings:
            return f"Nothing wrong was found. {self.looked_at}"
        lines = []
        for heading, found in self._by_heading():
            lines += [heading] if heading else []
            lines += [f"{'  ' if heading else ''}{finding}" for finding in found]
        return "\n".join([*lines, *self._describe_rest(), self.looked_at])

    def _repr_html_(self) -> str:
        # a name of an activation may contain markup
        said = f"Found: {self.summary}." if self else "Nothing wrong was found."
        head = f"<p><b>{html.escape(said)}</b></p>"
        rows = [
            [
                heading,
                finding.cause,
                f"{finding.cost:.2g}",
                finding.text,
                finding.advice,
            ]
            for heading, found in self._by_heading()
            for finding in found
        ]
        titles = ["of", "cause", "at stake", "what shows it", "what to do"]
        if not any(heading for heading, *_ in rows):
            rows, titles = [row[1:] for row in rows], titles[1:]
        style = "text-align: left; white-space: normal; vertical-align: top"
        body = "".join(
            f"<tr>{''.join(f'<td style={style!r}>{html.escape(x)}</td>' for x in row)}"
            f"</tr>"
            for row in rows
        )
        first = "".join(f"<th style={style!r}>{title}</th>" for title in titles)
        table = f"<table><tr>{first}</tr>{body}</table>" if rows else ""
        rest = " ".join([*self._describe_rest(), self.looked_at])
        return f"{head}{table}<p>{html.escape(rest)}</p>"

    def _by_heading(self) -> list[tuple[str, list[Finding]]]:
        groups: dict[str, list[Finding]] = {}
        for where, finding in self.findings:
            heading = ", ".join(f"{name}={value}" for name, value in where.items())
            groups.setdefault(heading, []).append(finding)
        return list(groups.items())[:_SHOWN]

    def _describe_rest(self) -> list[str]:
        n = len({str(where) for where, _ in self.findings}) - _SHOWN
        return [f"... {n} more, in to_frame()."] if n > 0 else []


def diagnose(obj: Any, X: Any = None, y: Any = None) -> Diagnosis:
    """Describe the faults of a training, what causes them, and what to try.

    Parameters
    ----------
    obj : fitted net, pipeline, search, loaded results, or several of them
        All that :func:`~skact.to_frame` takes with ``level="epoch"``, or such a frame.
        The net of a search needs a :class:`~skact.TrainingLog`. A net whose fit has
        failed can be diagnosed, too. With an :class:`~skact.ActivationMonitor` on the
        net, the rules know the scale of X, the loss of a constant output, and what
        layers do; otherwise they read losses and parameters alone.
    X : {array-like, sparse matrix} of shape (n_samples, n_features), default=None
        The training rows, as `fit` got them: their scale, and names of columns.
    y : array-like of shape (n_samples,), default=None
        The y of these rows: the loss of a constant output.

    Returns
    -------
    Diagnosis
        It can be printed. It is false if no fault was found.

    Notes
    -----
    Losses count in units of the loss of the best constant output, which is the entropy
    of the shares of the classes, or the variance of y: a net at 1 has learned nothing.
    The rules ask in this order, and stop where they find a cause. So mend it, train
    again, and diagnose again.

    ================= ==============================================================
    inputs            a column of X is of size 20 or more, or most vary by less than
                      .02; if X is not known: the first loss is above 5
    y                 the variance of y is above 25 or below .001, and the loss is bad
    momentum, high lr momentum from .97 on; 8 times the rate that suits the activation
                      (:func:`~skact.activation_grid`) or more; the loss is above .3,
                      jumps, or starts above 1.5, and does not end below .001; or
                      units are dead or saturated
    dropout           .6 or more, and the loss is above .3
    weight decay      .02 or more (AdamW: 1), and the loss is above .1
    output activation there is one, and the loss is above .2
    depth             five layers or more without norm, and the loss is above .9, or
                      above .3 while gradients vanish
    width             a layer of one or two units, and the loss is above .15
    low lr            an eighth of the rate that suits, or less, and the loss still
                      falls, or is above .9
    initial weights   all are 0; or units are dead from the first epoch on; or the first
                      loss is above 20
    high lr           the loss became NaN or infinite, or goes up and down
    no signal         the held-out loss, or without one the training loss, is never
                      below .98
    overfitting       the held-out loss ends 20 % above its least value, and .15 of
                      a constant's loss, while the training loss fell
    dead units,       from 40 %, 50 % of a layer's units, and the loss is above .9
    saturated units
    epochs            the losses are above .15, or, if no rows are held out, above .8,
                      and fell by .05 in the last fifth; or after three epochs
                      (30 of one batch) or fewer the loss is above .3
    ================= ==============================================================

    Of a search: a candidate has a fault if more than half of its folds have it; figures
    are medians of these folds. No advice goes against the search: if a candidate
    that differs in the advised parameter alone, the advised way, does no better, the
    advice is dropped; if one does better, the advice names it. Otherwise the advice
    adds the best change of one parameter that was tried.

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
    >>> found = diagnose(net.fit(*load_iris(return_X_y=True)))
    >>> found
    <Diagnosis: high lr>
    >>> found.findings[0][1].advice
    'Try lr=0.002.'
    """
    if X is None and callable(own := getattr(obj, "diagnose", None)):
        return own()  # a result of `skact.search` knows which of its rows count
    frame = obj if isinstance(obj, pd.DataFrame) else _epochs_of(obj)
    schema = schema_of_frame(frame, "epoch")
    if "epoch" not in schema.ids:
        raise ValueError("obj must have epochs: a frame needs the column 'epoch'.")
    given = facts_of_given(obj, X, y)
    # what the net has recorded is of its own rows
    frame = frame.assign(**{k: v for k, v in given.facts.items() if k not in frame})
    recorded = dict.fromkeys(["epoch", *schema.results, *given.facts])
    params = [*schema.params, *schema.resources]
    # columns that tell fits apart in frames of searches, of several nets, and of logs
    keys = [name for name in schema.ids if name not in ("epoch", "refit")]
    several = [name for name in keys if name != "fold"]
    neighbours = neighbours_of(obj, frame, several, params)
    in_net, sources = names_in_net(obj, params), _sources_of(obj, frame)
    column_of = {name: label for label, name in in_net.items()}
    findings: list[tuple[dict[str, Any], Finding]] = []
    for key, rows in _group_rows(frame, several):
        where = {name: rows[name].iloc[0] for name in several + params}
        source = sources.get(where.get(MODEL), obj)
        own = _parameters_of_net(source) | {
            name: where[label]
            for name, label in column_of.items()
            if not pd.isna(where[label])
        }
        weigh = partial(neighbours.weigh, key, column_of=column_of)
        known = {**_facts_of_net(source), "largest": given.largest}
        fits = [fit for _, fit in _group_rows(rows, [x for x in keys if x == "fold"])]
        found = [
            findings_of_fit(Evidence(fit[[*recorded]], own, **known), weigh)
            for fit in fits
        ]
        kept = _findings_of_most_folds(found)
        findings += [(where, _at_stake(one, key, neighbours)) for one in kept]
    findings.sort(key=lambda one: -one[1].cost)
    return Diagnosis(findings, _describe_what_was_read(frame))


def _epochs_of(obj: Any) -> pd.DataFrame:
    try:
        return to_frame(obj, level="epoch")
    except ValueError as error:
        start, said = "level='epoch': ", str(error)
        if not said.startswith(start):
            raise
        # the user has not asked for a level
        raise ValueError(f"diagnose needs epochs: {said[len(start) :]}") from None


def _sources_of(obj: Any, frame: pd.DataFrame) -> dict[Any, Any]:
    """Return the net or search of each model of several."""
    several = list(obj.values()) if isinstance(obj, Mapping) else obj
    if MODEL not in frame or not isinstance(several, list | tuple):
        return {}
    models = frame[MODEL].drop_duplicates()
    # a source without epochs has no rows
    return (
        dict(zip(models, several, strict=True)) if len(models) == len(several) else {}
    )


def _at_stake(finding: Finding, key: Any, neighbours: Neighbours) -> Finding:
    cost = neighbours.cost_of(key)
    shown = neighbours.with_best_step(key, finding)
    return shown if cost is None else replace(shown, cost=cost)


def _describe_what_was_read(frame: pd.DataFrame) -> str:
    layers = [name for name in frame if str(name).startswith("dead_")]
    epochs = f"{len(frame)} epoch{'s' * (len(frame) > 1)}"
    more = f" and {len(layers)} hidden layer{'s' * (len(layers) > 1)}" if layers else ""
    said = [f"Looked at {epochs}{more}."]
    if "input_max" not in frame:
        said.append(
            "The scale of X is not known: pass X and y, or give the net "
            "callbacks=[ActivationMonitor()], which also records what its layers do."
        )
    if not {"fold_loss", "valid_loss"} & set(frame):
        said.append(
            "No rows were held out, so overfitting cannot be seen: see train_split and "
            "TrainingLog.scorer."
        )
    return " ".join(said)


def _parameters_of_net(obj: Any) -> dict[str, Any]:
    """Return the parameters of the net; no parameters if there is no net."""
    net = net_of(getattr(obj, "estimator", obj))
    if not hasattr(net, "get_params"):
        return {}
    params = net.get_params(deep=False)
    return dict(zip(params, name_values(params.values()), strict=True))


def _facts_of_net(obj: Any) -> dict[str, Any]:
    net = net_of(getattr(obj, "estimator", obj))
    classes = getattr(net_of(obj), "classes_", None)
    return {
        # a net that diverged is not initialized any more, but it has a history
        "failed": net is net_of(obj) and getattr(net, "initialized_", True) is False,
        "n_classes": None if classes is None else len(classes),
    }


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
    causes: dict[str, list[Finding]] = {}
    for found in found_in_folds:
        for finding in found:
            causes.setdefault(finding.cause, []).append(finding)
    kept = []
    for alike in causes.values():
        if 2 * len(alike) <= n_folds:
            continue
        # text and advice are those of the middle fold; figures are medians of all folds
        alike.sort(key=lambda finding: finding.cost)
        middle = alike[len(alike) // 2]
        figures = {
            name: float(
                np.median([one.figures[name] for one in alike if name in one.figures])
            )
            for name in middle.figures
        }
        text = f"{middle.text} (in {len(alike)} of {n_folds} folds)"
        kept.append(replace(middle, text=text, figures=figures))
    return kept
