"""Requests that are answered later: stored, worked on by the very function, and looked up by their id.

record        what the table knows of a job
store         the table: who may work on what, and what counts
objects       requests, results and uploads in the bucket
submission    a request becomes a job: 202
worker        a job becomes an answer
context       what a session can know of the job it works for
lambda_event  Lambda's asynchronous events and SNS's notifications
webhook       whoever wants to hear that a job has ended
board         what a caller sees of a job, and where uploads go
opening       all of it, from the settings

Nothing of it is imported while requests are answered at once, but `context`.
"""
