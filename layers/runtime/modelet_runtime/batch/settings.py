"""How the batch function runs; read from the environment in one place."""

import os
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BatchSettings:
    """Where things are, and how patient the function is.

    Attributes:
        table: The DynamoDB table of runs.
        input_bucket: Where inputs are dropped.
        output_bucket: Where results go.
        queue_url: The queue that feeds the function; without it a run that does not fit into one call is
            only continued by whoever called.
        state_machine: What runs the parts of big inputs side by side; without it they run one by one.
        aliases: What may stand behind `@` in a key, besides the version's number.
        lease_s: How long a part stays with a worker that says nothing.
        beat_s: How often a worker says how far it is.
        checkpoint_s: How much work may be lost at most.
        reserve_s: Time kept at the end of a call to put things away.
        attempts: How often a part is taken up without progress before its run fails.
    """

    table: str
    input_bucket: str
    output_bucket: str
    queue_url: str = ""
    state_machine: str = ""
    aliases: tuple[str, ...] = ("live",)
    lease_s: float = 60.0
    beat_s: float = 10.0
    checkpoint_s: float = 60.0
    reserve_s: float = 30.0
    attempts: int = 4

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> "BatchSettings":
        """Read `MODELET_BATCH_*`."""

        def seconds(name: str, default: float) -> float:
            return float(environ.get(f"MODELET_BATCH_{name}", default))

        return cls(
            table=environ["MODELET_BATCH_TABLE"],
            input_bucket=environ["MODELET_BATCH_INPUT"],
            output_bucket=environ["MODELET_BATCH_OUTPUT"],
            queue_url=environ.get("MODELET_BATCH_QUEUE_URL", ""),
            state_machine=environ.get("MODELET_BATCH_STATE_MACHINE", ""),
            aliases=tuple(environ.get("MODELET_BATCH_ALIASES", "live").replace(",", " ").split()),
            lease_s=seconds("LEASE_S", 60.0),
            beat_s=seconds("BEAT_S", 10.0),
            checkpoint_s=seconds("CHECKPOINT_S", 60.0),
            reserve_s=seconds("RESERVE_S", 30.0),
            attempts=int(environ.get("MODELET_BATCH_ATTEMPTS", "4")),
        )
