"""A search in rounds of more and more epochs, of which the better candidates see more.

Successive halving over epochs (Jamieson and Talwalkar 2016, arXiv:1502.07943). In
`fused()`, a fit of a later round goes on from where the earlier round left it. A budget
of seconds is kept by chunks of candidates whose length is measured.
"""

import math
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from sklearn.exceptions import FitFailedWarning
from sklearn.model_selection import GridSearchCV, ParameterGrid

from skact._sklearn import is_of_failed_fits

_FACTOR = 2  # epochs of a round over those of the round before
_MOST_ROUNDS = 4
# candidates before anything is known of their pace: the first one pays for a start
_WARM_UP, _FIRST_CHUNK = 1, 4
_SHARE_OF_CHUNK = 0.5  # of the seconds that are left to the round
_MOST_GROWTH = 4  # a chunk may be this many times as large as the one before
_FEWEST_AT_END = 3
# a fit alone takes about this share of the time of a candidate on all its folds; those
# of an average train together, and for fewer epochs
_SHARE_OF_REFIT, _SHARE_OF_MEMBER = 0.5, 0.1


class RoundsSearchCV(GridSearchCV):
    """Try the candidates of a grid in rounds, as many as a budget of seconds allows.

    The best half of each round, and the best candidate of each activation, is trained
    for twice as many epochs in the next one. The best candidate of all rounds wins: so
    the number of epochs is searched, too.

    Parameters
    ----------
    estimator, param_grid, scoring, refit, cv
        As in ``GridSearchCV``; `cv` must give the same folds each time.
    resource : str
        The parameter of the estimator that holds its number of epochs.
    max_resources : int
        Epochs of the last round.
    deadline : float, default=inf
        When to end, by ``time.monotonic()``.
    n_refits : int, default=1
        How many nets will be fitted on all rows afterwards, for which time is kept.
    random_state : int or None
        Seed of the order in which candidates are tried, if there is a deadline.

    Attributes
    ----------
    rounds_ : list of (int, int)
        Epochs of each round, and the number of its candidates.
    n_candidates_ : int
        Candidates in the grid.
    """

    def __init__(
        self,
        estimator: Any,
        param_grid: Any,
        *,
        resource: str,
        max_resources: int,
        deadline: float = math.inf,
        n_refits: int = 1,
        random_state: int | None = None,
        scoring: Any = None,
        refit: Any = True,
        cv: Any = None,
    ) -> None:
        super().__init__(estimator, param_grid, scoring=scoring, refit=refit, cv=cv)
        self.resource, self.max_resources = resource, max_resources
        self.deadline, self.n_refits = deadline, n_refits
        self.random_state = random_state

    def _run_search(
        self, evaluate_candidates: Callable[..., Any], *, callback_ctx: Any
    ) -> None:
        """Evaluate candidates in rounds, until the last round or the deadline."""
        context = callback_ctx.subcontext(
            task_name="search", max_subtasks=None, sequential_subtasks=False
        )
        context.call_on_fit_task_begin(estimator=self)
        waiting = list(ParameterGrid(self.param_grid))
        self.n_candidates_ = len(waiting)
        self.rounds_: list[tuple[int, int]] = []
        clock = None
        if math.isfinite(self.deadline):
            order = np.random.default_rng(self.random_state).permutation(len(waiting))
            waiting = [waiting[i] for i in order]
            clock = _Clock(self.deadline, self.max_resources, self.n_refits)
        trained, rounds = 0, epochs_of_rounds(self.max_resources)
        for number, n_epochs in enumerate(rounds):
            if clock is not None:
                n_later = self.max_resources - n_epochs
                clock.begin_round(n_epochs - trained, len(rounds) - number, n_later)
            this = _Round(
                evaluate_candidates,
                context,
                {self.resource: n_epochs},
                self.n_splits_,
                sum(n for _, n in self.rounds_),
            )
            tried, found = self._run_round(waiting, this, clock)
            if not tried:
                break
            self.rounds_.append((n_epochs, len(tried)))
            scores = found[self._name_of_score()][-len(tried) :]
            waiting, trained = survivors_of(tried, scores), n_epochs
        context.call_on_fit_task_end(estimator=self)

    def _run_round(
        self,
        waiting: list[dict[str, Any]],
        this: "_Round",
        clock: "_Clock | None",
    ) -> tuple[list[dict[str, Any]], Any]:
        """Evaluate candidates, chunk by chunk if a clock runs.

        Returns the candidates, and all results so far. scikit-learn ends a search if
        all fits of a chunk fail. Here such a chunk is evaluated once more, together
        with the next one.
        """
        if clock is None:
            return waiting, this.evaluate(waiting, 0)
        tried: list[dict[str, Any]] = []
        failed: list[dict[str, Any]] = []
        found, error = None, None
        while waiting:
            n = clock.count_affordable()
            if not n and (tried or self.rounds_):
                break
            new, waiting = waiting[: max(1, n)], waiting[max(1, n) :]
            try:
                with clock.measure(len(new)):
                    found = this.evaluate(failed + new, len(tried))
            except ValueError as raised:
                if not is_of_failed_fits(raised):
                    raise
                failed, error = failed + new, raised
                continue
            tried, failed = [*tried, *failed, *new], []
        if failed and error is not None:
            if not tried and not self.rounds_:
                raise error
            warnings.warn(str(error), FitFailedWarning, stacklevel=2)
        return tried, found

    def _name_of_score(self) -> str:
        metric = self.refit if isinstance(self.refit, str) else "score"
        return f"mean_test_{metric}"

    @staticmethod
    def _select_best_index(refit: Any, refit_metric: str, results: Any) -> int:
        """Return the best candidate of all rounds; of equal ones, the shortest."""
        scores = np.asarray(results[f"mean_test_{refit_metric}"], dtype=float)
        return int(np.nan_to_num(scores, nan=-np.inf).argmax())

    def rank_candidates(self) -> list[int]:
        """Return the best row of each candidate in ``cv_results_``, the best first."""
        results = self.cv_results_
        scores = np.asarray(results[self._name_of_score()], dtype=float)
        best: dict[str, int] = {}
        for i in np.argsort(-np.nan_to_num(scores, nan=-np.inf), kind="stable"):
            params = dict(results["params"][i])
            del params[self.resource]
            best.setdefault(repr(sorted(params.items(), key=lambda p: p[0])), int(i))
        return [i for i in best.values() if np.isfinite(scores[i])]


class _Round:
    """A round: has its chunks evaluated, whose tasks number one after another.

    Parameters
    ----------
    evaluate_candidates : callable
        That of scikit-learn.
    context : CallbackContext
        Of the search: its tasks are numbered through all rounds.
    params : dict
        Parameters of all its candidates.
    n_splits : int
        Tasks of a candidate.
    n_before : int
        Candidates of the rounds before.
    """

    def __init__(
        self,
        evaluate_candidates: Callable[..., Any],
        context: Any,
        params: dict[str, Any],
        n_splits: int,
        n_before: int,
    ) -> None:
        self._evaluate_candidates, self._context = evaluate_candidates, context
        self._params, self._n_splits, self._n_before = params, n_splits, n_before
        self._first = 0  # number of the first task of the chunk
        self._made: dict[int, Any] = {}  # a chunk that failed comes again

    def evaluate(self, chunk: Sequence[dict[str, Any]], n_before: int) -> Any:
        """Evaluate candidates, of which so many of the round stand before."""
        self._first = (self._n_before + n_before) * self._n_splits
        return self._evaluate_candidates(
            [{**one, **self._params} for one in chunk],
            callback_ctx=self,
        )

    def subcontext(self, task_name: str, task_id: int) -> Any:
        """Return the context of a task of the chunk: scikit-learn asks for it."""
        number = self._first + task_id
        if number not in self._made:
            made = self._context.subcontext(task_name=task_name, task_id=number)
            self._made[number] = made
        return self._made[number]


class _Clock:
    """Measures chunks, and says how many candidates the next one may have."""

    def __init__(self, deadline: float, max_epochs: int, n_refits: int) -> None:
        self._deadline = deadline
        self._share_of_refits = _SHARE_OF_REFIT + _SHARE_OF_MEMBER * (n_refits - 1)
        self._max_epochs, self._epochs_of_refits = max_epochs, 0.0
        self._pace = 0.0  # seconds of an epoch of a candidate; 0: not known
        self._epochs, self._most = 1, _WARM_UP
        self._is_warm = False
        self._end = deadline  # of the round

    def begin_round(self, n_epochs: int, n_rounds: int, n_later: int) -> None:
        """Share what is left of the time among the rounds that are left.

        If few candidates fit in a share, the round may have more, but for what one of
        them needs to go all the way, through `n_later` epochs.
        """
        self._epochs, one = n_epochs, self._pace * n_epochs
        # no net is fitted for more epochs than the rounds have reached
        self._epochs_of_refits = self._share_of_refits * (self._max_epochs - n_later)
        left = self._deadline - time.monotonic() - self._seconds_of_refit
        spare = left - self._pace * n_later * (1 + self._share_of_refits)
        spare = left if spare < one else spare  # none can go all the way
        share = max(left / n_rounds, min(spare, _FEWEST_AT_END * one))
        self._end = time.monotonic() + share

    @property
    def _seconds_of_refit(self) -> float:
        return self._pace * self._epochs_of_refits

    def count_affordable(self) -> int:
        """Return how many candidates the next chunk may have; 0: time is over."""
        left = self._end - time.monotonic()
        if not self._is_warm:
            return self._most
        if not self._pace:
            return self._most if left > 0 else 0
        seconds = self._pace * self._epochs
        if left < seconds:
            return 0
        return max(1, min(self._most, int(_SHARE_OF_CHUNK * left / seconds)))

    @contextmanager
    def measure(self, n: int) -> Iterator[None]:
        """Measure a chunk of n candidates."""
        began = time.monotonic()
        try:
            yield
        finally:  # also if all fits fail
            self._note_chunk(n, time.monotonic() - began)

    def _note_chunk(self, n: int, seconds: float) -> None:
        if not self._is_warm:
            self._is_warm, self._most = True, _FIRST_CHUNK
            return
        self._pace = max(seconds / (n * self._epochs), 1e-9)
        self._most = _MOST_GROWTH * n


def epochs_of_rounds(max_epochs: int) -> list[int]:
    """Return the epochs of each round, such as 5, 10, 20, 40.

    Examples
    --------
    >>> epochs_of_rounds(40), epochs_of_rounds(30), epochs_of_rounds(2)
    ([5, 10, 20, 40], [4, 8, 15, 30], [1, 2])
    """
    rounds = {max(1, -(-max_epochs // _FACTOR**i)) for i in range(_MOST_ROUNDS)}
    return sorted(rounds)


def survivors_of(
    tried: Sequence[dict[str, Any]], scores: Sequence[float]
) -> list[dict[str, Any]]:
    """Return the candidates for the next round, the best first.

    The best of each activation stays, so that activations are compared at their best.
    """
    known = np.nan_to_num(np.asarray(scores, dtype=float), nan=-np.inf)
    ranked = np.argsort(-known, kind="stable")
    number = min(len(tried), max(_FEWEST_AT_END, -(-len(tried) // _FACTOR)))
    names = [_activation_of(one) for one in tried]
    firsts = {names[i]: i for i in ranked[::-1]}
    kept = {*ranked[:number], *firsts.values()}
    return [tried[i] for i in ranked if i in kept]


def _activation_of(params: dict[str, Any]) -> str:
    found = (v for k, v in params.items() if k.rpartition("__")[2] == "activation")
    return str(next(found, None))
