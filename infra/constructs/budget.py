"""An alarm on what the stage costs."""

from aws_cdk import aws_budgets as budgets
from constructs import Construct

from infra.settings import Budget

STAGE_TAG = "modelet:stage"


class MonthlyBudget(Construct):
    """Mails when 80% of a month's budget is used, and when the month will go over it.

    It counts what carries the stage's tag, once that is activated as a cost allocation tag.
    """

    def __init__(self, scope: Construct, construct_id: str, *, budget: Budget, stage: str) -> None:
        super().__init__(scope, construct_id)
        subscribers = [
            budgets.CfnBudget.SubscriberProperty(address=email, subscription_type="EMAIL")
            for email in budget.emails
        ]
        budgets.CfnBudget(
            self,
            "Budget",
            budget=budgets.CfnBudget.BudgetDataProperty(
                budget_type="COST",
                time_unit="MONTHLY",
                budget_limit=budgets.CfnBudget.SpendProperty(amount=budget.monthly_usd, unit="USD"),
                cost_filters={"TagKeyValue": [f"user:{STAGE_TAG}${stage}"]},
            ),
            notifications_with_subscribers=[
                budgets.CfnBudget.NotificationWithSubscribersProperty(
                    notification=budgets.CfnBudget.NotificationProperty(
                        comparison_operator="GREATER_THAN",
                        notification_type=kind,
                        threshold=percent,
                        threshold_type="PERCENTAGE",
                    ),
                    subscribers=subscribers,
                )
                for kind, percent in (("ACTUAL", 80), ("FORECASTED", 100))
            ],
        )
