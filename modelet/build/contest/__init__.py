"""Measures every candidate in the function's own runtime and chooses one, saying why.

worker      the process a candidate runs in: nothing but the runtime, no numpy
contestant  the other end of it: asks, waits, and turns a crash into a reason
race        two contestants in alternation: times, their ratio, and how sure it is
verdict     the rules, and the winner in words
ring        all of it together: from a graph and samples to a winner
placed      the same where it also decides whether the graph runs on the CPU or behind an endpoint
record      what the passport says of it
"""
