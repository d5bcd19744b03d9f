"""Metrics have a unit and a style of line, whatever else is drawn beside them."""

import itertools

import pytest

from skact.visualization.metric_lines import line_styles_of, unit_of


@pytest.mark.parametrize(
    ("metric", "unit"),
    [
        ("train_loss", "loss"),
        ("valid_loss", "loss"),
        ("fold_acc", "acc"),
        ("dead_12", "dead"),
        ("grad_norm_out", "grad_norm"),
        ("grad_ratio", "grad_ratio"),
        ("event_lr", "event_lr"),
        ("train_valid_gap", "valid_gap"),
    ],
)
def test_a_unit_is_what_a_metric_measures(metric: str, unit: str) -> None:
    assert unit_of(metric) == unit


KNOWN = ["train_loss", "valid_loss", "valid_acc", "dead_1", "dead_2", "fold_loss"]


def test_a_style_means_the_same_in_whatever_order_metrics_are_given() -> None:
    for n in range(2, len(KNOWN) + 1):
        for metrics in itertools.combinations(KNOWN, n):
            found = line_styles_of(metrics, KNOWN)
            assert found == line_styles_of(metrics[::-1], KNOWN)
            assert found.get("train_loss", "--") == "--"
            assert found.get("fold_loss", "-") == "-"


def test_metrics_of_one_unit_have_different_styles() -> None:
    many = [f"dead_{k}" for k in range(1, 9)]
    for metrics in (KNOWN, many, ["train_loss", "loss_1", "valid_loss"]):
        styles = line_styles_of(metrics, metrics)
        for unit in map(unit_of, metrics):
            own = [styles[name] for name in metrics if unit_of(name) == unit]
            assert len(set(own)) == len(own)


def test_held_out_rows_are_solid_and_so_is_a_metric_alone() -> None:
    styles = line_styles_of(["train_loss", "valid_loss"], KNOWN)
    assert styles == {"train_loss": "--", "valid_loss": "-"}
    assert line_styles_of(["train_loss"], KNOWN) == {"train_loss": "-"}
