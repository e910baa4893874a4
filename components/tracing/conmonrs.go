package tracing

import (
	"fmt"

	"github.com/Masterminds/semver/v3"
)

// ConmonRs is a release of conmon-rs, the monitor that watches the containers of a
// pod for CRI-O, without a 'v'. It is empty where conmon, which knows no tracing,
// does so.
type ConmonRs string

// conmonRsWithoutTracing is the conmon-rs of the official bundles from CRI-O 1.37 on.
//
// Source: cri-o/packaging templates/latest/cri-o/bundle/versions ("conmon-rs v1.0.0+
// requires CRI-O v1.37+").
const conmonRsWithoutTracing ConmonRs = "1.0.1"

// Releases of conmon-rs at which its tracing changes.
var (
	// From 1.0.0 on, conmon-rs is compiled without tracing and ignores the flags that
	// ask for it.
	//
	// Source: conmon-rs v1.0.1 conmon-rs/server/Cargo.toml (default = []).
	conmonRsSilentFrom = semver.MustParse("1.0.0")
	// From 0.7.3 on, the spans are in traces of their own. conmon-rs enters a span
	// before it sets the span's parent, which tracing-opentelemetry 0.32 refuses and
	// earlier releases allowed; conmon-rs ignores the error.
	//
	// Source: conmon-rs v0.7.3 and v0.8.0 Cargo.toml and conmon-rs/server/src/
	// telemetry.rs (set_parent_context).
	conmonRsApartFrom = semver.MustParse("0.7.3")
)

func (c ConmonRs) before(version *semver.Version) bool {
	return c != "" && semver.MustParse(string(c)).LessThan(version)
}

// SendsSpans reports whether the release is compiled with tracing.
func (c ConmonRs) SendsSpans() bool { return c.before(conmonRsSilentFrom) }

// JoinsTraces reports whether its spans are in the traces of CRI-O, whose calls they
// answer.
func (c ConmonRs) JoinsTraces() bool { return c.before(conmonRsApartFrom) }

// SpanConmonRsVersion is the operation of the span with which conmon-rs answers the
// first call of CRI-O, when a pod starts. Its span of a container's creation only ends
// with the container.
//
// Source: conmon-rs conmon-rs/server/src/rpc.rs (version, create_container).
const SpanConmonRsVersion = "version"

// logsToSystemd reports whether CRI-O must make conmon-rs log to systemd.
// CRI-O from 1.34 on starts it with the log driver none, with which conmon-rs
// installs no tracing either and before 0.7.2 does not start. Earlier CRI-O
// releases always choose systemd.
//
// Sources: cri-o internal/oci/runtime_pod.go at v1.33.12 and v1.34.0; conmon-rs
// conmon-rs/server/src/{config,server}.rs (LogDriver, init_logging) at v0.7.1 and
// v0.7.2.
func (r CRIORelease) logsToSystemd() bool {
	return r.ConmonRs.SendsSpans() && !semver.MustParse(r.Version).LessThan(crioLogDriverFrom)
}

var crioLogDriverFrom = semver.MustParse("1.34.0")

// watchedByConmonRs reports whether conmon-rs watches the containers of an OCI
// runtime. It passes --root twice, which youki refuses.
//
// Source: youki 0.7.0 crates/liboci-cli/src/lib.rs (root is a single value).
func (r CRIORelease) watchedByConmonRs(oci OCIRuntime) bool {
	return r.ConmonRs != "" && oci != OCIYouki
}

// conmonRsFilter drops the spans of the libraries with which conmon-rs exports its
// spans: some thirty a second and pod, from h2 above all. Its own name a module of
// its crate.
//
// Sources: tracing-opentelemetry src/layer.rs at 0.31.0 (code.namespace) and 0.32.0
// (target, code.module.name); opentelemetry-collector-contrib
// processor/filterprocessor README.
func conmonRsFilter() any {
	var conditions []string
	for _, attribute := range []string{"target", "code.module.name", "code.namespace"} {
		conditions = append(conditions, fmt.Sprintf(
			`resource.attributes["service.name"] == %[1]q and span.attributes[%[2]q] != nil and not IsMatch(span.attributes[%[2]q], "^%[1]s(::|$)")`,
			ServiceConmonRs, attribute))
	}
	return map[string]any{"error_mode": "ignore", "trace_conditions": conditions}
}

// conmonRsFilterName is the name of the filter in a pipeline.
const conmonRsFilterName = "filter/" + ServiceConmonRs
