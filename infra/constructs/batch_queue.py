"""From S3's events to a queue: which objects go to which version."""

from collections.abc import Sequence

import aws_cdk as cdk
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.acknowledge import acknowledge

_MAX_RECEIVES = 5
_SPARE_S = 60
_KEPT = cdk.Duration.days(14)


class BatchQueue(Construct):
    """A queue that a rule fills, and one for what failed time after time or could not be delivered.

    Attributes:
        queue: Feeds the function.
        dead: Should be empty.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        bucket: s3.IBucket,
        prefixes: Sequence[str],
        timeout_s: int,
        key: kms.IKey | None,
    ) -> None:
        super().__init__(scope, construct_id)
        # By its ARN: the key's policy, in a stack before this one, lets EventBridge use it for any queue.
        own = kms.Key.from_key_arn(self, "Key", key.key_arn) if key else None
        self.dead = _queue(self, "Dead", own, visibility_s=30)
        acknowledge(
            self.dead,
            {"Serverless-SQSRedrivePolicy": "It is where messages end; an alarm says when one does."},
        )
        self.queue = _queue(
            self,
            "Queue",
            own,
            visibility_s=timeout_s + _SPARE_S,
            dead_letters=sqs.DeadLetterQueue(queue=self.dead, max_receive_count=_MAX_RECEIVES),
        )
        rule = events.Rule(
            self,
            "Rule",
            description=f"Files for {', '.join(prefixes)}"[:512],
            event_pattern=events.EventPattern(
                source=["aws.s3"],
                detail_type=["Object Created"],
                detail={
                    "bucket": {"name": [bucket.bucket_name]},
                    "object": {"key": [{"prefix": prefix} for prefix in prefixes]},
                },
            ),
        )
        rule.add_target(targets.SqsQueue(self.queue, dead_letter_queue=self.dead))


def _queue(
    scope: Construct,
    construct_id: str,
    key: kms.IKey | None,
    *,
    visibility_s: int,
    dead_letters: sqs.DeadLetterQueue | None = None,
) -> sqs.Queue:
    return sqs.Queue(
        scope,
        construct_id,
        enforce_ssl=True,
        encryption=sqs.QueueEncryption.KMS if key else sqs.QueueEncryption.SQS_MANAGED,
        encryption_master_key=key,
        visibility_timeout=cdk.Duration.seconds(visibility_s),
        retention_period=_KEPT,
        dead_letter_queue=dead_letters,
    )
