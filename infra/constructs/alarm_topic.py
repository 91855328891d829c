"""Where alarms go."""

from collections.abc import Iterable

from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from constructs import Construct

from infra.acknowledge import acknowledge


class AlarmTopic(Construct):
    """A topic that takes messages over TLS only and sends them to people.

    Attributes:
        topic: The topic.
    """

    def __init__(
        self, scope: Construct, construct_id: str, *, emails: Iterable[str], key: kms.IKey | None
    ) -> None:
        super().__init__(scope, construct_id)
        self.topic = sns.Topic(self, "Topic", enforce_ssl=True, master_key=key)
        for email in emails:
            self.topic.add_subscription(subscriptions.EmailSubscription(email))
        acknowledge(
            self.topic, {"Serverless-SNSRedrivePolicy": "A mail that bounces is not read later from a queue."}
        )
