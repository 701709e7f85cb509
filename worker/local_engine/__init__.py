"""An engine for one machine: it speaks Zeebe's gRPC protocol and executes BPMN as Zeebe does.

It is made for trying diagrams, for demos and for tests. It is not Zeebe, and not for production: one process, one
partition, no cluster. What it acknowledges is on the disk and survives a SIGKILL, not a power cut.
"""

VERSION = "8.5.0"
"""The version that `Topology` names: clients parse it, and choose by it what they ask for."""
