"""Log groups: named by CloudFormation, kept as long as the stage says."""

import aws_cdk as cdk
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from constructs import Construct

from infra.errors import SettingsRefused
from infra.settings import StageSettings

# What CloudWatch takes.
# Source: https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html
RETENTION = {
    1: logs.RetentionDays.ONE_DAY,
    3: logs.RetentionDays.THREE_DAYS,
    5: logs.RetentionDays.FIVE_DAYS,
    7: logs.RetentionDays.ONE_WEEK,
    14: logs.RetentionDays.TWO_WEEKS,
    30: logs.RetentionDays.ONE_MONTH,
    60: logs.RetentionDays.TWO_MONTHS,
    90: logs.RetentionDays.THREE_MONTHS,
    120: logs.RetentionDays.FOUR_MONTHS,
    180: logs.RetentionDays.SIX_MONTHS,
    365: logs.RetentionDays.ONE_YEAR,
    731: logs.RetentionDays.TWO_YEARS,
    1827: logs.RetentionDays.FIVE_YEARS,
    3653: logs.RetentionDays.TEN_YEARS,
}


def log_group(
    scope: Construct, construct_id: str, *, settings: StageSettings, key: kms.IKey | None
) -> logs.LogGroup:
    """Make a log group.

    Raises:
        SettingsRefused: CloudWatch does not keep logs for just so many days.
    """
    retention = RETENTION.get(settings.log_retention_days)
    if retention is None:
        raise SettingsRefused(
            f"{settings.name}: log_retention_days: CloudWatch has {', '.join(map(str, RETENTION))},"
            f" got {settings.log_retention_days}"
        )
    return logs.LogGroup(
        scope,
        construct_id,
        retention=retention,
        encryption_key=key,
        removal_policy=cdk.RemovalPolicy.RETAIN if settings.retain_data else cdk.RemovalPolicy.DESTROY,
    )
