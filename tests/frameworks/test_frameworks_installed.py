"""The environment of `make install-frameworks` is the one these tests are meant to run in."""

import pytest

from modelet.doctor import examine


@pytest.mark.parametrize("extra", ["torch", "tensorflow", "keras", "examples-frameworks"])
def test_the_doctor_finds_the_extra(extra):
    states = {finding.name: finding.state for finding in examine()}
    assert states[f"extra {extra}"] == "ok"
