"""Prices for estimates: us-east-1, on demand, November 2026, in USD.

Source: https://aws.amazon.com/lambda/pricing/, https://aws.amazon.com/api-gateway/pricing/ and
    https://aws.amazon.com/sagemaker/pricing/ (real-time and asynchronous inference cost the same)
"""

LAMBDA_REQUEST = 0.20 / 1e6
LAMBDA_GB_SECOND = {"x86_64": 1.66667e-5, "arm64": 1.33334e-5}
API_REQUEST = {"http": 1.00 / 1e6, "rest": 3.50 / 1e6}

# As in docs/deploy.md: 30 days.
HOURS_PER_MONTH = 720
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


def at_rest(instance_type: str, instances: int) -> str:
    """What instances cost in a month without a request, in words."""
    if not instances:
        return "0 USD a month at rest"
    price = INSTANCE_HOUR.get(instance_type)
    if price is None:
        return f"{instances} x {instance_type} all the time, of which infra/pricing.py knows no price"
    month = instances * price * HOURS_PER_MONTH
    return f"{month:.2f} USD a month at rest: {instances} x {instance_type} x {HOURS_PER_MONTH} h x {price}"
