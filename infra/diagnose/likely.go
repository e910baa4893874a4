package diagnose

import (
	"regexp"
	"slices"
	"strings"
)

// knownCause is what words in the log of a node mean.
type knownCause struct {
	words *regexp.Regexp
	cause string
}

// pullWords begin an error of a pull: of containerd, CRI-O and the kubelet.
const pullWords = `([Pp]ull|resolve reference|registry|do request)`

// tooManyFiles is the cause of EMFILE.
const tooManyFiles = "a process in a node may not open more files: raise the Docker daemon's limit (LimitNOFILE, default-ulimits) or fs.file-max"

// notValidNow is never the case on a healthy node.
var notValidNow = regexp.MustCompile(`x509: certificate has expired or is not yet valid|remote error: tls: expired certificate`)

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
		regexp.MustCompile(`no kind \\*"\w+Configuration\\*" is registered|` +
			`no version \\*"[\w.]+\.config\.k8s\.io/\w+\\*" has been registered`),
		"this Kubernetes release does not know the version of a configuration file that it is given, such as that of its TracingConfiguration",
	},
	// github.com/containerd/containerd/v2 cmd/containerd/server/config/config.go
	// (ValidateVersion), services/server/config/config.go of containerd 1.7.
	{
		regexp.MustCompile(`expected containerd config version|unsupported config version`),
		"this containerd release does not know the version of the configuration that k3s writes: is runtime.bundle of the line that this k3s has?",
	},
	// flag/flag.go of Go (failf), through github.com/urfave/cli in k3s;
	// github.com/spf13/pflag (NotExistError), through kubelet and kube-apiserver.
	{
		regexp.MustCompile(`flag provided but not defined|unknown flag: -`),
		"this k3s release does not know an argument that it is given",
	},
	// k8s.io/kubernetes pkg/kubelet/apis/config/validation/validation_linux.go
	// (validateKubeletOSConfiguration).
	{
		regexp.MustCompile(`kubelet is configured to not run on a host using cgroup v1`),
		"the Docker host uses cgroup v1, which this Kubernetes release refuses",
	},
	// k3s pkg/cgroups/cgroups_linux.go (validateCgroupsV1, validateCgroupsV2).
	{regexp.MustCompile(`[Ff]ailed to find memory cgroup`), "the Docker host has no memory cgroup"},
	// As above; k8s.io/kubernetes pkg/kubelet/cm/container_manager_linux.go
	// (validateSystemRequirements), cgroup_v1_manager_linux.go and
	// cgroup_v2_manager_linux.go (Validate); github.com/opencontainers/cgroups v1_utils.go
	// (NotFoundError), fs/fs.go and fs2/create.go, of runc; crun
	// src/libcrun/cgroup-resources.c and cgroup-utils.c (write_controller_file).
	{
		regexp.MustCompile(`[Ff]ailed to find \w+ cgroup|Following Cgroup subsystem not mounted|` +
			`has some missing (controllers|paths)|mountpoint for \w+ not found|cannot set \w+ limit: container could not join|` +
			`cannot enter cgroupv2 \S+ with domain controllers|controller .\w+. is not available|enable controllers .[+\w ]+`),
		"the nodes do not get all cgroup controllers: with rootless Docker, systemd must delegate cpu and cpuset " +
			"(https://rootlesscontaine.rs/getting-started/common/cgroup2/)",
	},
	// k8s.io/kubernetes pkg/kubelet/cm/container_manager_linux.go (setupKernelTunables),
	// cmd/kube-proxy/app/server_linux.go (setupConntrack). k3s and kube-proxy only warn
	// about others below /proc/sys/net.
	{
		regexp.MustCompile(`(open|write) /proc/sys/(vm|kernel)/\S+ (permission denied|operation not permitted|read-only file system)|` +
			`invalid kernel flag: (vm|kernel)/|Updating kernel flag failed|` +
			`(kube-proxy exited|Error running ProxyServer)[^\n]*/proc/sys/`),
		"the nodes may not write to /proc/sys, as with rootless Docker or in a container without privileges",
	},
	// k3s pkg/agent/config/config.go (get); containerd
	// plugins/snapshots/overlay/overlayutils/check.go (Supported);
	// go.podman.io/storage drivers/overlay/check.go and overlay.go, of CRI-O; fs/overlayfs
	// of Linux.
	{
		regexp.MustCompile(`snapshotter cannot be enabled for|failed to mount overlay|does not support d_type|` +
			`'overlay' is not supported over|'overlay' not found as a supported filesystem|kernel does not support overlay fs|` +
			`creating overlay mount to|overlayfs: [^\n]*not supported as upperdir`),
		"overlayfs cannot be mounted on the file system of the Docker host, such as another overlayfs, ZFS or XFS without ftype",
	},
	// Linux open(2), accept(2), socket(2) and others (EMFILE, ENFILE).
	{
		regexp.MustCompile(`too many open files in system`),
		"the Docker host has too few file handles: raise fs.file-max",
	},
	{
		regexp.MustCompile(`(accept4?|socket|pipe2?|eventfd2?|epoll_create1?|dup3?|(open|openat|openat2|fork/exec) \S+): too many open files`),
		tooManyFiles,
	},
	// Linux inotify_init(2) and inotify_add_watch(2), through fsnotify in containerd
	// internal/cri/server/cni_conf_syncer.go, kubelet and CRI-O, and through cAdvisor.
	// The limit of watches is reported as a lack of space.
	{
		regexp.MustCompile(`(?i)(inotify|fsnotify|watch(er)?\b)[^\n]*too many open files|(inotify|fsnotify)[^\n]*no space left on device`),
		"the Docker host allows too few inotify watches: raise fs.inotify.max_user_instances and max_user_watches",
	},
	{regexp.MustCompile(`no space left on device`), "the disk of the Docker host is full"},
	{regexp.MustCompile(`(?i)too many open files`), tooManyFiles},
	// k8s.io/api core/v1/well_known_taints.go (TaintNodeDiskPressure), in an event of the
	// scheduler.
	{regexp.MustCompile(`node\.kubernetes\.io/disk-pressure`), "the disk of the Docker host is nearly full"},
	// k8s.io/kubernetes pkg/scheduler/framework/plugins/noderesources/fit.go.
	{
		regexp.MustCompile(`Insufficient (cpu|memory|pods|ephemeral-storage)`),
		"the nodes have too little left of what the pod asks for",
	},
	{regexp.MustCompile(`exec format error`), "the node image or its container runtime is built for another architecture"},
	// crypto/x509 of Go (CertificateInvalidError); crypto/tls alert.go, of the other side.
	{
		notValidNow,
		"a certificate is not valid at this time: the clock of the Docker host may be wrong",
	},
	// crypto/x509 of Go (UnknownAuthorityError, HostnameError), in an error of a pull.
	{
		regexp.MustCompile(pullWords + `[^\n]*x509: (certificate (signed by unknown authority|is valid for|is not valid for any names|relies on)|cannot validate certificate)`),
		"the nodes do not trust the certificate of an image registry, as behind a company's proxy",
	},
	// The OCI distribution specification (TOOMANYREQUESTS); containerd
	// core/remotes/docker; go.podman.io/image docker/errors.go, of CRI-O; Docker Hub and
	// Amazon ECR.
	{
		regexp.MustCompile(`(?i)toomanyrequests|429 too many requests|too many requests to registry|pull rate limit|rate exceeded`),
		"an image registry limits how often the nodes may pull: wait, log in, or use a mirror",
	},
	// net/http client.go of Go (ErrSchemeMismatch).
	{
		regexp.MustCompile(`server gave HTTP response to HTTPS client`),
		"an image registry speaks HTTP, and the nodes ask it with HTTPS",
	},
	// iptables iptables/iptables.c and libiptc/libiptc.c (iptc_strerror), iptables/nft.c;
	// k8s.io/kubernetes cmd/kube-proxy/app/server_linux.go (platformCheckSupported).
	{
		regexp.MustCompile(`can't initialize ip6?tables table|Table does not exist|Could not fetch rule set generation id|` +
			`missing kernel module\?|iptables is not available on this host`),
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
	// containerd core/remotes/docker/resolver.go (Resolve); the OCI distribution
	// specification (DENIED, UNAUTHORIZED, MANIFEST_UNKNOWN).
	{
		regexp.MustCompile(`pull access denied|insufficient_scope|` + pullWords + `[^\n]*(unauthorized|denied: |manifest unknown|: not found)`),
		"an image does not exist, or its registry asks for a login",
	},
	// net of Go (DNSError, OpError), in an error of a pull.
	{
		regexp.MustCompile(pullWords + `[^\n]*(no such host|server misbehaving|i/o timeout|TLS handshake timeout|dial tcp \S+ connect: (connection refused|network is unreachable|no route to host))`),
		"the nodes do not reach an image registry: without an internet connection, see docs/air-gapped.md",
	},
}

// LikelyCause returns what the log of a node or the events of a pod say in words about
// the cause of a failure, and whether they say anything known.
func LikelyCause(log string) (string, bool) {
	known, _, found := findCause(log)
	return known.cause, found
}

// findCause returns the first known cause that a log names, and the last line that does.
func findCause(log string) (cause knownCause, line string, found bool) {
	log = withoutNoise(log)
	for _, known := range knownCauses {
		if !known.words.MatchString(log) {
			continue
		}
		for candidate := range strings.Lines(log) {
			if known.words.MatchString(candidate) {
				line = strings.TrimRight(candidate, "\r\n")
			}
		}
		return known, line, true
	}
	return knownCause{}, "", false
}

var (
	// failures are lines that may say why a node does not come up: of logrus, klog, the
	// Go runtime and k3s.
	failures = regexp.MustCompile(`level=(error|fatal)|panic:|^[EF][0-9]{4} |^(Error|FATA|FATAL|fatal error): ?|[Uu]nable to|invalid|^containerd: |^k3s ended `)
	// noise are lines of healthy nodes, too: kubectl of k3d's entrypoint before there is
	// an API (k8s.io/client-go discovery/cached/memory/memcache.go), and sysctls that k3s
	// does without (k3s pkg/agent/syssetup).
	noise = regexp.MustCompile(`^Error from server|Failed to set sysctl|memcache\.go:`)
)

// isNoise reports whether healthy nodes have a line, too.
func isNoise(line string) bool { return noise.MatchString(line) && !notValidNow.MatchString(line) }

// shown bounds an excerpt of a log: its lines, and the characters of each.
const (
	shownLines = 12
	shownWidth = 400
)

// Failures returns the last lines of a node's log that may say why it does not come up.
// The line that names the likely cause is the first of them if it is older.
func Failures(log string) []string {
	var found []string
	for line := range strings.Lines(log) {
		line = strings.TrimRight(line, "\r\n")
		if isNoise(line) || !failures.MatchString(line) && !isKnown(line) {
			continue
		}
		found = append(found, shortenMiddle(line, shownWidth))
	}
	last := found[max(0, len(found)-shownLines):]
	if _, line, known := findCause(log); known && !slices.Contains(last, shortenMiddle(line, shownWidth)) {
		last = append([]string{shortenMiddle(line, shownWidth)}, last[1:]...)
	}
	return last
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
		if !isNoise(line) {
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
