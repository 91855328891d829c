"""What the environment says about a function."""

from pathlib import Path

from modelet_runtime.settings import JobsSettings, Settings


def test_defaults_are_those_of_a_function_with_one_vcpu() -> None:
    assert Settings.from_environment({}) == Settings(
        model_dir=Path("/opt/model"),
        memory_mib=1769,
        threads=1,
        verify_digests=True,
        function_name="local",
        arena=True,
        spinning=False,
        library=None,
    )


def test_threads_are_what_the_memory_pays_for() -> None:
    for memory_mib, threads in ((128, 1), (1769, 1), (3537, 1), (3538, 2), (10_240, 5)):
        settings = Settings.from_environment({"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(memory_mib)})
        assert (settings.memory_mib, settings.threads) == (memory_mib, threads)


def test_everything_can_be_said() -> None:
    settings = Settings.from_environment(
        {
            "MODELET_MODEL_DIR": "/models/m",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "4096",
            "MODELET_THREADS": "1",
            "MODELET_VERIFY_DIGESTS": "0",
            "AWS_LAMBDA_FUNCTION_NAME": "digits",
            "MODELET_ARENA": "0",
            "MODELET_SPINNING": "1",
            "MODELET_ORT_LIBRARY": "/opt/libonnxruntime.so.1.31.1",
        }
    )
    library = Path("/opt/libonnxruntime.so.1.31.1")
    assert settings == Settings(Path("/models/m"), 4096, 1, False, "digits", False, True, library)


def test_jobs_need_a_table_and_a_bucket() -> None:
    both = {"MODELET_JOBS_TABLE": "t", "MODELET_JOBS_BUCKET": "b"}
    assert Settings.from_environment(both).jobs == JobsSettings("t", "b", None, 7)
    more = {**both, "MODELET_JOBS_WEBHOOK": "https://h", "MODELET_JOBS_KEPT_DAYS": "3"}
    assert JobsSettings.from_environment(more) == JobsSettings("t", "b", "https://h", 3)
    for name in both:
        assert JobsSettings.from_environment({name: "x"}) is None
        assert JobsSettings.from_environment({**both, name: ""}) is None
