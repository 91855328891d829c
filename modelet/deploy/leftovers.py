"""What is still there, and may cost, after a stage has been deleted."""

from modelet.deploy.assembly import Assembly
from modelet.deploy.errors import DeployRefused


def refuse_if_protected(assembly: Assembly, stage: str) -> None:
    """Refuse before anything is deleted.

    Raises:
        DeployRefused: Stacks are protected, and CloudFormation would refuse them one by one.
    """
    if protected := assembly.protected:
        raise DeployRefused(
            f"{len(protected)} stacks of stage {stage} are protected against deletion",
            "set termination_protection=False in infra/config.py and deploy that first",
        )


def staying(assembly: Assembly) -> list[str]:
    """One line for each kind of thing that stays, with what to do about it."""
    kept = [
        f"{number} x {kind}: the stage retains its data; delete them by hand when you need them no more"
        for kind, number in sorted(assembly.retained.items())
    ]
    return [
        *kept,
        "the images and archives of the functions, in the CDK's repository and bucket of the account:"
        " `cdk gc` deletes those that no stack uses",
        "the CDK's own bootstrap stack, which other apps may use",
        "stacks of models that were removed from model_artifacts/ before: `aws cloudformation list-stacks`",
    ]
