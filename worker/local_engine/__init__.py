"""An engine for one machine: it speaks Zeebe's gRPC protocol and executes BPMN as Zeebe does.

It is made for trying diagrams, for demos and for tests. It is not Zeebe, and it is not for production: it has
one process, one partition and no cluster. What it acknowledges is on the disk: it survives a SIGKILL, but not
a power cut.
"""

VERSION = "8.5.0"
"""The version that `Topology` reports: clients parse it, and it decides which calls they use."""
