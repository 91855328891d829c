import re
from pathlib import Path

import pytest
from support.projects import requirement, write_wheel

from modelet.packaging.errors import WheelsUnavailable
from modelet.packaging.platforms import Architecture
from modelet.packaging.wheels import Wheel, fetch


@pytest.fixture
def requirements(tmp_path: Path) -> Path:
    return tmp_path / "requirements.txt"


def test_takes_the_wheel_of_the_functions_machine_not_of_this_one(
    wheels: Path, requirements: Path, tmp_path: Path
) -> None:
    tags = {"x86_64": "manylinux_2_28_x86_64", "arm64": "manylinux2014_aarch64"}
    digests = [
        write_wheel(wheels, "tool", {"tool.so": name}, tag=f"cp313-cp313-{tag}") for name, tag in tags.items()
    ]
    digests.append(write_wheel(wheels, "tool", {"tool.so": "other"}, tag="cp311-cp311-manylinux_2_28_x86_64"))
    requirements.write_text(requirement("tool", *digests))

    for architecture in Architecture:
        (found,) = fetch(requirements, architecture, tmp_path / "cache")
        assert found.contents["tool.so"].decode() == architecture


def test_does_not_follow_dependencies(wheels: Path, requirements: Path, tmp_path: Path) -> None:
    digest = write_wheel(wheels, "tool", {"tool.py": ""}, metadata="Requires-Dist: numpy")
    requirements.write_text(requirement("tool", digest))

    assert [found.name for found in fetch(requirements, Architecture.X86_64, tmp_path / "cache")] == ["tool"]


def test_refuses_a_wheel_with_another_hash(wheels: Path, requirements: Path, tmp_path: Path) -> None:
    write_wheel(wheels, "tool", {"tool.py": ""})
    requirements.write_text(requirement("tool", "0" * 64))

    with pytest.raises(WheelsUnavailable, match="HASHES"):
        fetch(requirements, Architecture.X86_64, tmp_path / "cache")


def test_refuses_a_wheel_for_a_newer_c_library_than_the_base_image_has(
    wheels: Path, requirements: Path, tmp_path: Path
) -> None:
    digest = write_wheel(wheels, "tool", {"tool.so": ""}, tag="cp313-cp313-manylinux_2_39_x86_64")
    requirements.write_text(requirement("tool", digest))

    with pytest.raises(WheelsUnavailable, match="No matching distribution"):
        fetch(requirements, Architecture.X86_64, tmp_path / "cache")


def test_asks_the_index_once(wheels: Path, requirements: Path, tmp_path: Path) -> None:
    digest = write_wheel(wheels, "tool", {"tool.py": "x = 1"})
    requirements.write_text(requirement("tool", digest))
    first = fetch(requirements, Architecture.X86_64, tmp_path / "cache")
    (wheels / "tool-1.0-py3-none-any.whl").unlink()

    assert fetch(requirements, Architecture.X86_64, tmp_path / "cache") == first


def test_knows_the_wheel_by_its_metadata(wheels: Path, requirements: Path, tmp_path: Path) -> None:
    digest = write_wheel(wheels, "My.Tool", {"tool.py": ""}, metadata="License-Expression: MIT OR Apache-2.0")
    requirements.write_text(requirement("my-tool", digest))

    (found,) = fetch(requirements, Architecture.X86_64, tmp_path / "cache")

    assert (found.name, found.version, found.license) == ("my-tool", "1.0", "MIT OR Apache-2.0")
    assert (found.file_name, found.sha256) == ("My.Tool-1.0-py3-none-any.whl", digest)


def test_finds_what_older_metadata_say_of_the_licence(
    wheels: Path, requirements: Path, tmp_path: Path
) -> None:
    expected = {
        "bare": ("", "not stated"),
        "classified": ("Classifier: License :: OSI Approved :: MIT License", "MIT License"),
        "named": ("License: BSD", "BSD"),
        "quoted": (
            f"License: {'a whole licence ' * 20}\nClassifier: License :: Public Domain",
            "Public Domain",
        ),
    }
    digests = {
        name: write_wheel(wheels, name, {f"{name}.py": ""}, metadata=text)
        for name, (text, _) in expected.items()
    }
    requirements.write_text("".join(requirement(name, digest) for name, digest in digests.items()))

    found = fetch(requirements, Architecture.X86_64, tmp_path / "cache")

    assert {wheel.name: wheel.license for wheel in found} == {n: text for n, (_, text) in expected.items()}


def test_selects_what_runs_and_what_scanners_read() -> None:
    found = Wheel(
        "tool",
        "1.0",
        "MIT",
        "tool.whl",
        "",
        dict.fromkeys(
            [
                "tool/__init__.py",
                "tool/fast.so",
                "tool/fast.pyi",
                "tool/py.typed",
                "tool/tests/test_fast.py",
                "tool-1.0.data/scripts/tool",
                "tool-1.0.dist-info/METADATA",
                "tool-1.0.dist-info/RECORD",
                "tool-1.0.dist-info/sboms/tool.cdx.json",
                "tool-1.0.dist-info/licenses/LICENSE",
            ],
            b"",
        ),
    )
    metadata = {"tool-1.0.dist-info/METADATA", "tool-1.0.dist-info/sboms/tool.cdx.json"}

    assert set(found.select()) == metadata | {"tool/__init__.py", "tool/fast.so"}
    assert set(found.select(["*.so"])) == metadata | {"tool/fast.so"}


def test_collects_licences_of_the_package_and_of_what_it_bundles() -> None:
    names = {
        "tool-1.0.dist-info/licenses/LICENSE": "LICENSE",
        "tool-1.0.dist-info/licenses/vendored/COPYING": "vendored/COPYING",
        "tool-1.0.dist-info/NOTICE": "NOTICE",
        "tool/ThirdPartyNotices.txt": "ThirdPartyNotices.txt",
        "tool/data/LICENSE_PLATES.csv": None,
        "tool/readme.md": None,
    }
    found = Wheel("tool", "1.0", "MIT", "tool.whl", "", dict.fromkeys(names, b"text"))

    assert set(found.licenses()) == {name for name in names.values() if name}


def test_every_platform_tag_is_of_the_machine() -> None:
    for architecture, machine in ((Architecture.X86_64, "x86_64"), (Architecture.ARM64, "aarch64")):
        tags = architecture.wheel_platforms
        assert all(re.fullmatch(rf"manylinux(_2_\d+|2014|2010|1)_{machine}", tag) for tag in tags)
        assert tags[0] == f"manylinux_2_34_{machine}"
