import pytest
from typer.testing import CliRunner

from modelet.cli.images import app


@pytest.mark.parametrize(
    "arguments",
    [
        ["image"],
        ["image", "file_type", "--all"],
        ["image", "--all", "--tag", "a/b"],
        ["image", "file_type", "digit_image", "--tag", "a/b"],
        ["image", "file_type", "--arch", "riscv"],
        ["layer", "--arch", "riscv"],
    ],
)
def test_wrong_use_is_told_apart_from_refusal(arguments: list[str]) -> None:
    assert CliRunner().invoke(app, arguments).exit_code == 2
