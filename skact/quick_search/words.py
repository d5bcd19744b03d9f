"""The result of a search in sentences: who won, is it real, what to do next."""

from typing import Any

import numpy as np

from skact.analysis.pair_verdicts import BETTER, UNDECIDED
from skact.analysis.paired_tests import paired_test
from skact.analysis.score_steps import step_of_scores
from skact.naming import short_name
from skact.quick_search.alerts import LEAK
from skact.quick_search.baselines import LINEAR, TRIVIAL
from skact.quick_search.ranking import scores_of_row

_ALPHA = 0.05
_FEW = 3  # candidates of an activation
_OF_PROBABILITIES = ("roc_auc", "average_precision", "neg_log_loss", "neg_brier_score")
_HOPELESS = 0.3  # of the difference that folds can tell: no number of folds will do


def sentences_on_winner(found: Any) -> list[str]:
    """Say which net is best, and how other models compare with it."""
    n, params = len(found.members_), _name_of_net(found.best_params_)
    scores, own = _scores_of_winner(found), found.best_score_
    score = f"{found.score_name} {own:.4g}"
    single = f"the net {params}"
    winner = single if found.average_ is None else f"the average of the {n} best nets"
    name, rival = _best_baseline(found)
    if rival is not None and rival.mean() > own:
        doubt = _doubt(rival, scores, found)
        said = [
            f"The best model is no net: {name} scores {rival.mean():.4g}. Of nets, "
            f"{winner} is best: {score}, {rival.mean() - own:.2g} less{doubt}."
        ]
    else:
        said = [f"Best is {winner}: {score}."]
        if rival is not None:
            said.append(
                f"{name} scores {rival.mean():.4g}{_less(scores, rival, found)}."
            )
    if found.average_ is not None:
        alone = scores_of_row(found.search_, found.search_.best_index_).mean()
        said.append(f"Alone, {single} is best: {alone:.4g}.")
    elif found.average_scores_ is not None:
        mean = float(found.average_scores_.mean())
        said.append(f"An average of the {n} best nets is not better ({mean:.4g}).")
    return said


def _scores_of_winner(found: Any) -> np.ndarray:
    if found.average_ is not None:
        return found.average_scores_
    return scores_of_row(found.search_, found.search_.best_index_)


def _best_baseline(found: Any) -> tuple[str, np.ndarray | None]:
    """Return the model that is no net, and not trivial, with the best mean score."""
    others = {k: v for k, v in found.baselines_.items() if k != TRIVIAL}
    if not others:
        return "", None
    name = max(others, key=lambda one: others[one].mean())
    return name[0].upper() + name[1:], others[name]


def _is_better(scores: np.ndarray, others: np.ndarray, found: Any) -> bool:
    """Whether scores on the folds are higher than others, and not by chance.

    As `compare` tells it: no surer than the steps of the score allow.
    """
    differences = scores - others
    if len(differences) < 2 or differences.mean() <= 0:
        return False
    ratio = found.test_ratio_ or 1 / (len(differences) - 1)
    step = step_of_scores(np.array([scores, others]))
    return paired_test(differences, ratio, step=step).p < _ALPHA


def _less(scores: np.ndarray, others: np.ndarray, found: Any) -> str:
    gap = scores.mean() - others.mean()
    if f"{gap:.2g}" == "0":
        return ", as much"
    return f", {gap:.2g} less{_doubt(scores, others, found)}"


def _doubt(scores: np.ndarray, others: np.ndarray, found: Any) -> str:
    return "" if _is_better(scores, others, found) else ", which may be chance"


def sentences_on_activations(found: Any) -> list[str]:
    """Say how the other activations compare with the one of the best net."""
    comparison = found.comparison
    if comparison is None:
        return []
    frame = comparison.frame
    of_best = frame[frame["a"] == comparison.means.index[0]]
    rows = of_best[of_best["verdict"] == BETTER]
    listed = [f"{row.b} ({row.difference:.2g} less)" for row in rows.itertuples()]
    worse = [f"Worse: {', '.join(listed)}."] if listed else []
    n = int(found.ranking_["activation"].value_counts().min())
    few = f"Some activations had {n} candidate{'s' * (n > 1)} only: this says more of"
    tried = [f"{few} these nets than of the activations."] if n < _FEW else []
    return [comparison.headline, *worse, *tried]


def sentences_on_next_steps(found: Any) -> list[str]:
    """Say what to do next, and why.

    Advice is given only where the folds tell a difference from chance.
    """
    if any(LEAK in alert for alert in found.alerts_):
        return ["Then search again: until then, no advice on nets would mean anything."]
    steps = _steps_on_other_models(found)
    steps += [*_steps_on_epochs(found), *_steps_at_edges(found)]
    steps += _steps_on_budget(found)
    comparison = found.comparison
    if comparison is not None and comparison.frame["verdict"].iloc[0] == UNDECIDED:
        first = comparison.frame.iloc[0]
        needed = (first["high"] - first["low"]) / 2
        if first["difference"] > _HOPELESS * needed:
            steps.append(
                f"If the activation matters to you, take more folds, as in "
                f"RepeatedStratifiedKFold: {first['a']} and {first['b']} differ by "
                f"{first['difference']:.2g}, and {needed:.2g} is needed."
            )
    if any(step.startswith("Take ") for step in steps):  # another model
        return steps
    rest = "" if steps else " Nothing that was tried asks for more."
    return [*steps, f"{_how_to_use(found)}{rest}"]


def _how_to_use(found: Any) -> str:
    """Say how to predict, and with what."""
    method, more = "predict", ""
    if found.score_name.startswith(_OF_PROBABILITIES):
        method = "predict_proba"
        if not found.score_name.startswith("neg"):
            more = ", and choose a threshold: found.predict takes the likeliest class"
    used = f"Use it: found.{method}(new_rows){more}."
    name, rival = _best_baseline(found)
    if rival is not None and rival.mean() > found.best_score_:
        nets = "net" if found.average_ is None else "average of nets"
        used += f" It predicts with the best {nets}, not with {name}."
    return used


def _steps_on_budget(found: Any) -> list[str]:
    search = found.search_
    if search.n_candidates_ == search.rounds_[0][1]:
        return []
    return [
        "Give it more time: with a larger budget, and the same checkpoint=folder in "
        "both calls, it goes on where it ended."
    ]


def _steps_on_other_models(found: Any) -> list[str]:
    scores, trivial = _scores_of_winner(found), found.baselines_.get(TRIVIAL)
    steps = []
    if trivial is not None and not _is_better(scores, trivial, found):
        steps.append(
            f"First look at the columns: always predicting the majority or the mean "
            f"scores {trivial.mean():.4g}, and no net is shown to be better than that."
            + " Of unequal classes scoring='roc_auc' sees more."
            * (found.score_name == "accuracy")
        )
    name, rival = _best_baseline(found)
    if rival is not None and rival.mean() > scores.mean():
        if name.lower() == LINEAR:
            steps.append("Take the linear model: it is simpler, and not worse.")
        elif _is_better(rival, scores, found):
            steps.append(
                f"Take {name}: it is better on this table. New columns made of others, "
                f"such as ratios, may help nets more."
            )
    return steps


def _steps_on_epochs(found: Any) -> list[str]:
    """Say that the best net would go on gaining, or has begun to learn by heart."""
    search, best = found.search_, found.search_.best_index_
    params = dict(search.cv_results_["params"][best])
    epochs = params.pop(search.resource)
    of_rounds = {
        one[search.resource]: i
        for i, one in enumerate(search.cv_results_["params"])
        if {k: v for k, v in one.items() if k != search.resource} == params
    }
    scores = {n: scores_of_row(search, i) for n, i in sorted(of_rounds.items())}
    before, last = [n for n in scores if n < epochs], max(scores)
    shorter = scores[before[-1] if before else epochs]
    if epochs == search.max_resources and _is_better(scores[epochs], shorter, found):
        gain = scores[epochs] - shorter
        return [
            f"Train longer: the last round, from {before[-1]} to {epochs} epochs, "
            f"still gained {gain.mean():.2g}. Try max_epochs={2 * epochs}."
        ]
    if last > epochs and _is_better(scores[epochs], scores[last], found):
        loss = scores[epochs] - scores[last]
        return [
            f"The best net learns by heart after {epochs} epochs: {last} epochs score "
            f"{loss.mean():.2g} less. Stronger dropout may help: try dropout=0.5."
        ]
    return _steps_if_all_overfit(found)


def _steps_if_all_overfit(found: Any) -> list[str]:
    """Say that nets lose with more epochs, though no single one shows it."""
    search = found.search_
    of_nets: dict[str, dict[int, np.ndarray]] = {}
    for row, one in enumerate(search.cv_results_["params"]):
        rest = sorted((k, str(v)) for k, v in one.items() if k != search.resource)
        epochs = one[search.resource]
        of_nets.setdefault(str(rest), {})[epochs] = scores_of_row(search, row)
    longer = [scores for scores in of_nets.values() if len(scores) > 1]
    if len(longer) < _FEW:
        return []
    first = np.mean([scores[min(scores)] for scores in longer], axis=0)
    last = np.mean([scores[max(scores)] for scores in longer], axis=0)
    if not _is_better(first, last, found):
        return []
    return [
        f"Nets learn by heart: with more epochs, they score "
        f"{(first - last).mean():.2g} less in the mean. Fewer or simpler columns, more "
        f"rows, or dropout=0.5 may help."
    ]


def _steps_at_edges(found: Any) -> list[str]:
    """Return advice on a rate, or a width, at the edge, if it beats the one before."""
    best, table = found.best_params_, found.ranking_
    own = scores_of_row(found.search_, found.search_.best_index_)
    activation = _text(best["activation"])
    steps = []
    rates = sorted(table["lr"][table["activation"] == activation].unique())
    if best["lr"] in (rates[0], rates[-1]) and len(rates) > 1:
        way, factor = ("higher", 2) if best["lr"] == rates[-1] else ("lower", 1 / 2)
        near = rates[-2] if way == "higher" else rates[1]
        if _is_better(own, _scores_with(found, activation=activation, lr=near), found):
            which = ""
            if isinstance(best["activation"], str):
                which = f"activations=[{activation!r}], "
            steps.append(
                f"Try a {way} learning rate: {which}"
                f"lr=[{best['lr']:g}, {factor * best['lr']:.2g}]. {best['lr']:g} is "
                f"the last that was tried, and better than {near:g}."
            )
    widths = sorted(table["width"].dropna().unique())
    if len(widths) > 1 and best["width"] == widths[-1]:
        near = int(widths[-2])
        if _is_better(own, _scores_with(found, width=near), found):
            steps.append(
                f"Try wider layers: width=[{best['width']}, {2 * best['width']}]. "
                f"{best['width']} is the last that was tried, and better than {near}."
            )
    return steps


def _scores_with(found: Any, **values: Any) -> np.ndarray:
    """Return the scores of the best net that has these values."""
    search = found.search_
    for row in search.rank_candidates():
        params = {
            name.rpartition("__")[2]: value
            for name, value in search.cv_results_["params"][row].items()
        }
        if all(_text(params[name]) == _text(value) for name, value in values.items()):
            return scores_of_row(search, row)
    raise LookupError(f"no net has {values}")


def _name_of_net(params: dict[str, Any]) -> str:
    """Return a net in words: "silu, 2 x 256, lr 0.0015, ...".."""
    rest = {
        k: v for k, v in params.items() if k not in ("activation", "depth", "width")
    }
    shown = [f"{key} {_text(value)}" for key, value in rest.items()]
    size = f"{params['depth']} x {params['width']}"
    return ", ".join([_text(params["activation"]), size, *shown])


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    return value if isinstance(value, str) else short_name(value)
