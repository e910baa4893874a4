package timeline

import (
	"strconv"
	"strings"
	"time"
)

// The objects hold the part of Kubernetes' API that a timeline reads.
//
// Source: k8s.io/api core/v1/types.go, k8s.io/apimachinery pkg/apis/meta/v1/types.go.

// Meta is an object's metadata.
type Meta struct {
	Name      string `json:"name"`
	Namespace string `json:"namespace"`
	UID       string `json:"uid"`
	// Generation counts the changes of what is wanted.
	Generation int64          `json:"generation"`
	Created    time.Time      `json:"creationTimestamp"`
	Deleted    *time.Time     `json:"deletionTimestamp"`
	Owners     []OwnerRef     `json:"ownerReferences"`
	Managed    []ManagedField `json:"managedFields"`
}

// OwnerRef names an owner.
type OwnerRef struct {
	Kind       string `json:"kind"`
	Name       string `json:"name"`
	UID        string `json:"uid"`
	Controller bool   `json:"controller"`
}

// ManagedField says who wrote to an object last, and when.
type ManagedField struct {
	Manager     string    `json:"manager"`
	Operation   string    `json:"operation"`
	Subresource string    `json:"subresource"`
	Time        time.Time `json:"time"`
}

// creator returns the client whose write to the object itself is the earliest.
func (m Meta) creator() string {
	var first ManagedField
	for _, field := range m.Managed {
		if field.Subresource == "" && (first.Manager == "" || field.Time.Before(first.Time)) {
			first = field
		}
	}
	return first.Manager
}

// Controller is an object that owns pods, or owns what does.
type Controller struct {
	Kind     string `json:"kind"`
	Metadata Meta   `json:"metadata"`
	Spec     struct {
		Replicas *int `json:"replicas"`
	} `json:"spec"`
	Status struct {
		ObservedGeneration int64 `json:"observedGeneration"`
		Replicas           int   `json:"replicas"`
		UpdatedReplicas    int   `json:"updatedReplicas"`
		// A DaemonSet's own counts.
		Desired int `json:"desiredNumberScheduled"`
		Updated int `json:"updatedNumberScheduled"`
	} `json:"status"`
}

// rollout returns how many pods a controller wants, and reports whether those that it
// has are of its newest revision.
//
// Source: k8s.io/api apps/v1/types.go.
func (c Controller) rollout() (wanted int, done bool) {
	observed := c.Status.ObservedGeneration >= c.Metadata.Generation
	wanted = 1
	if c.Spec.Replicas != nil {
		wanted = *c.Spec.Replicas
	}
	switch c.Kind {
	case "Deployment", "StatefulSet":
		return wanted, observed && c.Status.UpdatedReplicas >= wanted && c.Status.Replicas <= wanted
	case "ReplicaSet":
		return wanted, observed && c.Status.Replicas == wanted
	case "DaemonSet":
		return c.Status.Desired, observed && c.Status.Updated >= c.Status.Desired
	default:
		return wanted, true
	}
}

// Object returns the controller's name.
func (c Controller) Object() Object {
	return Object{Kind: strings.ToLower(c.Kind), Namespace: c.Metadata.Namespace, Name: c.Metadata.Name, UID: c.Metadata.UID}
}

// PodObject is a pod as the cluster has it.
type PodObject struct {
	Metadata Meta `json:"metadata"`
	Spec     struct {
		NodeName       string          `json:"nodeName"`
		RestartPolicy  string          `json:"restartPolicy"`
		InitContainers []ContainerSpec `json:"initContainers"`
		Containers     []ContainerSpec `json:"containers"`
		Volumes        []Volume        `json:"volumes"`
	} `json:"spec"`
	Status struct {
		Phase          string            `json:"phase"`
		Reason         string            `json:"reason"`
		Message        string            `json:"message"`
		Start          time.Time         `json:"startTime"`
		Conditions     []Condition       `json:"conditions"`
		InitContainers []ContainerStatus `json:"initContainerStatuses"`
		Containers     []ContainerStatus `json:"containerStatuses"`
	} `json:"status"`
}

// ContainerSpec is what a timeline needs of a container's definition.
type ContainerSpec struct {
	Name  string `json:"name"`
	Image string `json:"image"`
	// Restart is Always for an init container that runs beside the others.
	Restart   string `json:"restartPolicy"`
	Readiness *struct {
		InitialDelay int `json:"initialDelaySeconds"`
		Period       int `json:"periodSeconds"`
	} `json:"readinessProbe"`
}

// Volume is what a timeline needs of a volume's definition.
type Volume struct {
	Claim *struct {
		Name string `json:"claimName"`
	} `json:"persistentVolumeClaim"`
}

// Claims returns the names of the pod's volume claims.
func (p *PodObject) Claims() []string {
	var names []string
	if p != nil {
		for _, volume := range p.Spec.Volumes {
			if volume.Claim != nil {
				names = append(names, volume.Claim.Name)
			}
		}
	}
	return names
}

// Condition is a condition of a pod.
type Condition struct {
	Type       string    `json:"type"`
	Status     string    `json:"status"`
	Reason     string    `json:"reason"`
	Message    string    `json:"message"`
	Transition time.Time `json:"lastTransitionTime"`
}

// ContainerStatus is the state of a container.
type ContainerStatus struct {
	Name     string         `json:"name"`
	Ready    bool           `json:"ready"`
	Restarts int            `json:"restartCount"`
	State    ContainerState `json:"state"`
	Last     ContainerState `json:"lastState"`
}

// ContainerState is one of waiting, running and terminated.
type ContainerState struct {
	Waiting *struct {
		Reason  string `json:"reason"`
		Message string `json:"message"`
	} `json:"waiting"`
	Running *struct {
		Started time.Time `json:"startedAt"`
	} `json:"running"`
	Terminated *Termination `json:"terminated"`
}

// Termination says how a container ended.
type Termination struct {
	ExitCode int       `json:"exitCode"`
	Reason   string    `json:"reason"`
	Message  string    `json:"message"`
	Started  time.Time `json:"startedAt"`
	Finished time.Time `json:"finishedAt"`
}

func (p *PodObject) condition(kind string) Condition {
	if p != nil {
		for _, condition := range p.Status.Conditions {
			if condition.Type == kind {
				return condition
			}
		}
	}
	return Condition{}
}

// isInit reports whether a container is an init container, which must end before the
// next one starts.
func (p *PodObject) isInit(container string) bool {
	if p != nil {
		for _, spec := range p.Spec.InitContainers {
			if spec.Name == container {
				return spec.Restart != "Always"
			}
		}
	}
	return false
}

func (p *PodObject) statuses() []ContainerStatus {
	if p == nil {
		return nil
	}
	return append(append([]ContainerStatus(nil), p.Status.InitContainers...), p.Status.Containers...)
}

// Event is a Kubernetes Event, as the core API serves it.
type Event struct {
	Metadata struct {
		Name string `json:"name"`
	} `json:"metadata"`
	Involved struct {
		Kind      string `json:"kind"`
		Name      string `json:"name"`
		UID       string `json:"uid"`
		FieldPath string `json:"fieldPath"`
	} `json:"involvedObject"`
	Type    string     `json:"type"`
	Reason  string     `json:"reason"`
	Message string     `json:"message"`
	First   *time.Time `json:"firstTimestamp"`
	Last    *time.Time `json:"lastTimestamp"`
	Time    *time.Time `json:"eventTime"`
	Count   int        `json:"count"`
	Series  *struct {
		Count int       `json:"count"`
		Last  time.Time `json:"lastObservedTime"`
	} `json:"series"`
	Reporter string `json:"reportingComponent"`
	Source   struct {
		Component string `json:"component"`
		Host      string `json:"host"`
	} `json:"source"`
}

// nameSlack is how far the time in an Event's name may be from its own.
const nameSlack = 2 * time.Second

// first returns when an Event happened for the first time. Its name ends with that
// time in nanoseconds, its fields may have seconds only; exact reports which it was.
//
// Source: k8s.io/client-go tools/record/event.go (makeEvent), tools/events/
// event_recorder.go.
func (e Event) first() (at time.Time, exact bool) {
	switch {
	case e.Time != nil && !e.Time.IsZero():
		at, exact = *e.Time, true
	case e.First != nil:
		at = *e.First
	case e.Last != nil:
		at = *e.Last
	}
	dot := strings.LastIndexByte(e.Metadata.Name, '.')
	nanoseconds, err := strconv.ParseInt(e.Metadata.Name[dot+1:], 16, 64)
	if err != nil {
		return at, exact
	}
	if named := time.Unix(0, nanoseconds).UTC(); named.Sub(at).Abs() <= nameSlack {
		return named, true
	}
	return at, exact
}

// last returns when an Event happened for the last time.
func (e Event) last() time.Time {
	first, _ := e.first()
	switch {
	case e.Series != nil && e.Series.Last.After(first):
		return e.Series.Last
	case e.Last != nil && e.Last.After(first):
		return *e.Last
	default:
		return first
	}
}

// times counts how often an Event happened.
func (e Event) times() int {
	if e.Series != nil {
		return max(e.Series.Count, 1)
	}
	return max(e.Count, 1)
}

// container returns the container that an Event is about; empty if it is about the
// pod.
func (e Event) container() string {
	_, name, _ := strings.Cut(e.Involved.FieldPath, "{")
	return strings.TrimSuffix(name, "}")
}
