package tracing

// Service names of the Kubernetes components.
//
// Sources: k8s.io/apiserver pkg/server/options/tracing.go, kubernetes
// cmd/kubelet/app/server.go (newTracerProvider).
const (
	ServiceAPIServer = "apiserver"
	ServiceKubelet   = "kubelet"
)
