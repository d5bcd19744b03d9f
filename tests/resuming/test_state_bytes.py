"""A state is the same when it was bytes, and no damage passes for whole."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from skorch.callbacks import EarlyStopping
from skorch.dataset import ValidSplit

from skact.engine.jobs import Outcome
from skact.resuming.fit_state import FitState
from skact.resuming.state_bytes import read_state, write_state


def state_of(fits, kind, **params):
    job = fits.job_of(fits.net_of(kind, **params), *fits.data_of(kind))
    outcome = fits.trained(job)
    return FitState.of(job, outcome), job, outcome


def test_a_state_comes_back_from_bytes_as_it_was(kind, fits):
    state, job, outcome = state_of(fits, kind)
    other = fits.job_of(fits.net_of(kind), *fits.data_of(kind))
    read_state(write_state(state, {"fit": "x"}), "x").put_into(
        other, restored := Outcome()
    )
    fits.assert_same_end((other, restored), (job, outcome))
    for one, known in zip(restored.records, outcome.records, strict=True):
        assert one.seconds == known.seconds
        for name in ("batch_losses", "batch_weights", "batch_sizes"):
            kinds = [{*map(type, getattr(r, name))} for r in (one, known)]
            assert kinds[0] == kinds[1], name


def test_weights_of_each_epoch_come_back(fits):
    state, *_ = state_of(fits, "batch norm")
    (first,) = [dict(zip("ab", state.network[0], strict=False))]
    kept = FitState(**{**vars(state), "weights": (first, first)})
    back = read_state(write_state(kept, {"fit": "x"}), "x")
    assert [list(weights) for weights in back.weights] == [["a", "b"]] * 2
    assert all((back.weights[1][k] == first[k]).all() for k in first)


@pytest.fixture(scope="module")
def whole(fits):
    return write_state(
        state_of(fits, "early stopping")[0], {"network": "a net", "fit": "x"}
    )


@given(data=st.data())
def test_a_changed_byte_is_found(data, whole):
    content = bytearray(whole)
    place = data.draw(st.integers(0, len(whole) - 1))
    content[place] ^= data.draw(st.integers(1, 255))
    try:
        back = read_state(bytes(content), "x")
    except ValueError:
        return
    # a byte of white space in the head, say: nothing that is read has changed
    assert write_state(back, {"network": "a net", "fit": "x"}) == whole


@given(data=st.data())
def test_a_file_that_was_cut_off_is_found(data, whole):
    with pytest.raises(ValueError, match=r"^its? "):
        read_state(whole[: data.draw(st.integers(0, len(whole) - 1))], "x")


@pytest.mark.parametrize(
    "content",
    [b"", b"x" * 50, b"\xff" * 8, (2).to_bytes(8, "little") + b"{}"],
)
def test_what_is_no_checkpoint_is_refused(content):
    with pytest.raises(ValueError, match=r"^its? "):
        read_state(content, "x")


def test_the_head_says_what_it_was_told(whole):
    size = int.from_bytes(whole[:8], "little")
    head = json.loads(json.loads(whole[8 : 8 + size])["__metadata__"]["skact"])
    assert head["network"] == "a net"


def test_the_state_of_another_fit_is_refused(whole):
    read_state(whole, "x")
    with pytest.raises(ValueError, match="it is of another fit"):
        read_state(whole, "y")


def test_numbers_of_numpy_in_a_rule_are_plain_numbers_in_a_file(fits):
    rule = EarlyStopping(patience=np.int64(2), threshold=np.float32(1e-3))
    net = fits.net_of("adam", callbacks=[rule], train_split=ValidSplit(3))
    job = fits.job_of(net, *fits.data_of("adam"))
    assert type(job.stopping.patience) is np.int64
    state = FitState.of(job, fits.trained(job))
    back = read_state(write_state(state, {"fit": "x"}), "x")
    assert back.stopping.rule == job.stopping
    with pytest.raises(TypeError, match="has no form in JSON"):
        write_state(state, {"fit": object()})
