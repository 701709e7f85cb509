"""Try diagrams on this machine: an engine, a worker and a page in one process; the commands demo, try and sandbox."""
