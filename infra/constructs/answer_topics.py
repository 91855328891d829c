"""How an asynchronous endpoint tells its function that an answer is there."""

from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from constructs import Construct

from infra.acknowledge import acknowledge

_ONCE_MORE = "A job whose message is lost is taken up again when somebody asks for it."


class AnswerTopics(Construct):
    """Two topics that take messages over TLS only.

    Attributes:
        success: Told of answers.
        error: Told of failures.
    """

    def __init__(self, scope: Construct, construct_id: str, *, key: kms.IKey | None) -> None:
        super().__init__(scope, construct_id)
        # AWS's own key lets whoever may publish in this account use it.
        own = key or kms.Alias.from_alias_name(self, "Key", "alias/aws/sns")
        self.success = sns.Topic(self, "Success", enforce_ssl=True, master_key=own)
        self.error = sns.Topic(self, "Error", enforce_ssl=True, master_key=own)

    def tell(self, alias: lambda_.Alias) -> None:
        """Have both call a function."""
        for topic in (self.success, self.error):
            topic.add_subscription(subscriptions.LambdaSubscription(alias))
            acknowledge(topic, {"Serverless-SNSRedrivePolicy": _ONCE_MORE})
        acknowledge(
            alias,
            {
                "Serverless-SNSRedrivePolicy": _ONCE_MORE,
                "CloudFormation-Validate::W3694": "An alias is a function to SNS.",
            },
        )
