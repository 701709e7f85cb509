"""When calls may be sent: limits, hosts that are down, fair slots."""
