"""skorch's documented features do what its documentation says."""

import pickle

import numpy as np
import pytest
import torch
from sklearn.metrics import f1_score, make_scorer
from skorch import NeuralNetBinaryClassifier, NeuralNetClassifier, NeuralNetRegressor
from skorch.callbacks import (
    BatchScoring,
    Callback,
    Checkpoint,
    EarlyStopping,
    EpochScoring,
    Freezer,
    GradientNormClipping,
    LoadInitState,
    LRScheduler,
    ProgressBar,
    TrainEndCheckpoint,
)
from skorch.dataset import Dataset, ValidSplit
from skorch.helper import predefined_split
from torch import nn

from skact import ActMLP, ActMLPBinary, ActMLPRegressor

NAMES = np.array(["setosa", "versicolor", "virginica"])


@pytest.fixture
def named(iris):
    X, y = iris
    return X, NAMES[y]


def weights(net):
    return torch.cat([p.detach().flatten() for p in net.module_.parameters()]).numpy()


def test_they_are_skorch_nets():
    assert issubclass(ActMLP, NeuralNetClassifier)
    assert issubclass(ActMLPBinary, NeuralNetBinaryClassifier)
    assert issubclass(ActMLPRegressor, NeuralNetRegressor)


def test_history_has_skorchs_keys_and_slices(named):
    net = ActMLP(
        max_epochs=3, batch_size=50, train_split=ValidSplit(5, stratified=True)
    ).fit(*named)
    row = net.history[-1]
    for key in (
        "epoch",
        "dur",
        "train_loss",
        "valid_loss",
        "valid_acc",
        "train_loss_best",
    ):
        assert key in row
    assert [batch["train_batch_size"] for batch in net.history[-1, "batches", :3]] == [
        50,
        50,
        20,
    ]
    assert net.history[:, "epoch"] == [1, 2, 3]
    assert net.history[0, "train_loss"] > net.history[-1, "train_loss"]


@pytest.mark.parametrize("use_caching", [True, False])
@pytest.mark.parametrize("weighted", [True, False])
def test_epoch_scoring_sees_the_users_labels(use_caching, weighted, named):
    X, y = named
    macro = make_scorer(f1_score, average=None, labels=["virginica"])
    callbacks = [
        EpochScoring(
            "accuracy", name="train_acc", on_train=True, lower_is_better=False
        ),
        EpochScoring(
            lambda net, X, y: macro(net, X, y)[0], name="f1", lower_is_better=False
        ),
        EpochScoring("neg_log_loss", name="log_loss", lower_is_better=False),
    ]
    net = ActMLP(
        max_epochs=5,
        callbacks=callbacks,
        use_caching=use_caching,
        train_split=ValidSplit(5, stratified=True),
        random_state=0,
    ).fit(X, y, sample_weight=np.ones(len(X)) if weighted else None)
    _, valid = next(ValidSplit(5, stratified=True).check_cv(y).split(X, y))
    # scored after the last epoch, so the trained net must agree
    assert net.history[-1, "valid_acc"] == pytest.approx(net.score(X[valid], y[valid]))
    assert net.history[-1, "f1"] == pytest.approx(macro(net, X[valid], y[valid])[0])
    assert 0.5 < net.history[-1, "train_acc"] <= 1
    assert net.history[-1, "log_loss"] < 0


def test_epoch_scoring_scores_a_regressor(diabetes):
    X, y = diabetes
    net = ActMLPRegressor(
        max_epochs=20,
        callbacks=[EpochScoring("r2", lower_is_better=False)],
        train_split=ValidSplit(5),
        random_state=0,
    ).fit(X, y)
    _, valid = next(ValidSplit(5).check_cv(y).split(X, y))
    assert net.history[-1, "r2"] == pytest.approx(net.score(X[valid], y[valid]))


def test_batch_scoring_sees_the_users_labels(named):
    X, y = named
    callback = BatchScoring(
        "accuracy", name="batch_acc", on_train=True, lower_is_better=False
    )
    weight = np.ones(len(X))
    for given in (None, weight):
        net = ActMLP(max_epochs=5, callbacks=[callback], random_state=0)
        assert net.fit(X, y, sample_weight=given).history[-1, "batch_acc"] > 0.5


def test_lr_scheduler_changes_the_rate_of_the_live_optimizer(named):
    scheduler = LRScheduler(policy="StepLR", step_size=2, gamma=0.5)
    net = ActMLP(max_epochs=5, lr=0.08, callbacks=[("lr", scheduler)]).fit(*named)
    assert net.history[:, "event_lr"] == [0.08, 0.08, 0.04, 0.04, 0.02]
    assert net.optimizer_.param_groups[0]["lr"] == 0.02


def test_early_stopping_callback_stops_and_loads_the_best(named):
    X, y = named
    net = ActMLP(
        max_epochs=100,
        lr=0.3,
        callbacks=[
            EarlyStopping(patience=3, load_best=True, sink=lambda *a, **k: None)
        ],
        train_split=ValidSplit(5, stratified=True),
        random_state=0,
    ).fit(X, y)
    assert len(net.history) < 100
    assert len(net.history) == int(np.argmin(net.history[:, "valid_loss"])) + 1 + 3
    _train, valid = next(ValidSplit(5, stratified=True).check_cv(y).split(X, y))
    codes = torch.from_numpy(np.searchsorted(NAMES, y[valid]))
    loss = nn.functional.cross_entropy(net.forward(X[valid]), codes).item()
    assert loss == pytest.approx(min(net.history[:, "valid_loss"]))


@pytest.mark.parametrize("kind", [ActMLP, ActMLPBinary, ActMLPRegressor])
def test_the_early_stopping_parameter_holds_rows_out_and_keeps_the_best(kind, cancer):
    X, y = cancer
    net = kind(
        max_epochs=200, lr=0.1, early_stopping=True, patience=4, random_state=0
    ).fit(X, y)
    losses = net.history[:, "valid_loss"]
    best = int(np.argmin(losses))
    assert len(losses) == best + 1 + 4 < 200
    shorter = kind(max_epochs=best + 1, lr=0.1, early_stopping=True, random_state=0)
    np.testing.assert_array_equal(weights(net), weights(shorter.fit(X, y)))
    half = kind(max_epochs=1, early_stopping=True, validation_fraction=0.5).fit(X, y)
    assert half.history[-1, "batches", 0, "train_batch_size"] == 128
    assert sum(b.get("valid_batch_size", 0) for b in half.history[-1, "batches"]) == 150
    rows = sum(
        batch["valid_batch_size"]
        for batch in net.history[-1, "batches"]
        if "valid_batch_size" in batch
    )
    assert rows == 30  # a tenth of 300
    other = kind(
        max_epochs=200, lr=0.1, early_stopping=True, patience=4, random_state=1
    ).fit(X, y)
    assert other.history[:, "valid_loss"] != losses


def test_a_monitor_without_validation_rows_is_told_how_to_get_them(named):
    with pytest.raises(ValueError, match="valid_loss") as caught:
        ActMLP(callbacks=[EarlyStopping()], max_epochs=1).fit(*named)
    advice = "train_split=skorch.dataset.ValidSplit(5) or early_stopping=True"
    assert advice in str(caught.value)


def test_early_stopping_lets_users_callbacks_see_the_last_epoch(named, capsys):
    score = EpochScoring("f1_macro", name="f1", lower_is_better=False)
    net = ActMLP(
        max_epochs=200,
        lr=0.3,
        early_stopping=True,
        patience=3,
        callbacks=[score],
        verbose=1,
    )
    net.fit(*named)
    assert len(net.history) == len(net.history[:, "f1"]) < 200
    printed = [
        line
        for line in capsys.readouterr().out.splitlines()
        if line[:7].strip().isdigit()
    ]
    assert len(printed) == len(net.history)


def test_gradient_norm_clipping_bounds_the_gradient(diabetes):
    X, y = diabetes

    class Norms(Callback):
        def on_grad_computed(self, net, named_parameters, **kwargs):
            norms.append(
                torch.stack([p.grad.norm() for _, p in named_parameters]).norm().item()
            )

    norms: list[float] = []
    clip = GradientNormClipping(gradient_clip_value=0.01)
    ActMLPRegressor(max_epochs=2, callbacks=[clip, Norms()], random_state=0).fit(
        X, y * 100
    )
    assert max(norms) <= 0.01 * (1 + 1e-6)
    norms.clear()
    ActMLPRegressor(max_epochs=2, callbacks=[Norms()], random_state=0).fit(X, y * 100)
    assert min(norms) > 0.01


def test_checkpoint_saves_the_best_and_a_new_net_loads_it(named, tmp_path):
    X, y = named
    checkpoint = Checkpoint(
        dirname=tmp_path, monitor="train_loss_best", f_pickle="net.pkl"
    )
    net = ActMLP(max_epochs=4, callbacks=[checkpoint], random_state=0).fit(X, y)
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {
        "params.pt",
        "optimizer.pt",
        "criterion.pt",
        "history.json",
        "net.pkl",
    }
    other = ActMLP(random_state=9).initialize(X, y)
    other.load_params(checkpoint=checkpoint)
    np.testing.assert_array_equal(other.predict_proba(X), net.predict_proba(X))
    assert len(other.history) == 4
    pickled = pickle.loads((tmp_path / "net.pkl").read_bytes())
    np.testing.assert_array_equal(pickled.predict_proba(X), net.predict_proba(X))


def test_train_end_checkpoint_and_load_init_state_continue_a_training(named, tmp_path):
    X, y = named
    whole = ActMLP(max_epochs=4, dropout=0.2, random_state=0).fit(X, y)
    for _ in range(2):
        saved = TrainEndCheckpoint(dirname=tmp_path)
        net = ActMLP(
            max_epochs=2,
            dropout=0.2,
            callbacks=[LoadInitState(saved), saved],
            random_state=0,
        )
        net.initialize(X, y).partial_fit(X, y)
    assert len(net.history) == 4
    # weights, optimizer and epoch number were loaded: so the four epochs are the same
    np.testing.assert_array_equal(weights(net), weights(whole))


@pytest.mark.parametrize("use_safetensors", [False])
def test_save_and_load_params_carry_weights_optimizer_and_history(
    use_safetensors, named, tmp_path
):
    X, y = named
    net = ActMLP(max_epochs=3, dropout=0.2, random_state=0).fit(X, y)
    files = {
        "f_params": tmp_path / "params.pt",
        "f_optimizer": tmp_path / "optimizer.pt",
        "f_history": str(tmp_path / "history.json"),
    }
    net.save_params(**files, use_safetensors=use_safetensors)
    other = ActMLP(max_epochs=3, dropout=0.2, random_state=0).initialize(X, y)
    other.load_params(**files, use_safetensors=use_safetensors)
    np.testing.assert_array_equal(other.predict(X), net.predict(X))
    # both go on as one training of six epochs would
    np.testing.assert_array_equal(
        weights(net.partial_fit(X, y)), weights(other.partial_fit(X, y))
    )


def test_partial_fit_learns_in_chunks_when_it_is_told_the_classes(named):
    X, y = named
    net = ActMLP(max_epochs=5, random_state=0)
    for kind in NAMES:  # each chunk knows one class only
        net.partial_fit(X[y == kind], y[y == kind], classes=NAMES)
    np.testing.assert_array_equal(net.classes_, NAMES)
    assert net.predict_proba(X).shape == (150, 3)
    assert len(net.history) == 15
    with pytest.raises(
        ValueError, match="y has labels that are not in classes_: \\['lotus'\\]"
    ):
        net.partial_fit(X[:1], ["lotus"])


def test_warm_start_trains_on_with_the_present_weights(named):
    X, y = named
    net = (
        ActMLP(max_epochs=2, warm_start=True, dropout=0.1, random_state=0)
        .fit(X, y)
        .fit(X, y)
    )
    assert len(net.history) == 4
    np.testing.assert_array_equal(
        weights(net),
        weights(ActMLP(max_epochs=4, dropout=0.1, random_state=0).fit(X, y)),
    )
    net.set_params(warm_start=False).fit(X, y)
    assert len(net.history) == 2


def test_optimizer_parameters_reach_the_optimizer_also_by_group(named):
    net = ActMLP(
        optimizer="sgd",
        optimizer__momentum=0.3,
        optimizer__param_groups=[("output.*", {"lr": 0.5})],
        max_epochs=1,
    ).fit(*named)
    output, rest = net.optimizer_.param_groups
    assert (output["lr"], rest["lr"], rest["momentum"]) == (0.5, 0.002, 0.3)
    assert len(output["params"]) == 2


def test_lr_and_optimizer_parameters_change_a_live_optimizer(named):
    net = ActMLP(optimizer="sgd", max_epochs=1).fit(*named)
    net.set_params(lr=0.5, optimizer__momentum=0.1)
    assert net.optimizer_.param_groups[0]["lr"] == 0.5
    assert net.optimizer_.param_groups[0]["momentum"] == 0.1


@pytest.mark.parametrize(
    "split",
    [ValidSplit(5), ValidSplit(0.2, random_state=0), ValidSplit(3, stratified=True)],
)
def test_train_split_decides_which_rows_validate(split, named):
    net = ActMLP(max_epochs=2, train_split=split).fit(*named)
    assert net.history[-1, "valid_batch_count"] == 1
    assert "valid_loss" in net.history[-1]


def test_a_predefined_split_validates_on_other_rows(named):
    X, y = named
    codes = np.searchsorted(NAMES, y)
    other = Dataset(X[:30], codes[:30])
    options = {"max_epochs": 2, "random_state": 0}
    net = ActMLP(train_split=predefined_split(other), **options).fit(X[30:], codes[30:])
    loss = nn.functional.cross_entropy(
        net.forward(X[:30]), torch.from_numpy(codes[:30])
    )
    assert net.history[-1, "valid_loss"] == pytest.approx(loss.item())
    assert net.history[-1, "valid_acc"] == pytest.approx(net.score(X[:30], codes[:30]))
    table = torch.utils.data.TensorDataset(
        torch.from_numpy(X[:30]), torch.from_numpy(2 * codes[:30] + 5)
    )
    net = ActMLP(train_split=predefined_split(table), **options)
    net.fit(X[30:], 2 * codes[30:] + 5)
    assert net.history[-1, "valid_acc"] == net.score(X[:30], 2 * codes[:30] + 5)
    # labels of any kind and another dtype, too
    named = Dataset(X[:30].astype(np.float32), y[:30])
    net = ActMLP(train_split=predefined_split(named), **options).fit(X[30:], y[30:])
    assert net.history[-1, "valid_acc"] == pytest.approx(net.score(X[:30], y[:30]))


def test_criterion_parameters_reach_the_loss(named):
    X, y = named
    net = ActMLP(criterion__label_smoothing=0.2, max_epochs=1).fit(X, y)
    assert net.criterion_.label_smoothing == 0.2
    net.set_params(criterion__label_smoothing=0.1)
    assert net.criterion_.label_smoothing == 0.1
    huber = ActMLPRegressor(criterion=nn.HuberLoss, criterion__delta=0.5, max_epochs=1)
    assert huber.fit(X, X[:, 0]).criterion_.delta == 0.5


def test_iterator_parameters_reach_the_loader(named):
    X, y = named
    net = ActMLP(
        max_epochs=1, iterator_train__drop_last=True, iterator_train__batch_size=40
    )
    assert net.fit(X, y).history[-1, "train_batch_count"] == 3
    seen = []

    def collate(samples):
        seen.append(len(samples))
        return torch.stack([x for x, _ in samples]), torch.stack(
            [y for _, y in samples]
        )

    by_hand = ActMLP(
        max_epochs=1, iterator_train__collate_fn=collate, random_state=0
    ).fit(X, y)
    assert seen == [128, 22]
    # a loader of the user's own is for skorch's loop, which rounds differently
    plain = ActMLP(max_epochs=1, random_state=0).fit(X, y)
    np.testing.assert_allclose(weights(by_hand), weights(plain), rtol=0, atol=1e-12)
    sampler = torch.utils.data.SequentialSampler(range(len(X)))
    ordered = ActMLP(max_epochs=1, iterator_train__sampler=sampler, random_state=0).fit(
        X, y
    )
    plain = ActMLP(max_epochs=1, shuffle=False, random_state=0).fit(X, y)
    np.testing.assert_allclose(weights(ordered), weights(plain), rtol=0, atol=1e-12)


@pytest.mark.parametrize("weighted", [True, False])
def test_a_dataset_class_of_the_users_own_is_used(weighted, named):
    class Doubling(Dataset):
        def transform(self, X, y):
            X, y = super().transform(X, y)
            if isinstance(X, dict):
                return {**X, "X": 2 * X["X"]}, y
            return 2 * X, y

    X, y = named
    weight = np.ones(len(X)) if weighted else None
    options = {"max_epochs": 3, "random_state": 0}
    net = ActMLP(dataset=Doubling, **options).fit(X, y, sample_weight=weight)
    plain = ActMLP(**options).fit(2 * X, y, sample_weight=weight)
    np.testing.assert_allclose(net.predict_proba(X), plain.predict_proba(2 * X))


def test_callbacks_can_be_disabled_configured_and_replaced(named):
    X, y = named
    assert ActMLP(callbacks="disable", max_epochs=2).fit(X, y).callbacks_ == []
    net = ActMLP(
        max_epochs=2, train_split=ValidSplit(5), callbacks__valid_acc=None
    ).fit(X, y)
    assert "valid_acc" not in net.history[-1]
    freezer = ActMLP(
        max_epochs=2,
        callbacks=[("freeze", Freezer)],
        callbacks__freeze__patterns="output.*",
    )
    start = freezer.initialize(X, y).module_.output.weight.detach().clone()
    assert torch.equal(freezer.partial_fit(X, y).module_.output.weight, start)


def test_verbose_prints_skorchs_table(named, capsys):
    ActMLP(max_epochs=2, verbose=1).fit(*named)
    out = capsys.readouterr().out
    assert "train_loss" in out
    assert len(out.splitlines()) == 4


def test_skorchs_progress_bar_counts_the_batches(named, capsys):
    ActMLP(
        max_epochs=2, batch_size=30, callbacks=[ProgressBar(detect_notebook=False)]
    ).fit(*named)
    assert "/5" in capsys.readouterr().err


def test_forward_gives_the_raw_outputs_and_dropout_on_demand(named):
    X, y = named
    net = ActMLP(max_epochs=1, dropout=0.5, random_state=0).fit(X, y)
    logits = net.forward(X)
    assert logits.shape == (150, 3)
    assert torch.equal(logits, net.forward(X))
    assert not torch.equal(net.forward(X, training=True), net.forward(X, training=True))
    assert sum(len(part) for part in net.forward_iter(X)) == 150


def test_prediction_goes_through_skorchs_loader_for_a_dataset(named):
    X, y = named
    net = ActMLP(max_epochs=2, random_state=0).fit(X, y)
    np.testing.assert_allclose(net.predict_proba(Dataset(X)), net.predict_proba(X))


def test_a_trimmed_net_predicts_and_refuses_to_train(named):
    X, y = named
    net = ActMLP(max_epochs=2, random_state=0).fit(X, y)
    before = net.predict_proba(X)
    net.trim_for_prediction()
    np.testing.assert_array_equal(before, net.predict_proba(X))
    with pytest.raises(Exception, match="trimmed for prediction"):
        net.partial_fit(X, y)


def test_a_checkpoint_inside_a_fit_carries_nothing_of_the_fit(named, tmp_path):
    checkpoint = Checkpoint(dirname=tmp_path, monitor=None, f_pickle="net.pkl")
    ActMLP(max_epochs=1, callbacks=[checkpoint]).fit(*named)
    state = vars(pickle.loads((tmp_path / "net.pkl").read_bytes()))
    assert not {"_loop", "_callback_fit_ctx", "_skl_callbacks_to_teardown"} & set(state)


def test_users_callbacks_see_live_weights_and_the_users_labels(named):
    X, y = named

    class Spy(Callback):
        def on_batch_end(self, net, batch, training, **kwargs):
            labels.update(batch[1])
            outputs.append(net.module_.output.bias.detach().clone())

        def on_train_begin(self, net, X, y, **kwargs):
            labels.update(y)

    labels: set = set()
    outputs: list = []
    ActMLP(max_epochs=1, batch_size=50, callbacks=[Spy()]).fit(X, y)
    assert labels == set(NAMES)
    assert not torch.equal(outputs[0], outputs[1])
