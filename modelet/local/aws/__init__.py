"""AWS on a laptop: what the batch path stands on, without an account.

emulator   moto's server, in a process of its own: S3, SQS, DynamoDB, EventBridge, Step Functions
resources  the buckets, queues, tables and rules that `infra/` makes in an account
mapping    feeds a function from a queue, as Lambda's event source mapping does
"""
