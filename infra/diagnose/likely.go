package diagnose

import (
	"regexp"
	"strings"
)

// knownCause is what words in the log of a node mean.
type knownCause struct {
	words *regexp.Regexp
	cause string
}

// knownCauses holds the words by which k3s, Kubernetes, containerd, CRI-O and the
// kernel say why a node does not come up or a pod does not start. The first entry that
// matches wins: the more precise ones, and those that others follow from, come first.
var knownCauses = []knownCause{
	// k8s.io/component-base featuregate/feature_gate.go (Set).
	{regexp.MustCompile(`unrecognized feature gate`), "this Kubernetes release does not know a feature gate that it is given"},
	// k8s.io/apimachinery pkg/runtime/error.go (strictDecodingError).
	{regexp.MustCompile(`strict decoding error`), "this Kubernetes release does not accept a configuration file that it is given"},
	// k8s.io/apimachinery pkg/runtime/error.go (notRegisteredErr). k3s logs it with its
	// quotes escaped.
	{
		regexp.MustCompile(`no kind \\*"(TracingConfiguration|KubeletConfiguration)\\*" is registered`),
		"this Kubernetes release does not know the version of a configuration file that it is given, such as that of its TracingConfiguration",
	},
	// flag/flag.go of Go (failf), through github.com/urfave/cli in k3s.
	{regexp.MustCompile(`flag provided but not defined`), "this k3s release does not know an argument that it is given"},
	// k8s.io/kubernetes pkg/kubelet/apis/config/validation/validation_linux.go
	// (validateKubeletOSConfiguration).
	{
		regexp.MustCompile(`kubelet is configured to not run on a host using cgroup v1`),
		"the Docker host uses cgroup v1, which this Kubernetes release refuses",
	},
	// k3s pkg/cgroups/cgroups_linux.go (validateCgroupsV1, validateCgroupsV2).
	{regexp.MustCompile(`[Ff]ailed to find memory cgroup`), "the Docker host has no memory cgroup"},
	// As above; k8s.io/kubernetes pkg/kubelet/cm/container_manager_linux.go
	// (validateSystemRequirements).
	{
		regexp.MustCompile(`failed to find \w+ cgroup|Following Cgroup subsystem not mounted`),
		"the nodes do not get all cgroup controllers: with rootless Docker, systemd must delegate cpu and cpuset " +
			"(https://rootlesscontaine.rs/getting-started/common/cgroup2/)",
	},
	// k8s.io/kubernetes pkg/kubelet/cm/container_manager_linux.go (setupKernelTunables).
	// k3s and kube-proxy only warn about those below /proc/sys/net.
	{
		regexp.MustCompile(`open /proc/sys/(vm|kernel)/\S+ (permission denied|read-only file system)`),
		"the nodes may not write to /proc/sys, as with rootless Docker or in a container without privileges",
	},
	// k3s pkg/agent/config/config.go (get); containerd
	// plugins/snapshots/overlay/overlayutils/check.go (Supported).
	{
		regexp.MustCompile(`snapshotter cannot be enabled for|failed to mount overlay|does not support d_type`),
		"overlayfs cannot be mounted on the file system of the Docker host, such as another overlayfs, ZFS or XFS without ftype",
	},
	// Linux inotify_init(2) and inotify_add_watch(2), through fsnotify in containerd
	// internal/cri/server/cni_conf_syncer.go, kubelet and CRI-O, and through cAdvisor.
	// The limit of watches is reported as a lack of space.
	{
		regexp.MustCompile(`(inotify|fsnotify|[Ww]atch)[^\n]*(too many open files|no space left on device)`),
		"the Docker host allows too few inotify watches: raise fs.inotify.max_user_instances and max_user_watches",
	},
	{regexp.MustCompile(`no space left on device`), "the disk of the Docker host is full"},
	{
		regexp.MustCompile(`too many open files`),
		"a process in a node may not open more files: raise the Docker daemon's limit (LimitNOFILE, default-ulimits) or fs.file-max",
	},
	{regexp.MustCompile(`exec format error`), "the node image or its container runtime is built for another architecture"},
	// crypto/x509 of Go (CertificateInvalidError).
	{
		regexp.MustCompile(`x509: certificate has expired or is not yet valid`),
		"a certificate is not valid at this time: the clock of the Docker host may be wrong",
	},
	// crypto/x509 of Go (UnknownAuthorityError), in an error of a pull.
	{
		regexp.MustCompile(`(pull|resolve reference|registry|do request)[^\n]*x509: certificate signed by unknown authority`),
		"the nodes do not trust the certificate of an image registry, as behind a company's proxy",
	},
	// The OCI distribution specification (TOOMANYREQUESTS); containerd
	// core/remotes/docker.
	{
		regexp.MustCompile(`toomanyrequests|429 Too Many Requests`),
		"an image registry limits how often the nodes may pull: wait, log in, or use a mirror",
	},
	// iptables iptables/iptables.c (do_command4).
	{
		regexp.MustCompile(`can't initialize ip6?tables table`),
		"the kernel of the Docker host lacks an iptables table: load its module, such as iptable_nat",
	},
	// k3s pkg/agent/containerd/containerd.go (Run): "containerd: " on standard error in old
	// releases, "containerd exited: " in later ones, and in the newest in quotes after
	// "Shutdown request received: " (pkg/signals/signals.go).
	{
		regexp.MustCompile(`containerd: exit status|containerd exited: `),
		"containerd ends as soon as it starts: is runtime.bundle an upstream release for this architecture?",
	},
	{
		regexp.MustCompile(`containerd: fork/exec`),
		"containerd cannot be started: is runtime.bundle an upstream release for this architecture?",
	},
	// components/tracing/scripts/crio.sh.
	{regexp.MustCompile(`CRI-O does not answer`), "CRI-O does not start: its own words are in the node's log"},
	// strerror(3), EADDRINUSE.
	{regexp.MustCompile(`bind: address already in use`), "something else listens on a port that k3s needs"},
}

// LikelyCause returns what the log of a node or the events of a pod say in words about
// the cause of a failure, and whether they say anything known.
func LikelyCause(log string) (string, bool) {
	log = withoutNoise(log)
	for _, known := range knownCauses {
		if known.words.MatchString(log) {
			return known.cause, true
		}
	}
	return "", false
}

var (
	// failures are lines that may say why a node does not come up: of logrus, klog, the
	// Go runtime and k3s.
	failures = regexp.MustCompile(`level=(error|fatal)|panic:|^[EF][0-9]{4} |[Uu]nable to|invalid|^containerd: |^k3s ended `)
	// noise are lines of healthy nodes, too: kubectl of k3d's entrypoint before there is
	// an API (k8s.io/client-go discovery/cached/memory/memcache.go), and sysctls that k3s
	// does without (k3s pkg/agent/syssetup).
	noise = regexp.MustCompile(`^Error from server|Failed to set sysctl|memcache\.go:`)
)

// shown bounds an excerpt of a log: its lines, and the characters of each.
const (
	shownLines = 12
	shownWidth = 400
)

// Failures returns the last lines of a node's log that may say why it does not come up.
func Failures(log string) []string {
	var found []string
	for line := range strings.Lines(log) {
		line = strings.TrimRight(line, "\r\n")
		if noise.MatchString(line) || !failures.MatchString(line) && !isKnown(line) {
			continue
		}
		found = append(found, Shorten(line, shownWidth))
	}
	return found[max(0, len(found)-shownLines):]
}

func isKnown(line string) bool {
	for _, known := range knownCauses {
		if known.words.MatchString(line) {
			return true
		}
	}
	return false
}

// withoutNoise removes the lines that healthy nodes have, too.
func withoutNoise(log string) string {
	var kept strings.Builder
	for line := range strings.Lines(log) {
		if !noise.MatchString(line) {
			kept.WriteString(line)
		}
	}
	return kept.String()
}

// Shorten cuts a text after a number of characters.
func Shorten(text string, longest int) string {
	runes := []rune(text)
	if len(runes) <= longest {
		return text
	}
	return string(runes[:longest]) + "…"
}
