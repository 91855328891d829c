"""AWS on a laptop: what batches and jobs stand on, without an account.

names       what things are called
cloud       all that AWS is here, started when it is first needed
wishes      which requests need it
emulator    moto's server, in a process of its own: S3, SQS, DynamoDB, EventBridge, Step Functions
lambda_api  what functions and state machines call when they call a function
event_queue what of that nobody waits for
resources   the buckets, queues, tables, rules and state machines that `infra/` makes in an account
mapping     feeds a function from a queue, as Lambda's event source mapping does
lanes       which objects go to which version
batches     all of it, kept at what the models' folders say
"""
