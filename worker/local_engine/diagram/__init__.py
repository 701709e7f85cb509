"""Diagrams: BPMN 2.0 with Zeebe's extension elements, read and checked before anything of them runs."""
