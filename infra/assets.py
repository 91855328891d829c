"""What the functions are made of, in the cloud assembly under the digest of its own bytes.

CDK would copy each model's build context into the assembly and hash it anew, 45 MB for each of 300
models, and its cache of hashes trusts inode, time and size of files whose times are fixed. Here every
file is hashed once a run and linked, not copied; decision 0063 has the figures.
"""

import hashlib
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

import aws_cdk as cdk
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_s3 as s3
from constructs import Construct

from infra.acknowledge import acknowledge
from infra.model_archive import write_archive

# Where a file of an asset comes from: a path, or its bytes.
Files = Mapping[str, Path | bytes]

_IMAGE, _FUNCTION, _MODEL = "image", "function", "model"
_PLATFORMS = {"x86_64": "linux/amd64", "arm64": "linux/arm64"}


class Assets:
    """The assets of one assembly; those of an earlier synthesis into the same folder go."""

    def __init__(self, assembly: Path) -> None:
        for old in (*assembly.glob(f"{_IMAGE}.*"), *assembly.glob(f"{_FUNCTION}.*")):
            shutil.rmtree(old)
        for archive in assembly.glob(f"{_MODEL}.*"):
            archive.unlink()
        self._assembly = assembly
        self._digests: dict[tuple[int, int, int, int], str] = {}

    def image(
        self, scope: Construct, *, context: Path, architecture: str, command: str
    ) -> lambda_.DockerImageCode:
        """The image that is built from the folder `context`, started with `command`."""
        files = files_of(context)
        digest = self._digest(files)
        location = cdk.Stack.of(scope).synthesizer.add_docker_image_asset(
            source_hash=digest,
            directory_name=self._stage(f"{_IMAGE}.{digest}", files),
            docker_file="Dockerfile",
            platform=_PLATFORMS[architecture],
            display_name=context.name,
        )
        repository = ecr.Repository.from_repository_name(scope, "Images", location.repository_name)
        return lambda_.DockerImageCode.from_ecr(repository, tag_or_digest=location.image_tag, cmd=[command])

    def archive(self, scope: Construct, files: Files) -> lambda_.Code:
        """The code of a zip function."""
        digest = self._digest(files)
        location = cdk.Stack.of(scope).synthesizer.add_file_asset(
            source_hash=digest,
            file_name=self._stage(f"{_FUNCTION}.{digest}", files),
            packaging=cdk.FileAssetPackaging.ZIP_DIRECTORY,
        )
        bucket = s3.Bucket.from_bucket_name(scope, "Archives", location.bucket_name)
        reason = "The key is the digest of what it names."
        acknowledge(bucket, {"@aws-cdk/aws-lambda:codeFromBucketObjectVersionNotSpecified": reason})
        return lambda_.Code.from_bucket(bucket, location.object_key)

    def bucket(self, scope: Construct) -> s3.IBucket:
        """Where all archives are."""
        synthesizer = cdk.Stack.of(scope).synthesizer
        assert synthesizer.bootstrap_qualifier is not None
        name = cdk.DefaultStackSynthesizer.DEFAULT_FILE_ASSETS_BUCKET_NAME
        return s3.Bucket.from_bucket_name(
            scope, "Assets", cdk.Fn.sub(name.replace("${Qualifier}", synthesizer.bootstrap_qualifier))
        )

    def model(self, scope: Construct, repository: Path) -> tuple[s3.IBucket, str]:
        """A model repository as SageMaker takes it: the bucket and the key of its archive."""
        files = files_of(repository)
        digest = self._digest(files)
        name = f"{_MODEL}.{digest}.tar.gz"
        if not (self._assembly / name).exists():
            write_archive(self._assembly / name, files)
        location = cdk.Stack.of(scope).synthesizer.add_file_asset(
            # The CDK takes the last suffix only, and SageMaker wants both.
            source_hash=f"{digest}.tar",
            file_name=name,
            packaging=cdk.FileAssetPackaging.FILE,
        )
        return s3.Bucket.from_bucket_name(scope, "Models", location.bucket_name), location.object_key

    def _stage(self, name: str, files: Files) -> str:
        """Lay the files out in the assembly, once."""
        folder = self._assembly / name
        if folder.exists():
            return name
        for path, content in files.items():
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, bytes):
                target.write_bytes(content)
            else:
                _link(content, target)
        return name

    def _digest(self, files: Files) -> str:
        digest = hashlib.sha256()
        for path in sorted(files):
            content = files[path]
            part = hashlib.sha256(content).hexdigest() if isinstance(content, bytes) else self._file(content)
            digest.update(f"{path}\0{part}\n".encode())
        return digest.hexdigest()

    def _file(self, path: Path) -> str:
        """The digest of a file; what all models share is one file with many links, and read once."""
        status = path.stat()
        key = (status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size)
        if key not in self._digests:
            with path.open("rb") as file:
                self._digests[key] = hashlib.file_digest(file, "sha256").hexdigest()
        return self._digests[key]


def files_of(folder: Path, *, with_bytecode: bool = False) -> dict[str, Path | bytes]:
    """The files below a folder by relative path.

    Args:
        folder: The folder.
        with_bytecode: Whether its bytecode is part of it, and nothing that a run left behind.
    """
    return {
        path.relative_to(folder).as_posix(): path
        for path in sorted(folder.rglob("*"))
        if path.is_file() and (with_bytecode or "__pycache__" not in path.parts)
    }


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without links
        shutil.copy2(source, target)
