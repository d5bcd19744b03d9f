"""What looks at networks between epochs: side by side, each on a thread of its own."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from skact.engine.plan import WORTH_THREADS, Evaluation
from skact.threads import one_thread


def evaluate(
    evaluations: Sequence[Evaluation], n_threads: int
) -> list[Exception | None]:
    """Run all of them; return what each raised.

    Each computes on one thread, so no bit depends on how many run at a time.
    """
    n_workers = min(n_threads, len(evaluations))
    small = sum(evaluation.work for evaluation in evaluations) < 4 * WORTH_THREADS
    if n_workers < 2 or small:
        return [_attempt(evaluation) for evaluation in evaluations]
    with ThreadPoolExecutor(n_workers) as pool:
        return list(pool.map(_attempt, evaluations))


def _attempt(evaluation: Evaluation) -> Exception | None:
    try:
        with one_thread():
            evaluation()
    except Exception as error:
        return error
    return None
