"""The custom domain's records, where Route 53 has its zone."""

from aws_cdk import aws_route53 as route53
from constructs import Construct

from infra.settings import Domain


def add_records(scope: Construct, name: str, domain: Domain, target: route53.IAliasRecordTarget) -> None:
    """Point a name at an API, for IPv4 and IPv6; without a zone that is left to the owner."""
    if domain.hosted_zone_id is None or domain.hosted_zone_name is None:
        return
    zone = route53.HostedZone.from_hosted_zone_attributes(
        scope, "Zone", hosted_zone_id=domain.hosted_zone_id, zone_name=domain.hosted_zone_name
    )
    record = route53.RecordTarget.from_alias(target)
    route53.ARecord(scope, "Ipv4", zone=zone, record_name=name, target=record)
    route53.AaaaRecord(scope, "Ipv6", zone=zone, record_name=name, target=record)


def name_of(domain: Domain | None, door: int, doors: int) -> str | None:
    """The domain name of a front door: with several, each has a subdomain, `0.` and so on."""
    if domain is None:
        return None
    return domain.name if doors == 1 else f"{door}.{domain.name}"
