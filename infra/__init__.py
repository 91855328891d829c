"""The CDK app: what runs in an AWS account, made from the manifests of the models.

Importing this package comes before importing `aws_cdk`, which starts Node at its import.
"""

from infra.node import prefer_wheel

prefer_wheel()
