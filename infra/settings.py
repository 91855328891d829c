"""What can differ between stages."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from infra.errors import SettingsRefused

# Routes per API, raisable; integrations per API, not raisable.
# Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html
DEFAULT_ROUTES_PER_API = 300
INTEGRATIONS_PER_API = 300
# A REST API is one document in a template, which may have a megabyte; a function with a name of 48
# characters takes 6.1 KB of it.
# Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html
FUNCTIONS_PER_REST_API = 160


@dataclass(frozen=True, slots=True, kw_only=True)
class Throttle:
    """A token bucket of API Gateway: what is above it gets a 429."""

    rate_per_s: int
    burst: int


@dataclass(frozen=True, slots=True)
class Iam:
    """Callers sign with SigV4 and need `execute-api:Invoke`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Jwt:
    """Callers bring a token of an OpenID Connect issuer.

    Attributes:
        issuer: Its URL, as in the token's `iss`.
        audiences: Values of `aud` (or `client_id`) that are accepted.
        scopes: One of these must be in the token; none asks for none.
    """

    issuer: str
    audiences: tuple[str, ...]
    scopes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKeys:
    """Callers bring a key in `x-api-key`; `functions/authorizer` knows its scopes and quota.

    Attributes:
        cache_s: How long API Gateway may reuse a decision for the same key and route. Within it
            requests are not counted against quotas, and a revoked key goes on.
    """

    cache_s: int = 0


Authorization = Iam | Jwt | ApiKeys


@dataclass(frozen=True, slots=True, kw_only=True)
class Cors:
    """Which web pages may call the API."""

    origins: tuple[str, ...]
    headers: tuple[str, ...] = (
        "authorization",
        "content-type",
        "idempotency-key",
        "inference-header-content-length",
        "prefer",
        "x-api-key",
    )
    exposed_headers: tuple[str, ...] = (
        "inference-header-content-length",
        "location",
        "preference-applied",
        "retry-after",
    )
    max_age_s: int = 600


@dataclass(frozen=True, slots=True, kw_only=True)
class Domain:
    """A custom domain in front of the API.

    Attributes:
        name: As in `models.example.com`; with several front doors theirs are `0.` and so on before it.
        certificate_arn: An ACM certificate for all of them, in the API's region.
        hosted_zone_id: The Route 53 zone that gets the record; None leaves DNS to the owner.
        hosted_zone_name: The zone's name.
    """

    name: str
    certificate_arn: str
    hosted_zone_id: str | None = None
    hosted_zone_name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UsagePlan:
    """API keys of the REST API: who calls, how fast and how much.

    Attributes:
        callers: One API key is made for each.
        throttle: Per key.
        requests_per_month: Per key.
    """

    callers: tuple[str, ...]
    throttle: Throttle
    requests_per_month: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Waf:
    """A web ACL before the REST API; HTTP APIs cannot have one.

    Attributes:
        requests_per_5_minutes: Per source address; what is above it is blocked.
    """

    requests_per_5_minutes: int = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """An alarm of AWS Budgets on what this stage's resources cost in a month."""

    monthly_usd: int
    emails: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchStorage:
    """Where files for batch functions go and come from.

    Attributes:
        input_bucket: A bucket that is there, with EventBridge notifications on; None makes one.
        output_bucket: Another bucket that is there; None makes one.
        replaced_days: How long the versions of an object are kept that others have replaced.
        point_in_time_recovery: Whether the table of runs can be brought back to any second of 35 days.
    """

    input_bucket: str | None = None
    output_bucket: str | None = None
    replaced_days: int = 30
    point_in_time_recovery: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Triton:
    """The server of the endpoints.

    Attributes:
        image: A URI in ECR, in the stage's region, instead of AWS's own image.
        tag: Of AWS's own image.
        ami: What the instances run on, whose driver has to suit the image's CUDA; None leaves it to
            SageMaker.
        startup_s: How long an instance may take to fetch its model, and then to load it.
    """

    image: str | None = None
    tag: str = "24.09-py3"
    ami: str | None = "al2-ami-sagemaker-inference-gpu-3-1"
    startup_s: int = 900


@dataclass(frozen=True, slots=True, kw_only=True)
class Jobs:
    """Requests that are answered later.

    Attributes:
        kept_days: How long uploads, requests and results are kept.
        webhook: Who is told when a job ends; None, nobody.
    """

    kept_days: int = 7
    webhook: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StageSettings:
    """One stage.

    Attributes:
        name: Stands in the names of the stacks and in the tag `modelet:stage`.
        account: Where it is deployed; None is the account of the CLI's credentials.
        region: Likewise.
        front_door: HTTP API, or REST API where usage plans or a WAF are needed.
        front_doors: How many APIs the models are spread over; see decision 0061.
        routes_per_api: The account's quota of routes (HTTP) or resources (REST) per API.
        authorization: Who may call; nobody may without it.
        throttle: For the API as a whole.
        model_throttles: For single models, by name.
        cors: Which web pages may call; None, none.
        domain: A custom domain instead of API Gateway's.
        usage_plan: API keys of the REST API.
        waf: A web ACL before the REST API.
        canary: Whether new versions are shifted in as their manifests say, or all at once.
        snap_start: Whether the manifests' wish for SnapStart is granted: it costs at rest.
        alarms: Whether the alarms of the models and the API exist.
        alarm_emails: Who is told.
        dashboards: Whether each model has its dashboard.
        tracing: Whether X-Ray samples requests.
        log_retention_days: For every log group.
        scan_images: Whether this stage sets the registry's rules to scan on push; they are one set for
            an account and region, so leave it off where the account has its own.
        customer_key: A KMS key of one's own for logs, topics, tables and functions.
        budget: An alarm on the monthly cost.
        batch: The buckets and the table of batch functions, where models have these.
        jobs: What becomes of requests that are answered later.
        triton: The server of the endpoints, where models are for a GPU.
        termination_protection: Whether stacks refuse to be deleted.
        retain_data: Whether tables and logs outlive their stack.
        tags: On every resource.
    """

    name: str
    account: str | None = None
    region: str | None = None
    front_door: Literal["http", "rest"] = "http"
    front_doors: int = 1
    routes_per_api: int = DEFAULT_ROUTES_PER_API
    authorization: Authorization = Iam()
    throttle: Throttle = Throttle(rate_per_s=100, burst=200)
    model_throttles: Mapping[str, Throttle] = field(default_factory=dict)
    cors: Cors | None = None
    domain: Domain | None = None
    usage_plan: UsagePlan | None = None
    waf: Waf | None = None
    canary: bool = True
    snap_start: bool = True
    alarms: bool = True
    alarm_emails: tuple[str, ...] = ()
    dashboards: bool = True
    tracing: bool = False
    log_retention_days: int = 30
    scan_images: bool = False
    customer_key: bool = False
    budget: Budget | None = None
    batch: BatchStorage = BatchStorage()
    jobs: Jobs = Jobs()
    triton: Triton = Triton()
    termination_protection: bool = False
    retain_data: bool = False
    tags: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what AWS would refuse, or worse, ignore."""
        if self.front_door == "http" and (self.usage_plan or self.waf):
            raise SettingsRefused(f"{self.name}: usage_plan and waf need front_door='rest'")
        if self.front_door == "rest" and not isinstance(self.authorization, Iam):
            raise SettingsRefused(
                f"{self.name}: a REST API takes authorization=Iam(), with usage_plan for API keys;"
                " Jwt and ApiKeys need front_door='http'"
            )
        if self.front_door == "rest" and self.cors:
            raise SettingsRefused(f"{self.name}: cors needs front_door='http', which adds the headers itself")
        if self.front_doors < 1:
            raise SettingsRefused(f"{self.name}: front_doors: expected 1 or more, got {self.front_doors}")
        if self.canary and not self.alarms:
            raise SettingsRefused(f"{self.name}: canary needs alarms=True: they are what rolls it back")
        if not 60 <= self.triton.startup_s <= 3600:
            raise SettingsRefused(
                f"{self.name}: triton: startup_s: SageMaker has 60 to 3600, got {self.triton.startup_s}"
            )
        if self.jobs.webhook and not self.jobs.webhook.startswith("https://"):
            raise SettingsRefused(f"{self.name}: jobs: webhook: expected https://, got '{self.jobs.webhook}'")
        if self.jobs.kept_days < 1:
            raise SettingsRefused(
                f"{self.name}: jobs: kept_days: expected 1 or more, got {self.jobs.kept_days}"
            )
        if self.batch.input_bucket and self.batch.input_bucket == self.batch.output_bucket:
            raise SettingsRefused(
                f"{self.name}: batch: input_bucket and output_bucket are both '{self.batch.input_bucket}': a"
                " result's key begins as its input's does, so every result would be the next input"
            )
