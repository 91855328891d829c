"""List prices that a build compares: us-east-1, on demand, November 2026, in USD.

Source: https://aws.amazon.com/lambda/pricing/ and https://aws.amazon.com/sagemaker/pricing/. The same are in
`infra/pricing.py`, which imports nothing of the toolchain; a test holds them equal.
"""

LAMBDA_GB_SECOND = {"x86_64": 1.66667e-5, "arm64": 1.33334e-5}
INSTANCE_HOUR = {
    "ml.g4dn.xlarge": 0.7364,
    "ml.g4dn.2xlarge": 0.94,
    "ml.g4dn.4xlarge": 1.505,
    "ml.g4dn.8xlarge": 2.72,
    "ml.g4dn.12xlarge": 4.89,
    "ml.g4dn.16xlarge": 5.44,
    "ml.g5.xlarge": 1.408,
    "ml.g5.2xlarge": 1.515,
    "ml.g5.4xlarge": 2.03,
    "ml.g5.8xlarge": 3.06,
    "ml.g5.12xlarge": 7.09,
    "ml.g5.16xlarge": 5.12,
    "ml.g5.24xlarge": 10.18,
    "ml.g5.48xlarge": 20.36,
}
