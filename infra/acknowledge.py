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


def acknowledge_wildcards(construct: IConstruct, reason: str, *resources: str) -> None:
    """Record why a role may have what is below a resource; the rule wants each named as it finds it."""
    stack = cdk.Stack.of(construct)
    found = [_as_found(stack.resolve(resource)) for resource in resources if resource.endswith("*")]
    acknowledge(construct, {f"AwsSolutions-IAM5[Resource::{resource}]": reason for resource in found})


def _as_found(resolved: object) -> str:
    """How cdk-nag writes a resource of a policy."""
    match resolved:
        case {"Fn::Join": [_, list(parts)]}:
            return "".join(map(_as_found, parts))
        case {"Ref": str(name)}:
            return f"<{name}>"
        case {"Fn::GetAtt": [str(name), str(attribute)]}:
            return f"<{name}.{attribute}>"
        case {"Fn::ImportValue": str(name)}:
            return name
    return str(resolved)
