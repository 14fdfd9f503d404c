"""What the end-to-end tests add to the local cluster: a gateway for routes, and the metrics that autoscalers read.

Real programs of other projects, installed by their own charts; nothing of ours needs them.
"""

GATEWAY_NAMESPACE = "envoy-gateway-system"
GATEWAY_CLASS = "envoy"
