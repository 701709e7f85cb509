"""This worker beside what else a user might run: speed, CPU, memory, and what each pays when things go wrong.

    python -m benchmarks.peers                 half an hour on 2 idle cores; --quick: some minutes
    python -m benchmarks.peers --write-docs    and write docs/benchmarks.md (needs the extra bench)

One after the other, on one engine of our own and one stand-in API, in one run. The peers are installed into a
folder beside this file, from locked files. A peer that cannot be installed is left out, and the run says so.
"""
