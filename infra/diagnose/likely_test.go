package diagnose_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/infra/diagnose"
)

const (
	inotify    = "the Docker host allows too few inotify watches: raise fs.inotify.max_user_instances and max_user_watches"
	containerd = "containerd ends as soon as it starts: is runtime.bundle an upstream release for this architecture?"
	overlay    = "overlayfs cannot be mounted on the file system of the Docker host, such as another overlayfs, ZFS or XFS without ftype"
	rootless   = "the nodes do not get all cgroup controllers: with rootless Docker, systemd must delegate cpu and cpuset " +
		"(https://rootlesscontaine.rs/getting-started/common/cgroup2/)"
	files        = "a process in a node may not open more files: raise the Docker daemon's limit (LimitNOFILE, default-ulimits) or fs.file-max"
	certificate  = "a certificate is not valid at this time: the clock of the Docker host may be wrong"
	untrusted    = "the nodes do not trust the certificate of an image registry, as behind a company's proxy"
	rateLimit    = "an image registry limits how often the nodes may pull: wait, log in, or use a mirror"
	noImage      = "an image does not exist, or its registry asks for a login"
	unreachable  = "the nodes do not reach an image registry: without an internet connection, see docs/air-gapped.md"
	noTable      = "the kernel of the Docker host lacks an iptables table: load its module, such as iptable_nat"
	unregistered = "this Kubernetes release does not know the version of a configuration file that it is given, such as that of its TracingConfiguration"
	configOf     = "this containerd release does not know the version of the configuration that k3s writes: is runtime.bundle of the line that this k3s has?"

	sysctl = "the nodes may not write to /proc/sys, as with rootless Docker or in a container without privileges"
)

func TestLikelyCause(t *testing.T) {
	t.Parallel()
	// Lines as the programs write them, but for shortened paths and names.
	for line, want := range map[string]string{
		`Error: unrecognized feature gate: KubeletTracing`:                                                                                                                                                   "this Kubernetes release does not know a feature gate that it is given",
		`E1121 12:00:00.000000 1 run.go:72] "command failed" err="strict decoding error: unknown field \"tracing\""`:                                                                                         "this Kubernetes release does not accept a configuration file that it is given",
		`level=error msg="kube-apiserver exited: no kind \"TracingConfiguration\" is registered for version \"apiserver.config.k8s.io/v1\""`:                                                                 "this Kubernetes release does not know the version of a configuration file that it is given, such as that of its TracingConfiguration",
		`Error: failed to load tracing configuration: no kind "TracingConfiguration" is registered for version "apiserver.config.k8s.io/v1alpha1" in scheme "pkg/scheme.go:1"`:                               "this Kubernetes release does not know the version of a configuration file that it is given, such as that of its TracingConfiguration",
		`level=fatal msg="flag provided but not defined: -tracing"`:                                                                                                                                          "this k3s release does not know an argument that it is given",
		`E1121 12:00:00.000000 1 run.go:72] "command failed" err="kubelet is configured to not run on a host using cgroup v1. cgroup v1 support is in maintenance mode"`:                                     "the Docker host uses cgroup v1, which this Kubernetes release refuses",
		`level=fatal msg="failed to find memory cgroup (v2)"`:                                                                                                                                                "the Docker host has no memory cgroup",
		`level=error msg="Failed to find memory cgroup, you may need to add \"cgroup_memory=1\""`:                                                                                                            "the Docker host has no memory cgroup",
		`level=fatal msg="failed to find cpuset cgroup (v2)"`:                                                                                                                                                rootless,
		`level=fatal msg="failed to find cpu cgroup (v2)"`:                                                                                                                                                   rootless,
		`"Failed to start ContainerManager" err="system validation failed - Following Cgroup subsystem not mounted: [memory]"`:                                                                               rootless,
		`"Failed to start ContainerManager" err="[open /proc/sys/vm/overcommit_memory: permission denied, open /proc/sys/kernel/panic: permission denied]"`:                                                  sysctl,
		`"Failed to start ContainerManager" err="open /proc/sys/kernel/panic: read-only file system"`:                                                                                                        sysctl,
		`level=fatal msg="\"overlayfs\" snapshotter cannot be enabled for \"/var/lib/rancher/k3s/agent/containerd\", try using \"fuse-overlayfs\" or \"native\": failed to mount overlay: invalid argument"`: overlay,
		`level=warning msg="failed to load plugin" error="/var/lib/containerd does not support d_type. If the backing filesystem is xfs"`:                                                                    overlay,
		`Failed to start manager: inotify_init: too many open files`:                                                                                                                                         inotify,
		`error="failed to create fsnotify watcher: too many open files"`:                                                                                                                                     inotify,
		`Failed to watch directory "/sys/fs/cgroup": inotify_add_watch /sys/fs/cgroup: no space left on device`:                                                                                              inotify,
		`accept tcp [::]:6443: accept4: too many open files`:                                                                                                                                                 "a process in a node may not open more files: raise the Docker daemon's limit (LimitNOFILE, default-ulimits) or fs.file-max",
		`write /var/lib/rancher/k3s/data: no space left on device`:                                                                                                                                           "the disk of the Docker host is full",
		`exec /opt/kubetracing/containerd/bin/containerd: exec format error`:                                                                                                                                 "the node image or its container runtime is built for another architecture",
		`tls: failed to verify certificate: x509: certificate has expired or is not yet valid: current time 2026-01-01T00:00:00Z is before 2026-11-25T00:00:00Z`:                                             "a certificate is not valid at this time: the clock of the Docker host may be wrong",
		`failed to pull and unpack image "docker.io/rancher/mirrored-pause:3.6": failed to do request: tls: failed to verify certificate: x509: certificate signed by unknown authority`:                     "the nodes do not trust the certificate of an image registry, as behind a company's proxy",
		`failed to pull and unpack image: 429 Too Many Requests - Server message: toomanyrequests: You have reached your pull rate limit`:                                                                    "an image registry limits how often the nodes may pull: wait, log in, or use a mirror",
		"iptables v1.8.10 (legacy): can't initialize iptables table `nat': Table does not exist (do you need to insmod?)":                                                                                    "the kernel of the Docker host lacks an iptables table: load its module, such as iptable_nat",
		`containerd: exit status 1`:                                                                                                                                                                            containerd,
		`level=error msg="containerd exited: exit status 1"`:                                                                                                                                                   containerd,
		`level=error msg="Shutdown request received: \"containerd exited: exit status 1\""`:                                                                                                                    containerd,
		`containerd: fork/exec /bin/containerd: no such file or directory`:                                                                                                                                     "containerd cannot be started: is runtime.bundle an upstream release for this architecture?",
		`level=fatal msg="kubetracing: CRI-O does not answer after 60s; its own words are above"`:                                                                                                              "CRI-O does not start: its own words are in the node's log",
		`Error: unable to decode tracing configuration data: no version "apiserver.config.k8s.io/v2" has been registered in scheme "pkg/scheme.go:1"`:                                                          unregistered,
		`level=error msg="kubelet exited: no kind \"KubeletConfiguration\" is registered for version \"kubelet.config.k8s.io/v2\""`:                                                                            unregistered,
		`Error: no kind "EgressSelectorConfiguration" is registered for version "apiserver.k8s.io/v9" in scheme "pkg/scheme.go:1"`:                                                                             unregistered,
		"containerd: failed to load TOML: expected containerd config version equal to or less than `3`, got `4`":                                                                                               configOf,
		"containerd: unsupported config version `3`":                                                                                                                                                           configOf,
		`level=error msg="kubelet exited: failed to parse kubelet flag: unknown flag: --tracing"`:                                                                                                              "this k3s release does not know an argument that it is given",
		`level=warning msg="Failed to find cpuset cgroup, you may need to add \"cgroup_enable=cpuset\" to your linux cmdline"`:                                                                                 rootless,
		`"Failed to start ContainerManager" err="failed to initialize top level QOS containers: error validating root container [kubepods] : cgroup [\"kubepods\"] has some missing controllers: cpu, cpuset"`: rootless,
		`cgroup ["kubepods"] has some missing paths: /sys/fs/cgroup/cpuset/kubepods`:                                                                                                                           rootless,
		`failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: unable to apply cgroup configuration: cannot enter cgroupv2 "/sys/fs/cgroup/kubepods" with domain controllers -- it is in an invalid state`: rootless,
		`container create failed: cannot set hugetlb limit: container could not join or create cgroup`:                                                                                                                    rootless,
		"container create failed: the requested cgroup controller `cpuset` is not available":                                                                                                                              rootless,
		"container create failed: controller `pids` is not available under /sys/fs/cgroup/kubepods/cgroup.controllers":                                                                                                    rootless,
		`container create failed: mountpoint for devices not found`:                                                                                                                                                       rootless,
		`"Failed to start ContainerManager" err="write /proc/sys/kernel/panic: operation not permitted"`:                                                                                                                  sysctl,
		`"Failed to start ContainerManager" err="[invalid kernel flag: vm/overcommit_memory, expected value: 1, actual value: 0]"`:                                                                                        sysctl,
		`"Updating kernel flag failed (Hint: enable KubeletInUserNamespace feature flag to ignore the error)" err="open: denied" flag="vm/overcommit_memory"`:                                                             sysctl,
		`level=fatal msg="kube-proxy exited: open /proc/sys/net/netfilter/nf_conntrack_max: permission denied"`:                                                                                                           sysctl,
		`"Error running ProxyServer" err="open /proc/sys/net/netfilter/nf_conntrack_max: permission denied"`:                                                                                                              sysctl,
		`level=fatal msg="validating root config: failed to get store to set defaults: 'overlay' is not supported over overlayfs, a mount_program is required: backing file system is unsupported for this graph driver"`: overlay,
		`creating overlay mount to /var/lib/containers/storage/overlay/1/merged, mount_data="lowerdir=l": invalid argument`:                                                                                               overlay,
		`level=fatal msg="kernel does not support overlay fs: unable to create kernel-style whiteout: operation not permitted"`:                                                                                           overlay,
		`overlayfs: filesystem on '/var/lib/rancher' not supported as upperdir`:                                                                                                                                           overlay,
		`"Unable to read config path" err="unable to create inotify: too many open files"`:                                                                                                                                inotify,
		`Failed to allocate directory watch: Too many open files`:                                                                                                                                                         inotify,
		`watch of *v1.Pod failed: dial tcp 127.0.0.1:6443: socket: too many open files`:                                                                                                                                   files,
		`failed to watch: open /var/lib/kubelet/config.yaml: too many open files`:                                                                                                                                         files,
		`fork/exec /bin/runc: too many open files`:                                                                                                                                                                        files,
		`failed to create containerd task: write log: too many open files`:                                                                                                                                                files,
		`accept4: too many open files in system`:                                                                                                                                                                          "the Docker host has too few file handles: raise fs.file-max",
		`0/1 nodes are available: 1 node(s) had untolerated taint {node.kubernetes.io/disk-pressure: }.`:                                                                                                                  "the disk of the Docker host is nearly full",
		`0/1 nodes are available: 1 Insufficient memory.`:                                                                                                                                                                 "the nodes have too little left of what the pod asks for",
		`failed to do request: Head "https://registry-1.docker.io/v2/": tls: failed to verify certificate: x509: certificate has expired or is not yet valid: current time is before 2026-11-25T00:00:00Z`:                certificate,
		`level=error msg="transport: authentication handshake failed: remote error: tls: expired certificate"`:                                                                                                            certificate,
		`E1121 12:00:00.000000 9 memcache.go:265] "Unhandled Error" err="Get \"https://127.0.0.1:6443/api\": tls: failed to verify certificate: x509: certificate has expired or is not yet valid: current time is before 2026-11-25T00:00:00Z"`: certificate,
		`pinging container registry docker.io: Get "https://registry-1.docker.io/v2/": tls: failed to verify certificate: x509: certificate signed by unknown authority`:                                                                         untrusted,
		`failed to resolve reference "mirror.test/busybox:1": failed to do request: x509: certificate is valid for proxy.test, not mirror.test`:                                                                                                  untrusted,
		`failed to resolve reference "10.0.0.1/busybox:1": failed to do request: x509: cannot validate certificate for 10.0.0.1 because it doesn't contain any IP SANs`:                                                                          untrusted,
		`reading manifest 1.37 in docker.io/library/busybox: toomanyrequests: You have reached your unauthenticated pull rate limit.`:                                                                                                            rateLimit,
		`initializing source docker://busybox:1: too many requests to registry`:                                                                                                                                                                  rateLimit,
		`failed to pull and unpack image: unexpected status from GET request to https://ghcr.io/token: 429 Too Many Requests`:                                                                                                                    rateLimit,
		`failed to resolve reference "mirror.test/busybox:1": failed to do request: http: server gave HTTP response to HTTPS client`:                                                                                                             "an image registry speaks HTTP, and the nodes ask it with HTTPS",
		`failed to pull and unpack image "docker.io/library/nothing:1": failed to resolve reference "docker.io/library/nothing:1": docker.io/library/nothing:1: not found`:                                                                       noImage,
		`failed to resolve reference "docker.io/x/y:1": pull access denied, repository does not exist or may require authorization: server message: insufficient_scope: authorization failed`:                                                    noImage,
		`unable to pull image: initializing source docker://quay.io/x/y:1: reading manifest 1 in quay.io/x/y: manifest unknown`:                                                                                                                  noImage,
		`failed to do request: Head "https://registry.invalid/v2/x/manifests/1": dial tcp: lookup registry.invalid on 10.0.0.1:53: no such host`:                                                                                                 unreachable,
		`failed to do request: Head "https://registry-1.docker.io/v2/": dial tcp 1.2.3.4:443: i/o timeout`:                                                                                                                                       unreachable,
		`pinging container registry mirror.test: Get "https://mirror.test/v2/": dial tcp 10.0.0.1:443: connect: connection refused`:                                                                                                              unreachable,
		"iptables v1.8.9 (nf_tables): Could not fetch rule set generation id: Permission denied (you must be root)":                                                                                                                              noTable,
		"Warning: Extension MARK revision 0 not supported, missing kernel module?":                                                                                                                                                               noTable,
		`level=fatal msg="kube-proxy exited: iptables is not available on this host : exit status 3"`:                                                                                                                                            noTable,
		`listen tcp :6443: bind: address already in use`: "something else listens on a port that k3s needs",
	} {
		t.Run(line, func(t *testing.T) {
			t.Parallel()
			cause, known := diagnose.LikelyCause("level=info msg=\"Starting k3s\"\n" + line + "\n")
			require.True(t, known)
			assert.Equal(t, want, cause)
			assert.Equal(t, []string{line}, diagnose.Failures("level=info msg=\"Starting k3s\"\n"+line+"\n"), "it is shown")
		})
	}
	t.Run("a cause rather than what follows from it", func(t *testing.T) {
		t.Parallel()
		cause, _ := diagnose.LikelyCause("level=error msg=\"containerd exited: exit status 1\"\nlevel=error msg=\"mkdir /var/lib: no space left on device\"\n")
		assert.Equal(t, "the disk of the Docker host is full", cause)
	})
	t.Run("no image registry that containerd cannot answer for", func(t *testing.T) {
		t.Parallel()
		cause, _ := diagnose.LikelyCause(`"PullImage failed" err="dial unix /run/k3s/containerd/containerd.sock: connect: connection refused"` + "\n" + `level=error msg="containerd exited: exit status 1"`)
		assert.Equal(t, containerd, cause)
	})
	for name, line := range map[string]string{
		"a healthy node":            `level=info msg="k3s is up and running"`,
		"kubectl of the entrypoint": `E1121 12:00:00.000000 9 memcache.go:265] "Unhandled Error" err="couldn't get current server API group list: listen tcp: bind: address already in use"`,
		"sysctls k3s does without":  `level=error msg="Failed to set sysctl: open /proc/sys/net/netfilter/nf_conntrack_max: permission denied"`,
	} {
		t.Run("none in the log of "+name, func(t *testing.T) {
			t.Parallel()
			_, known := diagnose.LikelyCause(line + "\n")
			assert.False(t, known)
			assert.Empty(t, diagnose.Failures(line+"\n"))
		})
	}
}

func TestFailures(t *testing.T) {
	t.Parallel()
	t.Run("the last ones, in their order", func(t *testing.T) {
		t.Parallel()
		var log strings.Builder
		for i := range 20 {
			fmt.Fprintf(&log, "level=error msg=%d\r\nlevel=info\n", i)
		}
		got := diagnose.Failures(log.String())
		require.Len(t, got, 12)
		assert.Equal(t, "level=error msg=8", got[0])
		assert.Equal(t, "level=error msg=19", got[11])
	})
	t.Run("the line that names the cause, however old", func(t *testing.T) {
		t.Parallel()
		const line = "mkdir /var/lib/kubelet: no space left on device"
		got := diagnose.Failures(line + "\n" + strings.Repeat("level=error msg=x\n", 30))
		require.Len(t, got, 12)
		assert.Equal(t, line, got[0])
		assert.Equal(t, "level=error msg=x", got[11])
	})
	t.Run("shortened", func(t *testing.T) {
		t.Parallel()
		got := diagnose.Failures("panic: " + strings.Repeat("ä", 1000))
		require.Len(t, got, 1)
		assert.Len(t, []rune(got[0]), 401)
	})
	for _, line := range []string{
		"E1121 12:00:00.000000 kubelet.go:1] failed", "F1121 12:00:00.000000 kubelet.go:1] failed", "Unable to connect", "unable to start",
		"panic: nil map", "k3s ended with exit code 1", "an invalid argument", "level=fatal", "level=error", "Error: exit status 1", "fatal error: out of memory",
	} {
		assert.Equal(t, []string{line}, diagnose.Failures(line))
	}
}
