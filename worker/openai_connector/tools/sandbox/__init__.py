"""Trying diagrams on this machine: an engine, a worker and a page in one process (demo, try, sandbox)."""
