import pytest
import skl2onnx
from skl2onnx.common.data_types import FloatTensorType
from sklearn.preprocessing import SplineTransformer, StandardScaler

from skact import ActMLP
from skact.deploying.onnx_converters import check_part
from skact.deploying.onnx_nodes import UnconvertibleError


def test_a_part_that_skl2onnx_knows_passes():
    check_part(StandardScaler())


def test_a_part_that_nobody_knows_is_refused():
    with pytest.raises(UnconvertibleError, match="skl2onnx has no converter for this"):
        check_part(SplineTransformer())


def test_a_checked_net_is_known_to_skl2onnx_itself(iris, assert_same):
    X, y = iris
    net = ActMLP(width=4, max_epochs=1, random_state=0).fit(X, y)
    check_part(net)
    types, options = [("X", FloatTensorType([None, 4]))], {id(net): {"zipmap": False}}
    model = skl2onnx.to_onnx(net, initial_types=types, options=options, target_opset=18)
    assert_same(model, net, X)


def test_two_classes_of_one_name_do_not_meet(iris):
    X, y = iris

    def subclass():
        class Net(ActMLP):
            pass

        return Net

    first, second = subclass(), subclass()
    for kind in (first, second):
        check_part(kind(width=4, max_epochs=1).fit(X, y))
    assert skl2onnx.get_model_alias(first) != skl2onnx.get_model_alias(second)
