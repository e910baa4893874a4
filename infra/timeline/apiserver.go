package timeline

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/kubetracing/kubetracing/components/tracing"
	"github.com/kubetracing/kubetracing/components/verify"
)

// verb says what a request does to an object.
type verb int

const (
	verbOther verb = iota
	verbCreate
	verbBind
	verbStatus
	verbDelete
	verbEvict
)

// request is a write that kube-apiserver served.
type request struct {
	verb   verb
	span   verify.Span
	caller string
	code   int
	// sure reports whether it is known to be about the object; a creation may only be
	// likely.
	sure bool
}

// ok reports whether the request succeeded.
func (r request) ok() bool { return r.code == 0 || r.code < http.StatusBadRequest }

// attribute returns the first of several attributes that a span has: OpenTelemetry
// has renamed them.
//
// Source: https://opentelemetry.io/docs/specs/semconv/non-normative/http-migration/.
func attribute(span verify.Span, names ...string) string {
	for _, name := range names {
		if value, has := span.Attributes[name]; has {
			return value
		}
	}
	return ""
}

// KeyAttribute is the attribute of kube-apiserver's spans that names the object in
// etcd, as /pods/NAMESPACE/NAME.
//
// Source: k8s.io/apiserver pkg/storage/etcd3/store.go (from 1.27 on).
const KeyAttribute = "key"

// Key returns the value of [KeyAttribute] for an object.
func Key(o Object) string { return "/" + plural(o.Kind) + "/" + o.Namespace + "/" + o.Name }

func plural(kind string) string { return kind + "s" }

// requests returns the writes to an object, in the order of their starts. A creation
// names the object only in the spans below it, or nowhere.
func requests(spans []verify.Span, object Object) []request {
	key := Key(object)
	// keyed are the traces of which a span names the object, created those with any
	// creation.
	keyed, created := map[string]bool{}, map[string]bool{}
	for _, span := range spans {
		if value, has := span.Attributes[KeyAttribute]; has && span.Service == tracing.ServiceAPIServer {
			keyed[span.TraceID] = keyed[span.TraceID] || strings.HasSuffix(value, key)
			created[span.TraceID] = true
		}
	}
	var found []request
	for _, span := range spans {
		if span.Service != tracing.ServiceAPIServer {
			continue
		}
		r := request{span: span, verb: verbOf(span, object)}
		if r.verb == verbOther {
			continue
		}
		r.sure = r.verb != verbCreate || keyed[span.TraceID]
		if !r.sure && created[span.TraceID] {
			continue
		}
		r.code, _ = strconv.Atoi(attribute(span, "http.response.status_code", "http.status_code"))
		r.caller = caller(attribute(span, "user_agent.original", "http.user_agent"))
		if r.caller == "" && r.verb == verbStatus {
			r.caller = tracing.ServiceKubelet
		}
		found = append(found, r)
	}
	slices.SortFunc(found, func(a, b request) int { return a.span.Start.Compare(b.span.Start) })
	return found
}

// verbOf returns what the request of a span does to an object.
func verbOf(span verify.Span, object Object) verb {
	path, _, _ := strings.Cut(attribute(span, "http.target", "url.path"), "?")
	method := attribute(span, "http.request.method", "http.method")
	_, below, in := strings.Cut(path, "/namespaces/"+object.Namespace+"/"+plural(object.Kind))
	if !in {
		return verbOther
	}
	name, named := strings.CutPrefix(below, "/"+object.Name)
	switch {
	case below == "" && method == http.MethodPost:
		return verbCreate
	case !named:
		return verbOther
	case name == "/binding" && method == http.MethodPost:
		return verbBind
	case name == "/eviction" && method == http.MethodPost:
		return verbEvict
	case name == "/status" && (method == http.MethodPatch || method == http.MethodPut):
		return verbStatus
	case name == "" && method == http.MethodDelete:
		return verbDelete
	default:
		return verbOther
	}
}

// caller returns the component or program that a User-Agent names: the last part, as
// of "k3s/v1.36.3 (linux/amd64) kubernetes/2a1e2e8/scheduler", or the program, unless
// that is k3s, which is every component; then it is empty.
//
// Source: k8s.io/client-go rest/config.go (DefaultKubernetesUserAgent,
// AddUserAgent).
func caller(agent string) string {
	program, rest, _ := strings.Cut(agent, "/")
	if _, commit, has := strings.Cut(rest, " kubernetes/"); has {
		if _, component, has := strings.Cut(commit, "/"); has {
			return componentName(component)
		}
	}
	if program == "k3s" {
		return ""
	}
	return componentName(program)
}

// componentName shortens the name of a service account, and gives a component its
// program's name.
func componentName(name string) string {
	if account, has := strings.CutPrefix(name, "system:serviceaccount:kube-system:"); has {
		return account
	}
	switch name {
	case "scheduler":
		return scheduler
	default:
		return name
	}
}

// Components that have no service name, since they send no spans.
const (
	scheduler = "kube-scheduler"
	apiserver = "kube-apiserver"
)

// likely is how long before the first evidence of an object a request may be that is
// only likely to be its creation.
const likely = 5 * time.Second

// creation returns the request that created an object, among those that began after
// one time and before another. If no span says that it did, it is the last one, and
// others counts the further candidates.
func creation(found []request, after, before time.Time) (created request, others int, has bool) {
	var candidates []request
	for _, r := range found {
		if r.verb == verbCreate && r.ok() && !r.span.Start.Before(after) && r.span.Start.Before(before) &&
			(r.sure || before.Sub(r.span.Start) < likely) {
			candidates = append(candidates, r)
		}
	}
	if len(candidates) == 0 {
		return request{}, 0, false
	}
	best := slices.MaxFunc(candidates, func(a, b request) int {
		return cmp.Or(compareBool(a.sure, b.sure), a.span.Start.Compare(b.span.Start))
	})
	if best.sure {
		return best, 0, true
	}
	return best, len(candidates) - 1, true
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	default:
		return -1
	}
}
