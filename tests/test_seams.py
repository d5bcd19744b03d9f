"""Every name of a dependency that its documentation does not promise, tried for real.

If one of these tests fails with a new version of a dependency, the module that is named
at its head is what to mend.
"""

import copy
import inspect
import re
import subprocess
import sys
import tomllib
from functools import partial
from importlib.metadata import version
from pathlib import Path

import hiplot
import joblib
import numpy as np
import pytest
import sklearn
import skorch
import torch
from joblib.parallel import (
    FallbackToBackend,
    ParallelBackendBase,
    SequentialBackend,
    ThreadingBackend,
)
from packaging.requirements import Requirement
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.callback import ScoringMonitor
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.feature_selection import RFE, RFECV
from sklearn.linear_model import LinearRegression, RANSACRegressor
from sklearn.metrics import accuracy_score, r2_score
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    RepeatedKFold,
    RepeatedStratifiedKFold,
    ShuffleSplit,
    StratifiedShuffleSplit,
    cross_validate,
)
from sklearn.multioutput import MultiOutputClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier, RadiusNeighborsClassifier
from sklearn.semi_supervised import SelfTrainingClassifier
from sklearn.utils import all_estimators
from skorch import NeuralNet, NeuralNetBinaryClassifier, NeuralNetClassifier
from skorch.callbacks import EpochScoring, EpochTimer, PassthroughScoring
from skorch.history import History
from torch import nn
from torch.utils import _python_dispatch

from skact import ActMLP, TrainingLog, fused, to_hiplot
from skact import _sklearn as sklearn_seam
from skact import _skorch as skorch_seam
from skact import _torch as torch_seam

RNG = np.random.default_rng(0)
X, y = RNG.normal(size=(40, 3)), np.arange(40) % 2


def a_net(**params):
    return ActMLP(width=4, max_epochs=1, random_state=0).set_params(**params)


# ------------------------------------------------------------------ torch


@pytest.mark.parametrize("name", torch_seam.FUNCTIONS)
def test_torch_has_the_function(name):
    assert callable(torch_seam.find_function(name))


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")  # of the compiler
def test_a_compiled_module_holds_the_module():
    module = nn.Linear(2, 1)
    assert torch_seam.uncompiled(module) is module
    assert torch_seam.uncompiled(torch.compile(module, backend="eager")) is module


@pytest.mark.parametrize("name", torch_seam.OPERATIONS)
def test_torch_has_the_operation(name):
    assert torch_seam.find_operation(name)._schema.name.startswith("aten::")


def test_what_torch_lacks_is_said_where_it_is_first_used():
    for lookup, name in (
        (torch_seam.find_function, "_fused_lion_"),
        (torch_seam.find_operation, "reluu.out"),
        (torch_seam.find_operation, "elu.nowhere"),
    ):
        with pytest.raises(RuntimeError, match=f"lacks: there is no .*{name}"):
            lookup(name)


def test_skact_can_be_imported_without_the_fused_optimizer():
    script = (
        "import torch\n"
        "del torch._fused_adamw_\n"
        "import skact, numpy as np\n"
        "X, y = np.eye(8), np.arange(8) % 2\n"
        "try:\n"
        "    skact.ActMLP(max_epochs=1).fit(X, y)\n"
        "except RuntimeError as error:\n"
        "    assert 'there is no torch._fused_adamw_' in str(error), error\n"
        "else:\n"
        "    raise AssertionError('nothing was said')\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def hooked(register):
    linear = nn.Linear(2, 2)
    getattr(linear, register)(lambda *_: None)
    return linear


@pytest.mark.parametrize(
    "register",
    [
        "register_forward_hook",
        "register_forward_pre_hook",
        "register_full_backward_hook",
        "register_full_backward_pre_hook",
    ],
)
def test_every_hook_on_a_module_is_seen(register):
    assert torch_seam.has_hooks(hooked(register))
    assert not torch_seam.has_hooks(nn.Linear(2, 2))


@pytest.mark.parametrize(
    "register", ["register_hook", "register_post_accumulate_grad_hook"]
)
def test_every_hook_on_a_parameter_is_seen(register):
    weight = nn.Parameter(torch.zeros(2))
    assert not torch_seam.has_hooks(weight)
    getattr(weight, register)(lambda *_: None)
    assert torch_seam.has_hooks(weight)


@pytest.mark.parametrize("kind", ["pre", "post"])
def test_every_hook_on_an_optimizer_is_seen(kind):
    sgd = torch.optim.SGD([nn.Parameter(torch.zeros(2))], lr=0.1)
    assert not torch_seam.has_hooks(sgd)
    getattr(sgd, f"register_step_{kind}_hook")(lambda *_: None)
    assert torch_seam.has_hooks(sgd)


def test_torch_has_no_hooks_that_skact_does_not_know():
    """A kind of hook that a new torch adds would silently not be called."""
    known = {
        nn.Linear(1, 1): {
            *("_forward_hooks", "_forward_pre_hooks"),
            *("_backward_hooks", "_backward_pre_hooks"),
            # these say how others are to be called, or are about state dicts
            *("_forward_hooks_with_kwargs", "_forward_hooks_always_called"),
            "_forward_pre_hooks_with_kwargs",
            *("_state_dict_hooks", "_state_dict_pre_hooks"),
            *("_load_state_dict_pre_hooks", "_load_state_dict_post_hooks"),
        },
        torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.1): {
            "_optimizer_step_pre_hooks",
            "_optimizer_step_post_hooks",
            *(
                f"_optimizer_{what}state_dict_{when}_hooks"
                for what in ("", "load_")
                for when in ("pre", "post")
            ),
        },
    }
    for part, names in known.items():
        assert {name for name in vars(part) if "hooks" in name} == names


class Mode(torch.overrides.TorchFunctionMode):
    def __torch_function__(self, function, types, args=(), kwargs=None):
        return function(*args, **(kwargs or {}))


def test_who_looks_on_in_a_thread_is_seen():
    assert not torch_seam.is_watched()
    with Mode():
        assert torch_seam.is_watched()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch_seam.is_watched()
    with torch.profiler.profile():
        assert torch_seam.is_watched()
    handle = nn.modules.module.register_module_forward_hook(lambda *_: None)
    assert torch_seam.is_watched()
    handle.remove()
    assert not torch_seam.is_watched()


class Looking(_python_dispatch.TorchDispatchMode):
    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        return function(*args, **(kwargs or {}))


def test_the_modes_of_a_thread_can_be_taken_off_and_put_back():
    none = torch_seam.modes_of_thread()
    assert none == ([], [], None)
    with torch.device("meta"), Mode(), Looking():
        some = torch_seam.modes_of_thread()
        assert [len(stack) for stack in some[:2]] == [2, 1]
        torch_seam.restore_modes_of_thread(none)
        assert torch.ones(1).device.type == "cpu"
        assert not torch_seam.is_watched()
        torch_seam.restore_modes_of_thread(some)
        assert torch.ones(1).device.type == "meta"
    torch.set_default_device("meta")
    default = torch_seam.modes_of_thread()
    torch_seam.restore_modes_of_thread(none)
    assert torch.get_default_device().type == "cpu"
    torch_seam.restore_modes_of_thread(default)
    assert torch.get_default_device().type == "meta"
    torch.set_default_device(None)
    assert torch_seam.modes_of_thread() == none


NO_COMPILER = """
import copy, pickle, sys, warnings
import numpy as np, torch
from sklearn.model_selection import cross_validate
from skorch.callbacks import LRScheduler
from skact import ActMLP, fused

warnings.simplefilter("error")
X, y = np.random.default_rng(0).normal(size=(40, 3)), np.arange(40) % 2
kinds = [
    {}, {"optimizer": "sgd"}, {"optimizer": "adamw"}, {"early_stopping": True},
    {"activation": lambda x: x * torch.tanh(x)}, {"activation": "rrelu"},
    {"norm": "batch", "dropout": 0.1},
    {"lr_schedule": "cosine"}, {"callbacks": [LRScheduler("StepLR", step_size=1)]},
    {"callbacks": [LRScheduler("ReduceLROnPlateau", monitor="train_loss")]},
]
for kind in kinds:
    net = ActMLP(max_epochs=3, random_state=0, **kind).fit(X, y)
    assert net.trained_by_ == "the engine", net.trained_by_
    net.partial_fit(X, y).predict(X)
    with fused():
        cross_validate(net, X, y, cv=2)
    assert "torch._dynamo" not in sys.modules, kind
copy.deepcopy(net)
net = pickle.loads(pickle.dumps(ActMLP(max_epochs=1).fit(X, y)))
net.save_params(f_params="params.pt")
net.load_params(f_params="params.pt")
assert "torch._dynamo" not in sys.modules
"""


def test_what_the_engine_trains_does_not_load_torchs_compiler(tmp_path):
    subprocess.run([sys.executable, "-c", NO_COMPILER], check=True, cwd=tmp_path)


CTRL_C = """
import os, signal, sys, threading
import numpy as np, torch
from skact import ActMLP

signal.signal(signal.SIGINT, signal.default_int_handler)


class Pressing:
    def find_spec(self, name, *_):
        if name == sys.argv[2]:  # in the middle of the import
            sys.meta_path.remove(self)
            os.kill(os.getpid(), signal.SIGINT)
            pressed.wait(timeout=1)


def make_net(n_epochs=1):
    class Own(torch.optim.Adam):
        def add_param_group(self, group):
            super().add_param_group(group)

    kinds = {
        "optimizer": {"optimizer": torch.optim.RMSprop},
        "subclass": {"optimizer": Own},
        "function": {"optimizer": lambda params, lr: torch.optim.Adam(params, lr)},
        "compile": {"compile": True, "compile__backend": "eager"},
        "save": {},
        "activation": {"activation": lambda x: x * torch.tanh(x)},
    }
    return ActMLP(max_epochs=n_epochs, random_state=0, **kinds[sys.argv[1]])


def work():
    net = make_net().fit(X, y)
    if sys.argv[1] == "save":
        net.save_params(f_optimizer="optimizer.pt")
        net.load_params(f_optimizer="optimizer.pt")


X, y = np.random.default_rng(0).normal(size=(40, 3)), np.arange(40) % 2
pressed = threading.Event()
sys.meta_path.insert(0, Pressing())
try:
    work()
except KeyboardInterrupt:
    pressed.set()
assert pressed.is_set()
work()
compiled = torch.compile(lambda x: x + 1, backend="eager")
assert compiled(torch.ones(1)).item() == 2
thread = threading.Thread(target=work)
thread.start()
thread.join()
"""


@pytest.mark.parametrize(
    ("kind", "module"),
    [
        ("optimizer", "torch._dynamo.polyfills.loader"),
        ("subclass", "torch._dynamo.polyfills.loader"),
        ("function", "torch._dynamo.polyfills.loader"),
        ("compile", "torch._dynamo.polyfills.loader"),
        ("save", "torch._dynamo.polyfills.loader"),
        ("activation", "sympy.matrices"),  # for its gradients
    ],
)
def test_ctrl_c_while_torch_loads_its_compiler_breaks_nothing(kind, module, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", CTRL_C, kind, module],
        check=False,
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("kind", [torch.optim.SGD, torch.optim.Adam, torch.optim.LBFGS])
def test_an_optimizer_is_the_same_without_the_compiler(kind):
    weight = nn.Parameter(torch.zeros(2))
    expected = kind([weight], lr=0.5)
    optimizer = torch_seam.build_optimizer(kind, [weight], lr=0.5)
    assert type(optimizer) is kind
    assert vars(optimizer).keys() == vars(expected).keys()
    assert optimizer.param_groups == expected.param_groups
    with pytest.raises(ValueError, match="empty parameter list"):
        torch_seam.build_optimizer(kind, [], lr=0.5)


def test_a_scheduler_does_not_miss_the_steps_that_the_engine_takes():
    sgd = torch.optim.SGD([nn.Parameter(torch.zeros(2))], lr=0.5)
    scheduler = torch.optim.lr_scheduler.StepLR(sgd, step_size=1)
    with pytest.warns(UserWarning, match="before `optimizer.step"):
        scheduler.step()
    scheduler = torch.optim.lr_scheduler.StepLR(sgd, step_size=1)
    torch_seam.note_step(sgd)
    scheduler.step()


# ------------------------------------------------------------------ skorch


def test_every_method_of_a_skorch_net_is_sorted():
    """A hook that a new skorch adds would silently not be called by the engine."""
    groups = (
        skorch_seam.TRAINING_METHODS,
        skorch_seam.EPOCH_METHODS,
        skorch_seam.OTHER_METHODS,
    )
    known = frozenset().union(*groups)
    assert len(known) == sum(map(len, groups))  # none is in two
    public = {
        name
        for name, value in vars(NeuralNet).items()
        if not name.startswith("_") and (callable(value) or isinstance(value, property))
    }
    assert {name for name in known if not name.startswith("_")} == public
    for name in known | skorch_seam.PREDICTION_METHODS:
        assert hasattr(NeuralNet, name), name


def test_what_a_user_overrides_is_found_wherever_it_stands():
    class Mixin:
        def get_loss(self, *args, **kwargs):
            return super().get_loss(*args, **kwargs)

    class Mixed(Mixin, ActMLP):
        pass

    net = a_net()
    assert skorch_seam.overridden_method(net, skorch_seam.TRAINING_METHODS) is None
    assert skorch_seam.overridden_method(Mixed(), ["get_loss"]) == "get_loss"
    net.infer = lambda x: x
    assert skorch_seam.overridden_method(net, ["get_loss", "infer"]) == "infer"


def test_skorchs_constructor_sets_no_more_than_skact_does():
    plain = NeuralNetClassifier(nn.Linear)
    set_by_skorch = {name for name in vars(plain) if name.endswith("_")}
    assert set_by_skorch == set(skorch_seam.CONSTRUCTOR_ATTRIBUTES)
    for name, value in skorch_seam.CONSTRUCTOR_ATTRIBUTES.items():
        assert getattr(plain, name) == value
    private = {name for name in vars(plain) if name.startswith("_")}
    assert private == {"_params_to_validate", "_kwargs"} & set(vars(plain))


@pytest.mark.parametrize("kind", [NeuralNetClassifier, NeuralNetBinaryClassifier])
def test_the_nonlinearity_is_inferred(kind):
    net = kind(nn.Linear, module__in_features=2, module__out_features=1).initialize()
    assert callable(skorch_seam.nonlinearity_of(net))


@pytest.mark.parametrize(
    ("criterion", "name"),
    [
        (nn.CrossEntropyLoss, "softmax"),
        (nn.BCEWithLogitsLoss, "sigmoid"),
        (nn.BCELoss, "stack"),
        (nn.NLLLoss, "identity"),
    ],
)
def test_nonlinearities_of_skorch_have_names(criterion, name):
    net = NeuralNet(nn.Linear, criterion=criterion).set_params(
        module__in_features=2, module__out_features=1
    )
    net.initialize()
    function = skorch_seam.nonlinearity_of(net)
    assert skorch_seam.name_of_nonlinearity(function) == name
    for other in (torch.sigmoid, partial(torch.softmax, dim=0), partial(torch.relu)):
        assert skorch_seam.name_of_nonlinearity(other) is None


def test_a_net_is_brought_into_evaluation_mode():
    net = a_net().fit(X, y)
    net.module_.train()
    skorch_seam.set_evaluation_mode(net)
    assert not net.module_.training


def test_batches_can_be_written_into_a_history():
    history = History()
    history.new_epoch()
    skorch_seam.last_batches_of(history).append({"train_loss": 1.0})
    assert history[-1, "batches", -1, "train_loss"] == 1.0


def test_callbacks_that_record_can_be_told():
    timer = EpochTimer().initialize()
    skorch_seam.write_epoch_start(timer, 12.0)
    net = a_net().fit(X, y)
    net.history.new_epoch()
    timer.on_epoch_end(net)
    assert net.history[-1, "dur"] > 1e9  # seconds since then
    scoring = PassthroughScoring("train_loss").initialize()
    assert scoring.best_score_ == np.inf
    scores = [0.5, 0.6, 0.4]
    for score in scores:
        net.history.new_epoch()
        skorch_seam.write_score(net.history, scoring, "train_loss", score)
    assert net.history[-3:, "train_loss"] == scores
    assert net.history[-3:, "train_loss_best"] == [True, False, True]
    assert scoring.best_score_ == 0.4


def test_what_a_scoring_callback_calls_can_be_replaced():
    callback = EpochScoring("accuracy", name="mine").initialize()
    assert skorch_seam.scoring_of(callback) == "accuracy"
    skorch_seam.replace_scoring(callback, lambda net, X, y: 7.0)
    net = a_net(callbacks=[]).fit(X, y)
    assert callback._scoring(net, X, y) == 7.0
    assert callback.initialize().scoring_ == "accuracy"


# ------------------------------------------------------------------ scikit-learn


def test_callbacks_that_were_set_are_found_and_cloned():
    log = TrainingLog()
    net = a_net().set_callbacks(log)
    assert sklearn_seam.callbacks_of(net) == [log]
    assert sklearn_seam.callbacks_of(sklearn.clone(net)) == [log]
    assert sklearn_seam.callbacks_of(a_net()) == []


class Noting(ScoringMonitor):
    """Notes what a net has while it is fitted, and the tasks around it."""

    def __init__(self, found):
        super().__init__(scoring="accuracy")
        self.found = found

    def setup(self, estimator, context):
        path = sklearn_seam.contexts_from_root(context)
        names = [task.task_name for task in path]
        sources = [task.source_task_name for task in path]
        self.found.append((set(vars(estimator)), names, sources))

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        pass


def test_tasks_of_searches_have_the_names_that_skact_knows():
    found: list = []
    net = a_net().set_callbacks(Noting(found))
    GridSearchCV(net, {"lr": [0.1]}, cv=2).fit(X, y)
    names, sources = [one[1] for one in found], [one[2] for one in found]
    assert names == [["fit", "search", "fit"]] * 2 + [["fit", "fit"]]
    assert [one[-1] for one in sources] == [
        *[sklearn_seam.CANDIDATE] * 2,
        sklearn_seam.REFIT,
    ]
    found.clear()
    HalvingGridSearchCV(net, {"lr": [0.1, 0.01]}, cv=2, min_resources=20).fit(X, y)
    assert found[0][1] == ["fit", "search", sklearn_seam.HALVING_ITERATION, "fit"]
    for name in sklearn_seam.DURING_FIT:
        assert name in found[0][0], f"{name} is not there during a fit"


def test_after_a_fit_nothing_of_scikit_learns_is_left():
    net = a_net().set_callbacks(TrainingLog()).fit(X, y)
    assert not set(sklearn_seam.DURING_FIT) & set(vars(net))
    copy.deepcopy(net)


def test_times_are_measured_under_the_names_that_skact_knows(monkeypatch):
    results: list = []
    monkeypatch.setattr(
        "skact.backend.tasks.correct_times", lambda found, *_: results.append(found)
    )
    with fused():
        cross_validate(a_net(), X, y, cv=2)
    assert len(results) == 2
    for (measured,) in results:
        assert measured.keys() >= sklearn_seam.FIT_AND_SCORE


@pytest.mark.parametrize("kind", [RepeatedKFold, RepeatedStratifiedKFold])
def test_a_repeated_splitter_tells_its_folds(kind):
    assert sklearn_seam.n_folds_of_repetition(kind(n_splits=4, n_repeats=2)) == 4


@pytest.mark.parametrize("kind", [ShuffleSplit, StratifiedShuffleSplit])
def test_a_shuffled_splitter_tells_its_default_size(kind):
    splitter = kind(n_splits=1, random_state=0)
    (_, test), *_ = splitter.split(X, y)
    assert sklearn_seam.default_test_size(splitter) == pytest.approx(len(test) / len(X))


SCORES_WITHOUT_A_NAME = {
    *("GammaRegressor", "PoissonRegressor", "TweedieRegressor", "LogisticRegressionCV"),
    *("RANSACRegressor", "SelfTrainingClassifier"),
}


def test_the_scores_of_classifiers_and_regressors_have_names():
    metrics = {ClassifierMixin: "accuracy", RegressorMixin: "r2"}
    others = set()
    for name, kind in all_estimators(type_filter=["classifier", "regressor"]):
        found = sklearn_seam.metric_of_method(inspect.unwrap(kind.score))
        expected = next(metrics[base] for base in kind.__mro__ if base in metrics)
        assert found in (expected, None)
        others |= set() if found else {name}
    assert others == SCORES_WITHOUT_A_NAME
    assert sklearn_seam.metric_of_method(ActMLP.score) is None
    assert sklearn_seam.metric_of_method(None) is None


class Half(LinearRegression):
    """Has a score by which it is known."""

    def score(self, X, y, sample_weight=None):
        return 0.5


class HalfOfClasses(GaussianNB):
    """Has a score by which it is known."""

    score = Half.score


@pytest.mark.parametrize(
    "model",
    [
        *(RFE(Half()), RFECV(Half()), RANSACRegressor(Half())),
        SelfTrainingClassifier(HalfOfClasses()),
    ],
)
def test_a_parameter_says_what_a_score_is_that_is_not_one_s_own(model):
    found = model.fit(X, np.where(np.arange(40) < 2, -1, y))  # -1: without a label
    parameter = sklearn_seam.parameter_of_method(type(model).score)
    assert (parameter == "estimator") == (found.score(X, y) == 0.5)
    if parameter == "scoring":
        model.set_params(scoring="neg_max_error")
        assert model.score(X, y) == pytest.approx(-np.abs(y - model.predict(X)).max())
    assert sklearn_seam.parameter_of_method(ClassifierMixin.score) is None
    assert sklearn_seam.parameter_of_method(None) is None


@pytest.mark.parametrize(
    "kind",
    [
        *(DummyClassifier, KNeighborsClassifier, RadiusNeighborsClassifier),
        partial(MultiOutputClassifier, KNeighborsClassifier()),
        DummyRegressor,
    ],
)
def test_a_score_of_its_own_is_the_metric_that_it_is_named_for(kind):
    X, y = np.arange(8.0)[:, None], np.arange(8) // 3
    targets = y[:, None] if isinstance(kind, partial) else y
    model = kind().fit(X, targets)
    name = sklearn_seam.metric_of_method(type(model).score)
    metric = {"accuracy": accuracy_score, "r2": r2_score}[name]
    predicted = model.predict(X)
    assert model.score(X, targets) == pytest.approx(metric(targets, predicted))


def test_a_halving_keeps_the_number_of_its_rows():
    search = HalvingGridSearchCV(
        DummyClassifier(), {"random_state": [0, 1, 2]}, max_resources=30, cv=2
    ).fit(X, y)
    assert sklearn_seam.n_rows_of_halving(search) == 40
    assert sklearn_seam.n_rows_of_halving(GridSearchCV(DummyClassifier(), {})) is None


# ------------------------------------------------------------------ joblib, hiplot


def test_joblib_has_the_protocol_of_a_backend():
    hooks = {
        *("configure", "effective_n_jobs", "start_call", "submit"),
        *("retrieval_context", "retrieve_result_callback", "get_nested_backend"),
        *("abort_everything", "supports_retrieve_callback", "supports_timeout"),
        *("supports_return_generator", "default_n_jobs"),
    }
    assert hooks <= set(dir(ParallelBackendBase))
    assert {"uses_threads", "supports_sharedmem"} <= set(dir(ThreadingBackend))
    for kind in (SequentialBackend, ThreadingBackend):
        assert issubclass(kind, ParallelBackendBase)
    assert issubclass(FallbackToBackend, Exception)
    assert joblib.Parallel().pre_dispatch == "2 * n_jobs"


def test_hiplot_has_the_elements_that_pages_style():
    results = {
        "param_lr": [0.1, 0.2],
        "params": [{}, {}],
        "mean_test_score": [0.9, 0.8],
        "rank_test_score": [1, 2],
    }
    page = to_hiplot(results).to_html()
    assert page is not None
    for name in ("pplot-root", "label-name", "sample-table-container"):
        assert page.count(name) > 1, name  # in our style and in HiPlot's code
    experiment = hiplot.Experiment()
    assert hasattr(experiment, "enabledDisplays")
    assert r"\"persistentState\": null" in page


# ------------------------------------------------------------------ versions


def test_versions_are_capped_where_skact_leans_on_private_names():
    root = Path(__file__).parents[1]
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    required = {r.name: r for r in map(Requirement, project["dependencies"])}
    for name in ("joblib", "scikit-learn", "skorch"):
        bounds = {spec.operator: spec.version for spec in required[name].specifier}
        assert set(bounds) == {">=", "<"}, name
        minor = [tuple(map(int, v.split(".")[:2])) for v in bounds.values()]
        assert max(minor)[1] - min(minor)[1] == 1, f"{name} spans one minor version"
        assert version(name) in required[name].specifier
    pinned = re.findall(
        r"^([\w.-]+)==(.+)$", (root / "constraints.txt").read_text(), re.M
    )
    for name, number in pinned:
        if name in required:
            assert number in required[name].specifier, name
    assert skorch.__version__.startswith("1.4")
