"""From built models to an AWS account and back: what the CDK's CLI does, with what it leaves unsaid."""
