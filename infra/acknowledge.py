"""Rules of cdk-nag that do not apply, each with the reason, where the resource is made."""

import aws_cdk as cdk
from constructs import IConstruct


def acknowledge(construct: IConstruct, reasons: dict[str, str]) -> None:
    """Record why rules, by their ids, do not apply to a construct and what is in it.

    cdk-nag 3 is a validation plugin: what it finds is acknowledged with the app's own mechanism.
    """
    cdk.Validations.of(construct).acknowledge(
        *(cdk.Acknowledgment(id=rule, reason=reason) for rule, reason in reasons.items())
    )
