import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.manifests import specs

from modelet.aliases.breaks import breaks
from modelet_runtime.manifest import Signature, TensorSpec

BEFORE = Signature(specs(a=("FP32", -1, 3), b=("INT64", -1)), specs(y=("FP32", -1, 2)))


def changed(inputs=None, outputs=None):
    return Signature(inputs or BEFORE.inputs, outputs or BEFORE.outputs)


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        (changed(), ()),
        (changed(inputs=specs(b=("INT64", -1), a=("FP32", -1, 3))), ()),
        (changed(inputs=specs(a=("FP32", -1, 3))), ("input 'b' is gone",)),
        (
            changed(inputs=specs(a=("FP32", -1, 3), c=("INT64", -1))),
            ("input 'b' is gone", "input 'c' INT64[?] is new, and every input has to be sent"),
        ),
        (
            changed(inputs=specs(a=("FP64", -1, 3), b=("INT64", -1))),
            ("input 'a' was FP32[?,3] and is FP64[?,3]",),
        ),
        (
            changed(inputs=specs(a=("FP32", -1, 4), b=("INT64", -1))),
            ("input 'a' was FP32[?,3] and is FP32[?,4]",),
        ),
        (
            changed(inputs=specs(a=("FP32", 1, 3), b=("INT64", -1))),
            ("input 'a' was FP32[?,3] and is FP32[1,3]",),
        ),
        (
            changed(inputs=specs(a=("FP32", -1), b=("INT64", -1))),
            ("input 'a' was FP32[?,3] and is FP32[?]",),
        ),
        # Whatever was sent is still taken.
        (changed(inputs=specs(a=("FP32", -1, -1), b=("INT64", -1))), ()),
        (changed(outputs=specs(z=("FP32", -1, 2))), ("output 'y' is gone",)),
        (changed(outputs=specs(y=("FP32", -1, 5))), ("output 'y' was FP32[?,2] and is FP32[?,5]",)),
        (changed(outputs=specs(y=("FP32", -1, -1))), ("output 'y' was FP32[?,2] and is FP32[?,?]",)),
        (changed(outputs=specs(y=("BYTES", -1, 2))), ("output 'y' was FP32[?,2] and is BYTES[?,2]",)),
        # Whatever comes was to be expected.
        (changed(outputs=specs(y=("FP32", 1, 2))), ()),
        (
            changed(outputs=specs(y=("FP32", -1, 2), z=("INT64", -1))),
            ("output 'z' is new beside the only one, so predictions become objects",),
        ),
    ],
)
def test_what_callers_lose(after, expected):
    assert breaks(BEFORE, after) == expected


def test_one_more_output_beside_several_breaks_nobody():
    before = Signature(BEFORE.inputs, specs(y=("FP32",), z=("FP32",)))
    assert breaks(before, Signature(BEFORE.inputs, specs(y=("FP32",), z=("FP32",), w=("FP32",)))) == ()


SHAPES = st.lists(st.sampled_from([-1, 1, 2]), max_size=3).map(tuple)
TENSORS = st.dictionaries(
    st.sampled_from("abc"), st.tuples(st.sampled_from(["FP32", "INT64"]), SHAPES), min_size=1
)
SIGNATURES = st.builds(
    lambda inputs, outputs: Signature(
        *(tuple(TensorSpec(name, *of) for name, of in side.items()) for side in (inputs, outputs))
    ),
    TENSORS,
    TENSORS,
)


@given(SIGNATURES)
def test_a_signature_never_breaks_its_own_callers(signature):
    assert breaks(signature, signature) == ()


@given(SIGNATURES, SIGNATURES, SIGNATURES)
def test_two_steps_that_break_nobody_make_one(first, second, third):
    if not breaks(first, second) and not breaks(second, third):
        assert breaks(first, third) == ()
