"""Batch inference as a person sees it: files go in, runs are watched, results come out.

places   which buckets, table and queues: those of the local service, or of an account
submit   files and objects into the input bucket
runs     what the table says of runs, with speed, time left and cost
"""
