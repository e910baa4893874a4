// Package spec defines the documents that components pass on standard input
// to the kubetracing commands that the Pulumi command provider runs. Its values
// are plain, so every document is complete, and visible, at preview.
package spec

import (
	"bytes"
	"encoding"
	"encoding/json"
	"fmt"

	"github.com/kubetracing/kubetracing/components/verify"
)

// Labels on everything in Docker that a stack creates.
const (
	// StackLabel holds "project/stack", for people.
	StackLabel = "kubetracing.stack"
	// StateLabel holds the identity of the Pulumi state that created the object. It
	// decides ownership: another checkout may have a stack of the same name.
	StateLabel = "kubetracing.state"
	// BaseLabel, on node images only, holds the id of the image that they are built on;
	// empty if Docker did not know it.
	BaseLabel = "kubetracing.base"
)

// Environment variables of the commands. They carry what is only known once
// another resource exists, which must not hide a document from the preview.
const (
	// StateVariable holds the identity of the state.
	StateVariable = "KUBETRACING_STATE"
	// NodeConfigVariable holds the digest of the files that the nodes mount. Another
	// digest is an update of the cluster.
	NodeConfigVariable = "KUBETRACING_NODE_CONFIG"
	// NodeSecretsVariable holds, as a JSON object, the contents of those files of the nodes
	// that must not be shown, by base name.
	NodeSecretsVariable = "KUBETRACING_NODE_SECRETS" //nolint:gosec // the name of a variable
	// JaegerVariable holds the URL of Jaeger's query API.
	JaegerVariable = "KUBETRACING_JAEGER_URL"
	// AfterVariable names what a verification, or a wait for pods, depends on; a new value
	// repeats it.
	AfterVariable = "KUBETRACING_AFTER"
)

// Cluster describes a k3d cluster. The commands cluster create, cluster update and
// cluster start read it.
type Cluster struct {
	// Name is the name of the k3d cluster.
	Name string `json:"name"`
	// Stack is the value of StackLabel on its nodes.
	Stack string `json:"stack"`
	// Network is the Docker network that the nodes join.
	Network string `json:"network"`
	// Nodes are the cluster's nodes, servers first.
	Nodes []Node `json:"nodes"`
	// Runtime is the container runtime of the nodes.
	Runtime Runtime `json:"runtime"`
	// K3d is the configuration for k3d cluster create --config, as JSON.
	K3d json.RawMessage `json:"k3d"`
}

// Node is one node of a cluster.
type Node struct {
	// Container is the node's name in Docker and in Kubernetes.
	Container string `json:"container"`
	// Server reports whether the node runs a control plane.
	Server bool `json:"server"`
	// Address is its IPv4 address on the cluster's network.
	Address string `json:"address"`
}

// Runtime describes a container runtime as far as it is checked.
type Runtime struct {
	// Name is containerd or crio.
	Name string `json:"name"`
	// Handlers are the names of the runtime handlers that it must have.
	Handlers []string `json:"handlers,omitempty"`
	// Receiver is the host:port to which CRI-O exports spans over gRPC.
	Receiver string `json:"receiver"`
}

// Container describes a container to wait for. The command container wait reads
// it.
type Container struct {
	// Container is its name in Docker.
	Container string `json:"container"`
	// Title is what people call it, as Jaeger.
	Title string `json:"title"`
	// Timeout bounds the wait.
	Timeout verify.Duration `json:"timeout"`
	// HealthURL is requested from inside the container Probe, which has wget. Without
	// it, the container's own health check decides.
	HealthURL string `json:"healthUrl,omitempty"`
	Probe     string `json:"probe,omitempty"`
}

// Pods describes pods to wait for. The command pods wait reads it.
type Pods struct {
	// Node is the Docker name of a node that has kubectl.
	Node string `json:"node"`
	// Namespace is where they are.
	Namespace string `json:"namespace"`
	// Names are the names of the pods.
	Names []string `json:"names"`
	// Restarts counts those as started whose containers end again and again.
	Restarts bool `json:"restarts,omitempty"`
	// Timeout bounds the wait.
	Timeout verify.Duration `json:"timeout"`
}

// ClientCertificate describes a user of the Kubernetes API who has a certificate of the
// cluster. The command certificate issue reads it and prints a KeyPair.
type ClientCertificate struct {
	// Node is the container of a server, in which kubectl runs.
	Node string `json:"node"`
	// User is the user's name.
	User string `json:"user"`
	// Groups are the groups that the user belongs to.
	Groups []string `json:"groups"`
}

// KeyPair is a certificate and its private key, both in PEM.
type KeyPair struct {
	Certificate string `json:"certificate"`
	Key         string `json:"key"`
}

// Volume describes the owner of a volume. The command volume chown reads it.
type Volume struct {
	// Volume is its name in Docker.
	Volume string `json:"volume"`
	// User is the numeric user id that gets it, unless UserOf names an image: then it is
	// the user as whom that image runs.
	User   string `json:"user,omitempty"`
	UserOf string `json:"userOf,omitempty"`
	// Image is an image with chown.
	Image string `json:"image"`
}

// Names lists the names that a stack is about to use in Docker. The command
// identity create reads it: a new state owns none of them yet.
type Names struct {
	// Stack is "project/stack".
	Stack string `json:"stack"`
	// Cluster is the name of the k3d cluster.
	Cluster string `json:"cluster"`
	// Networks, Volumes and Containers are names in Docker.
	Networks   []string `json:"networks"`
	Volumes    []string `json:"volumes"`
	Containers []string `json:"containers"`
}

// Verification describes what to look for in Jaeger. The command verify --spec
// reads it.
type Verification struct {
	// Timeout bounds the search.
	Timeout verify.Duration `json:"timeout"`
	// Containers are the Docker names of everything that spans come from and pass
	// through.
	Containers []string `json:"containers"`
	// OnlyNew counts only spans that started after the last of Containers did.
	OnlyNew bool `json:"onlyNew,omitempty"`
	// MaxAge is the age at which a search server deletes a trace, see [verify.Everything];
	// 0 with other storage.
	MaxAge verify.Duration `json:"maxAge,omitempty"`
	// Once keeps an earlier result for as long as the value of AfterVariable does not
	// change.
	Once bool `json:"once,omitempty"`
	// Expectations must all hold.
	Expectations []verify.Expectation `json:"expectations"`
}

// Encode renders a document as indented JSON, which Pulumi's diffs show by field, or
// as its own text if it has one.
func Encode(document any) (string, error) {
	encode := func() ([]byte, error) { return json.MarshalIndent(document, "", "  ") }
	if own, ok := document.(encoding.TextMarshaler); ok {
		encode = own.MarshalText
	}
	text, err := encode()
	if err != nil {
		return "", fmt.Errorf("encode %T: %w", document, err)
	}
	return string(text), nil
}

// Decode reads what Encode renders. Unknown fields are errors.
func Decode(text []byte, document any) error {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	decode := func() error { return decoder.Decode(document) }
	if own, ok := document.(encoding.TextUnmarshaler); ok {
		decode = func() error { return own.UnmarshalText(text) }
	}
	if err := decode(); err != nil {
		return fmt.Errorf("decode %T: %w", document, err)
	}
	return nil
}
