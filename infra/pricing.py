"""Prices for the estimates on the dashboards: us-east-1, on demand, November 2026, in USD.

Source: https://aws.amazon.com/lambda/pricing/ and https://aws.amazon.com/api-gateway/pricing/
"""

LAMBDA_REQUEST = 0.20 / 1e6
LAMBDA_GB_SECOND = {"x86_64": 1.66667e-5, "arm64": 1.33334e-5}
API_REQUEST = {"http": 1.00 / 1e6, "rest": 3.50 / 1e6}
