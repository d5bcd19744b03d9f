"""The state of a fit as bytes of the format safetensors: tensors, and facts in JSON."""

import io
import itertools
import json
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from torch import Tensor

from skact.engine.jobs import (
    EpochRecord,
    HeldOutScores,
    StoppingRule,
    StoppingState,
)
from skact.noise import Noise
from skact.resuming.checkpoint_files import (
    FORMAT,
    digest_of,
    facts_of_head,
    parse_head,
)
from skact.resuming.fit_state import FitState

_NUMBERED = ("weights", "optimizer")  # groups of which there are several
_OF_EPOCH = ("train_loss", "seconds", "lr")
_OF_BATCHES = ("losses", "weights", "sizes")


def write_state(state: FitState, about: dict[str, Any]) -> bytes:
    """Return a state as the content of a file.

    Parameters
    ----------
    state : FitState
    about : dict
        What the head says beside it, as JSON.

    Returns
    -------
    bytes
    """
    from safetensors.numpy import save

    arrays = {name: one.cpu().numpy() for name, one in _tensors_of(state)}
    facts = {**about, "format": FORMAT, "state": _facts_of(state)}
    facts["order"] = list(arrays)  # safetensors has an order of its own
    text = json.dumps(facts, default=_as_json)
    return save(arrays, {"skact": text, "digest": _digest(arrays, text)})


def read_state(content: bytes, name: str) -> FitState:
    """Return the state of the fit of this name in the content of a file.

    Raises
    ------
    ValueError
        If the content is damaged, or of another fit.
    """
    from safetensors.numpy import load

    head = parse_head(content[:8], io.BytesIO(content[8:]).read)
    facts = facts_of_head(head)
    try:
        arrays = load(content)
        if head["digest"] != _digest(arrays, head["skact"]):
            raise ValueError("its checksum is another")
        if facts["fit"] != name:
            raise ValueError("it is of another fit")
        tensors = {name: torch.from_numpy(arrays[name]) for name in facts["order"]}
        return _state_of(tensors, facts["state"])
    except ValueError:
        raise
    except Exception as error:  # safetensors has an error of its own
        raise ValueError(f"it cannot be read: {error}") from error


def _as_json(value: Any) -> Any:
    """Return the plain number of one of numpy, such as a callback's patience."""
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{value!r} has no form in JSON")


def _digest(arrays: dict[str, np.ndarray], text: str) -> str:
    return digest_of(text, ((name, arrays[name].tobytes()) for name in sorted(arrays)))


# ------------------------------------------------------------------ tensors and facts


def _tensors_of(state: FitState) -> Iterator[tuple[str, Tensor]]:
    values, states, buffers, _ = state.network
    best = state.stopping.best_weights if state.stopping is not None else None
    groups: dict[str, dict[Any, Any]] = {
        **{f"weights.{i}": weights for i, weights in enumerate(state.weights)},
        **{f"optimizer.{i}": known or {} for i, known in enumerate(states)},
        "parameter": dict(enumerate(values)),
        "buffer": dict(enumerate(buffers)),
        "best": best or {},
        "records": _columns_of(state.records),
    }
    for group, named in groups.items():
        for name, value in named.items():
            if isinstance(value, Tensor):
                yield f"{group}.{name}", value.detach()


def _facts_of(state: FitState) -> dict[str, Any]:
    _, states, _, noise = state.network
    stopping = state.stopping
    return {
        "n_epochs": state.n_epochs,
        "is_over": state.is_over,
        "diverged_loss": state.diverged_loss,
        "noise": [None if one is None else list(one) for one in noise],
        "optimizer": [
            None
            if known is None
            else {k: None if isinstance(v, Tensor) else v for k, v in known.items()}
            for known in states
        ],
        "n_kept": len(state.weights),
        "is_held_out": [record.held_out is not None for record in state.records],
        "stopping": None
        if stopping is None
        else {
            "rule": asdict(stopping.rule),
            "dynamic_threshold": stopping.dynamic_threshold,
            "misses": stopping.misses,
            "best_epoch": stopping.best_epoch,
            "has_best": stopping.best_weights is not None,
        },
    }


def _state_of(tensors: dict[str, Tensor], facts: dict[str, Any]) -> FitState:
    of = _by_group(tensors)
    states = [
        None
        if known is None
        else {
            k: of[f"optimizer.{i}"].get(k) if v is None else v for k, v in known.items()
        }
        for i, known in enumerate(facts["optimizer"])
    ]
    network = (
        [of["parameter"][str(i)] for i in range(len(of["parameter"]))],
        states,
        [of["buffer"][str(i)] for i in range(len(of["buffer"]))],
        [None if one is None else Noise(*one) for one in facts["noise"]],
    )
    stopping, known = None, facts["stopping"]
    if known is not None:
        stopping = StoppingState(
            StoppingRule(**known["rule"]),
            known["dynamic_threshold"],
            known["misses"],
            known["best_epoch"],
            of["best"] if known["has_best"] else None,
        )
    return FitState(
        network,
        tuple(_records_in(of["records"], facts["is_held_out"])),
        stopping,
        tuple(of[f"weights.{i}"] for i in range(facts["n_kept"])),
        facts["diverged_loss"],
        facts["is_over"],
    )


def _by_group(tensors: dict[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    """Return the tensors of each group by their names in it."""
    found: dict[str, dict[str, Tensor]] = defaultdict(dict)
    for name, value in tensors.items():
        group, rest = name.split(".", 1)
        if group in _NUMBERED:
            number, rest = rest.split(".", 1)
            group = f"{group}.{number}"
        found[group][rest] = value
    return found


# ------------------------------------------------------------------ records


def _columns_of(records: Sequence[EpochRecord]) -> dict[str, Tensor]:
    """Return columns of numbers, of epochs and, one after another, of batches."""
    held_out = [r.held_out for r in records if r.held_out is not None]
    columns = {name: _numbers(getattr(r, name) for r in records) for name in _OF_EPOCH}
    columns |= _columns_of_batches("train", records)
    if held_out:
        columns["valid_loss"] = _numbers(scores.loss for scores in held_out)
        accuracies = [scores.accuracy for scores in held_out]
        columns["valid_accuracy"] = _numbers(
            math.nan if one is None else one for one in accuracies
        )
        columns |= _columns_of_batches("valid", held_out)
    return columns


def _columns_of_batches(prefix: str, records: Sequence[Any]) -> dict[str, Tensor]:
    columns = {
        name: list(itertools.chain(*(getattr(r, f"batch_{name}") for r in records)))
        for name in _OF_BATCHES
    }
    counts = [len(record.batch_losses) for record in records]
    return {
        f"{prefix}_losses": _numbers(columns["losses"]),
        f"{prefix}_weights": _numbers(columns["weights"]),
        f"{prefix}_sizes": _numbers(columns["sizes"], np.int64),
        f"{prefix}_counts": _numbers(counts, np.int64),
    }


def _numbers(values: Iterable[Any], dtype: Any = np.float64) -> Tensor:
    return torch.from_numpy(np.array(list(values), dtype=dtype))


def _records_in(
    columns: dict[str, Tensor], is_held_out: Sequence[bool]
) -> Iterator[EpochRecord]:
    epochs = zip(*(columns[name].tolist() for name in _OF_EPOCH), strict=True)
    batches = _batches_in("train", columns)
    scores = _scores_in(columns) if any(is_held_out) else iter(())
    for (loss, seconds, lr), has_scores in zip(epochs, is_held_out, strict=True):
        held_out = next(scores) if has_scores else None
        yield EpochRecord(loss, *next(batches), seconds, held_out, lr)


def _scores_in(columns: dict[str, Tensor]) -> Iterator[HeldOutScores]:
    losses, accuracies = (columns[f"valid_{k}"].tolist() for k in ("loss", "accuracy"))
    batches = _batches_in("valid", columns)
    for loss, accuracy, of_batches in zip(losses, accuracies, batches, strict=True):
        known = None if math.isnan(accuracy) else accuracy
        yield HeldOutScores(loss, known, *of_batches)


def _batches_in(
    prefix: str, columns: dict[str, Tensor]
) -> Iterator[tuple[list[float], list[float], list[int]]]:
    """Yield losses, weights and sizes of the batches of each epoch."""
    counts = columns[f"{prefix}_counts"].tolist()
    parts = [
        torch.split(columns[f"{prefix}_{name}"], counts) if counts else ()
        for name in _OF_BATCHES
    ]
    for of_epoch in zip(*parts, strict=True):
        losses, weights, sizes = (part.tolist() for part in of_epoch)
        yield losses, weights, sizes
