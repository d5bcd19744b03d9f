"""Keywords of `fit`: epochs and those of train_split, as in skorch; no others."""

import numpy as np
import pytest
import sklearn
from sklearn.model_selection import GridSearchCV, GroupKFold
from skorch.dataset import ValidSplit

from skact import ActMLP, ActMLPRegressor, fused

X = np.random.default_rng(0).normal(size=(40, 3))
y = np.arange(40) % 2
GROUPS = np.repeat(np.arange(4), 10)
LOOPS = pytest.mark.parametrize("loop", [{}, {"iterator_train__num_workers": 0}])


class Recording(GroupKFold):
    """Notes the groups that it gets."""

    seen: list = []  # noqa: RUF012

    def split(self, X, y=None, groups=None):
        self.seen.append(groups)
        return super().split(X, y, groups)


def a_net(**params):
    return ActMLP(width=4, max_epochs=3, random_state=0, **params)


def n_held_out(net):
    sizes = [batch.get("valid_batch_size", 0) for batch in net.history[-1]["batches"]]
    return sum(sizes)


@LOOPS
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_epochs_replace_max_epochs_for_one_call(method, loop):
    net = a_net(**loop)
    getattr(net, method)(X, y, epochs=5)
    assert len(net.history) == 5
    assert len(net.partial_fit(X, y).history) == 8
    assert net.max_epochs == 3
    with fused():
        assert (
            len(getattr(a_net(**loop), method)(X, y, epochs=np.int64(2)).history) == 2
        )


def test_epochs_of_several_calls_are_those_of_one():
    net = a_net().partial_fit(X, y, epochs=1).partial_fit(X, y, epochs=4)
    other = a_net().fit(X, y, epochs=5)
    assert np.array_equal(net.predict_proba(X), other.predict_proba(X))


@LOOPS
def test_groups_reach_the_split(loop):
    split = ValidSplit(Recording(4), stratified=False)
    net = a_net(train_split=split, **loop)
    Recording.seen.clear()
    net.fit(X, y, groups=GROUPS)
    assert Recording.seen == [GROUPS] or np.array_equal(Recording.seen[0], GROUPS)
    assert n_held_out(net) == 10


@LOOPS
def test_a_split_of_ones_own_gets_its_keywords(loop):
    def split(dataset, y, share=0.5, **more):
        n = int(len(dataset) * share)
        return ValidSplit(len(dataset) // n)(dataset, None)

    net = a_net(train_split=split, **loop).fit(X, y, share=0.25, note="x")
    assert n_held_out(net) == 10


@pytest.mark.parametrize(
    ("params", "keyword", "match"),
    [
        ({}, "sample_weights", "unexpected keyword 'sample_weights'; .* takes epochs"),
        ({}, "groups", "unexpected keyword 'groups'"),
        ({"train_split": ValidSplit(3)}, "group", r"epochs, groups \(for train_split"),
    ],
)
def test_a_keyword_that_nobody_takes_is_an_error(params, keyword, match):
    for method in ("fit", "partial_fit"):
        with pytest.raises(TypeError, match=match):
            getattr(a_net(**params), method)(X, y, **{keyword: GROUPS})


@pytest.mark.parametrize("epochs", [-1, 1.5, "3", True])
def test_epochs_are_checked(epochs):
    with pytest.raises(ValueError, match=r"'epochs' keyword of ActMLPRegressor.fit "):
        ActMLPRegressor().fit(X, X[:, 0], epochs=epochs)


def test_with_metadata_routing_scikit_learn_decides_what_the_splitter_gets():
    split = ValidSplit(GroupKFold(4), stratified=False)
    with sklearn.config_context(enable_metadata_routing=True):
        split.cv.set_split_request(groups=True)
        net = a_net(train_split=split).fit(X, y, groups=GROUPS)
        assert n_held_out(net) == 10
        search = GridSearchCV(a_net(), {"lr": [0.1, 0.01]}, cv=GroupKFold(2))
        search.fit(X, y, groups=GROUPS)  # the search takes them, no fit does
    assert search.n_splits_ == 2
