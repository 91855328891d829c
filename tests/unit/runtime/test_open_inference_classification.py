import pytest

from modelet_runtime.errors import InvalidRequest
from modelet_runtime.protocols.open_inference_classification import classify
from modelet_runtime.tensor import DATATYPES, Tensor


def top(values, count, shape=None, labels=(), datatype="FP32"):
    tensor = Tensor.from_values("scores", DATATYPES[datatype], shape or (len(values),), values)
    result = classify(tensor, count, labels)
    assert (result.name, result.datatype.name) == ("scores", "BYTES")
    return result.shape, [text.decode() for text in result.elements]


class TestClassify:
    def test_value_index_and_label_highest_first(self):
        # The values are written as C++'s std::to_string does, which is what Triton uses.
        assert top([0.25, 0.5, 0.125], 2, (1, 3), ("a", "b", "c")) == (
            (1, 2),
            ["0.500000:1:b", "0.250000:0:a"],
        )

    def test_without_labels(self):
        assert top([0.25, 0.5], 1, (1, 2)) == ((1, 1), ["0.500000:1"])

    def test_each_row_of_a_batch(self):
        assert top([1, 2, 4, 3], 1, (2, 2), ("a", "b")) == ((2, 1), ["2.000000:1:b", "4.000000:0:a"])

    def test_ties_go_to_the_lower_index(self):
        assert top([1, 3, 3, 1], 4)[1] == ["3.000000:1", "3.000000:2", "1.000000:0", "1.000000:3"]

    def test_more_classes_than_there_are(self):
        assert top([1, 2], 10, (1, 2)) == ((1, 2), ["2.000000:1", "1.000000:0"])

    def test_no_batch_axis(self):
        assert top([1, 2], 1) == ((1,), ["2.000000:1"])

    def test_axes_after_the_first_are_flattened(self):
        assert top([1, 2, 3, 4], 1, (1, 2, 2)) == ((1, 1), ["4.000000:3"])

    def test_integers_are_written_whole_and_keep_their_bits(self):
        assert top([2**63 - 1, -1], 2, datatype="INT64")[1] == ["9223372036854775807:0", "-1:1"]

    def test_not_a_number_comes_last(self):
        assert top([float("nan"), 1, float("-inf")], 3)[1] == ["1.000000:1", "nan:0", "-inf:2"]

    def test_sixteen_bit_floats(self):
        assert top([0.5, 1.5], 1, datatype="FP16")[1] == ["1.500000:1"]

    def test_an_empty_batch(self):
        assert top([], 3, (0, 5)) == ((0, 3), [])

    def test_labels_of_another_output_are_not_used(self):
        assert top([1, 2], 1, labels=("a", "b", "c"))[1] == ["2.000000:1"]

    @pytest.mark.parametrize(("datatype", "value"), [("BYTES", b"a"), ("BOOL", True)])
    def test_only_numbers_have_classes(self, datatype, value):
        with pytest.raises(InvalidRequest, match="an output of numbers"):
            top([value], 1, datatype=datatype)
