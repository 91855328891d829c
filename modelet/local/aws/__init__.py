"""AWS on a laptop: what the batch path stands on, without an account.

names       what things are called
emulator    moto's server, in a process of its own: S3, SQS, DynamoDB, EventBridge, Step Functions
lambda_api  what its state machines call when they call a function
resources   the buckets, queues, tables, rules and state machines that `infra/` makes in an account
mapping     feeds a function from a queue, as Lambda's event source mapping does
lanes       which objects go to which version
batches     all of it, kept at what the models' folders say
"""
