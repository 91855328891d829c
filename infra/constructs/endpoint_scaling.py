"""How many instances an endpoint has.

Source: https://docs.aws.amazon.com/sagemaker/latest/dg/async-inference-autoscale.html and
    https://docs.aws.amazon.com/sagemaker/latest/dg/endpoint-auto-scaling.html
"""

from aws_cdk import aws_applicationautoscaling as scaling
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from modelet_runtime.manifest import ASYNC, Endpoint

NAMESPACE = "AWS/SageMaker"
_DIMENSION = "sagemaker:variant:DesiredInstanceCount"
# Requests that wait for an instance of an asynchronous endpoint.
_BACKLOG = 5.0
_OUT_S, _IN_S = 60, 300
_WAKING_S = 300


class EndpointScaling(Construct):
    """Scales an endpoint whose manifest leaves room for it.

    Real-time endpoints keep the requests that one instance has at once at half of what one run of the graph
    takes. Asynchronous ones keep their backlog short. That never wakes one from zero before the backlog is
    longer than what is aimed at, so one step does when anything waits at all.
    """

    def __init__(
        self, scope: Construct, construct_id: str, *, endpoint_name: str, variant: str, wanted: Endpoint
    ) -> None:
        super().__init__(scope, construct_id)
        self._endpoint_name = endpoint_name
        self._target = scaling.CfnScalableTarget(
            self,
            "Instances",
            service_namespace="sagemaker",
            scalable_dimension=_DIMENSION,
            resource_id=f"endpoint/{endpoint_name}/variant/{variant}",
            min_capacity=wanted.min_instances,
            max_capacity=wanted.max_instances,
        )
        if wanted.mode == ASYNC:
            self._track_backlog()
        else:
            self._track_requests(max(1.0, wanted.instances * wanted.max_batch_size / 2))
        if wanted.min_instances == 0:
            self._wake()

    def _track_requests(self, at_once: float) -> None:
        self._track(
            at_once,
            predefined_metric_specification=scaling.CfnScalingPolicy.PredefinedMetricSpecificationProperty(
                predefined_metric_type="SageMakerVariantConcurrentRequestsPerModelHighResolution"
            ),
        )

    def _track_backlog(self) -> None:
        self._track(
            _BACKLOG,
            customized_metric_specification=scaling.CfnScalingPolicy.CustomizedMetricSpecificationProperty(
                namespace=NAMESPACE,
                metric_name="ApproximateBacklogSizePerInstance",
                statistic="Average",
                dimensions=[
                    scaling.CfnScalingPolicy.MetricDimensionProperty(
                        name="EndpointName", value=self._endpoint_name
                    )
                ],
            ),
        )

    def _track(
        self,
        value: float,
        predefined_metric_specification: (
            scaling.CfnScalingPolicy.PredefinedMetricSpecificationProperty | None
        ) = None,
        customized_metric_specification: (
            scaling.CfnScalingPolicy.CustomizedMetricSpecificationProperty | None
        ) = None,
    ) -> None:
        scaling.CfnScalingPolicy(
            self,
            "Track",
            policy_name="track",
            policy_type="TargetTrackingScaling",
            scaling_target_id=self._target.ref,
            target_tracking_scaling_policy_configuration=(
                scaling.CfnScalingPolicy.TargetTrackingScalingPolicyConfigurationProperty(
                    target_value=value,
                    scale_out_cooldown=_OUT_S,
                    scale_in_cooldown=_IN_S,
                    predefined_metric_specification=predefined_metric_specification,
                    customized_metric_specification=customized_metric_specification,
                )
            ),
        )

    def _wake(self) -> None:
        step = scaling.CfnScalingPolicy(
            self,
            "Wake",
            policy_name="wake",
            policy_type="StepScaling",
            scaling_target_id=self._target.ref,
            step_scaling_policy_configuration=scaling.CfnScalingPolicy.StepScalingPolicyConfigurationProperty(
                adjustment_type="ChangeInCapacity",
                metric_aggregation_type="Average",
                cooldown=_WAKING_S,
                step_adjustments=[
                    scaling.CfnScalingPolicy.StepAdjustmentProperty(
                        metric_interval_lower_bound=0, scaling_adjustment=1
                    )
                ],
            ),
        )
        cloudwatch.CfnAlarm(
            self,
            "Waiting",
            namespace=NAMESPACE,
            metric_name="HasBacklogWithoutCapacity",
            dimensions=[
                cloudwatch.CfnAlarm.DimensionProperty(name="EndpointName", value=self._endpoint_name)
            ],
            statistic="Average",
            period=60,
            threshold=1,
            comparison_operator="GreaterThanOrEqualToThreshold",
            evaluation_periods=1,
            treat_missing_data="missing",
            alarm_actions=[step.ref],
            alarm_description="Requests wait, and no instance is there: one is started",
        )
