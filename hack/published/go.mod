// Other projects whose published CRDs the planned objects are checked against, pinned. Nothing of them is built.
module seldon-core/hack/published

go 1.26.0

require (
	github.com/emissary-ingress/emissary/v3 v3.9.1
	github.com/kedacore/keda/v2 v2.18.1
	istio.io/api v1.28.0
	sigs.k8s.io/gateway-api v1.4.0
)
