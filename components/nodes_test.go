package components_test

import (
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/components"
	"github.com/kubetracing/kubetracing/components/tracing"
)

func TestTheNodeImageIsBuiltFromWhereItsContainerdComesFrom(t *testing.T) {
	t.Parallel()
	elsewhere := newBundle(t, "containerd")
	base := newEverything(t)
	containerd := base.spec.Release.ContainerdRelease()
	common := map[string]any{
		"BASE": base.spec.Release.Image, "TOOLS": "busybox:1.37.0", "RUNTIME": "containerd",
		"REQUIRED":    "containerd/bin/containerd containerd/bin/containerd-shim-runc-v2",
		"OWNER_LABEL": testOwner.Label, "OWNER_VALUE": testOwner.Value,
	}
	tests := map[string]struct {
		bundle  *components.Bundle
		want    map[string]any
		context string
	}{
		"the official release, checked on either architecture": {
			nil,
			map[string]any{
				"SOURCE": "containerd-official", "CONTAINERD_VERSION": containerd.Version,
				"CONTAINERD_SHA256_AMD64": containerd.SHA256["amd64"], "CONTAINERD_SHA256_ARM64": containerd.SHA256["arm64"],
			},
			"../components/nodeimage",
		},
		"a URL with its checksum": {
			&components.Bundle{URL: "https://mirror.example/c.tar.gz", SHA256: strings.Repeat("a", 64)},
			map[string]any{"SOURCE": "url", "URL": "https://mirror.example/c.tar.gz", "SHA256": strings.Repeat("a", 64)},
			"../components/nodeimage",
		},
		"a directory below the project, relative so that every machine says the same": {
			&components.Bundle{Directory: "components/testdata/bundle"},
			map[string]any{"SOURCE": "directory"},
			"../components/testdata/bundle",
		},
		"a directory elsewhere": {
			&components.Bundle{Directory: elsewhere},
			map[string]any{"SOURCE": "directory"},
			elsewhere,
		},
	}
	for behaviour, test := range tests {
		t.Run(behaviour, func(t *testing.T) {
			t.Parallel()
			stack := newEverything(t)
			stack.bundle = test.bundle
			tag, err := stack.nodeImage().Tag()
			require.NoError(t, err)
			arguments := maps.Clone(common)
			maps.Copy(arguments, test.want)

			image := stack.record(t).one(t, tokenImage, "node-image-build")
			assert.Equal(t, tag, image.input("imageName"))
			assert.Equal(t, true, image.input("skipPush"))
			build, ok := image.input("build").(map[string]any)
			require.True(t, ok)
			assert.Equal(t, arguments, build["args"])
			assert.Equal(t, test.context, build["context"])
			assert.Equal(t, "../components/nodeimage/Dockerfile", build["dockerfile"])
			assert.Equal(t, "BuilderBuildKit", build["builderVersion"])
			assertChildOf(t, image, "NodeImage", "node-image")
		})
	}
}

func TestTheNodeImagesTagChangesWithEveryInput(t *testing.T) {
	t.Parallel()
	tag := func(change func(*components.NodeImageArgs)) string {
		args := newEverything(t).nodeImage()
		change(&args)
		tag, err := args.Tag()
		require.NoError(t, err)
		return tag
	}
	url := components.Bundle{URL: "https://mirror.example/c.tar.gz", SHA256: strings.Repeat("a", 64)}
	one, two := newBundle(t, "one"), newBundle(t, "two")
	same := func(*components.NodeImageArgs) {}
	require.Regexp(t, `^traced-node:[0-9a-f]{12}$`, tag(same))
	require.Equal(t, tag(same), tag(same), "the same inputs name the same image")

	tests := map[string]func(*components.NodeImageArgs){
		"unchanged":            same,
		"base":                 func(a *components.NodeImageArgs) { a.Base = "rancher/k3s:other" },
		"containerd's version": func(a *components.NodeImageArgs) { a.Containerd.Version = "9.9.9" },
		"containerd's checksum": func(a *components.NodeImageArgs) {
			a.Containerd.SHA256 = map[string]string{"amd64": "1", "arm64": a.Containerd.SHA256["arm64"]}
		},
		"containerd's other checksum": func(a *components.NodeImageArgs) {
			a.Containerd.SHA256 = map[string]string{"amd64": a.Containerd.SHA256["amd64"], "arm64": "1"}
		},
		"owner":           func(a *components.NodeImageArgs) { a.Owner.Value = "kubetracing/other" },
		"repository":      func(a *components.NodeImageArgs) { a.Repository = "other-node" },
		"bundle of a URL": func(a *components.NodeImageArgs) { a.Bundle = &url },
		"bundle's checksum": func(a *components.NodeImageArgs) {
			a.Bundle = &components.Bundle{URL: url.URL, SHA256: strings.Repeat("b", 64)}
		},
		"bundle's URL": func(a *components.NodeImageArgs) {
			a.Bundle = &components.Bundle{URL: url.URL + "?2", SHA256: url.SHA256}
		},
		"bundle of a directory":         func(a *components.NodeImageArgs) { a.Bundle = &components.Bundle{Directory: one} },
		"content of bundle's directory": func(a *components.NodeImageArgs) { a.Bundle = &components.Bundle{Directory: two} },
	}
	tags := map[string]string{}
	for input, change := range tests {
		name := tag(change)
		assert.Empty(t, tags[name], "%s and %s name the same image", input, tags[name])
		tags[name] = input
	}
}

func TestADirectorysContentNamesTheNodeImage(t *testing.T) {
	t.Parallel()
	args := newEverything(t).nodeImage()
	tag := func(directory string) string {
		args.Bundle = &components.Bundle{Directory: directory}
		tag, err := args.Tag()
		require.NoError(t, err)
		return tag
	}
	directory := newBundle(t, "containerd")
	before := tag(directory)
	assert.Equal(t, before, tag(newBundle(t, "containerd")), "where it lies does not matter")

	require.NoError(t, os.WriteFile(filepath.Join(directory, "README"), []byte("not in the image"), 0o644))
	assert.Equal(t, before, tag(directory))
	require.NoError(t, os.WriteFile(filepath.Join(directory, "bin", "ctr"), []byte("in the image"), 0o755))
	assert.NotEqual(t, before, tag(directory))
}

func TestADirectoryWithoutContainerdIsRefused(t *testing.T) {
	t.Parallel()
	args := newEverything(t).nodeImage()
	for _, directory := range []string{t.TempDir(), "bundles/absent"} {
		args.Bundle = &components.Bundle{Directory: directory}
		_, err := args.Tag()
		require.ErrorContains(t, err, "runtime bundle "+directory+" must hold bin/containerd, bin/containerd-shim-runc-v2")
	}
}

// newCRIO is a stack with the CRI-O of Kubernetes 1.34.
func newCRIO(t *testing.T, standard tracing.OCIRuntime, classes ...tracing.OCIRuntime) everything {
	t.Helper()
	stack := newEverything(t)
	stack.spec = newSpec(t, "1.34")
	release, published := stack.spec.Release.CRIORelease()
	require.True(t, published)
	stack.spec.Runtime = tracing.Runtime{Name: tracing.RuntimeCRIO, CRIO: release, Default: standard, Classes: classes}
	return stack
}

func TestTheNodeImageTakesEveryRuntimeFromItsBundle(t *testing.T) {
	t.Parallel()
	youki := components.Bundle{URL: "https://mirror.example/youki.tar.gz", SHA256: strings.Repeat("b", 64)}
	crun := tracing.CrunRelease()
	official := func(release tracing.CRIORelease) map[string]any {
		return map[string]any{
			"CRIO_VERSION": release.Version, "CRIO_SHA256_AMD64": release.SHA256["amd64"], "CRIO_SHA256_ARM64": release.SHA256["arm64"],
		}
	}
	with := func(arguments map[string]any, more map[string]any) map[string]any {
		maps.Copy(arguments, more)
		return arguments
	}
	side := newEverything(t)
	side.spec.Runtime.Default, side.spec.Runtime.Classes = tracing.OCICrun, []tracing.OCIRuntime{tracing.OCIRunc, tracing.OCIYouki}
	side.ociBundles = map[tracing.OCIRuntime]components.Bundle{tracing.OCIYouki: youki}
	crio := newCRIO(t, tracing.OCICrun)
	own := newCRIO(t, tracing.OCIYouki)
	own.spec.Runtime.CRIO = tracing.CRIORelease{Version: "1.27.0"}
	own.bundle = &components.Bundle{URL: "https://mirror.example/cri-o.tar.gz", SHA256: strings.Repeat("a", 64)}
	joined := tracing.PublishedCRIOWithJoinedTraces()
	joining, monitored := crio, crio
	joining.monitor = &components.Monitor{Release: joined}
	monitored.monitor = &components.Monitor{URL: "https://mirror.example/conmon-rs.tar.gz", SHA256: strings.Repeat("b", 64)}
	tests := map[string]struct {
		stack  everything
		absent []string
		want   map[string]any
	}{
		"containerd's crun is that of a CRI-O bundle, youki has one of its own": {side, []string{"URL"}, with(official(crun), map[string]any{
			"RUNTIME": "containerd", "SOURCE": "containerd-official", "CRUN": "crio-official",
			"YOUKI": "youki-url", "YOUKI_URL": youki.URL, "YOUKI_SHA256": youki.SHA256,
			"REQUIRED": "containerd/bin/containerd containerd/bin/containerd-shim-runc-v2 oci/bin/crun oci/bin/youki",
		})},
		"CRI-O's bundle has its OCI runtimes": {crio, []string{"CRUN", "YOUKI", "CONTAINERD_VERSION"},
			with(official(crio.spec.Runtime.CRIO), map[string]any{
				"RUNTIME": "crio", "SOURCE": "crio-official",
				"REQUIRED": "crio/bin/crio crio/bin/pinns crio/bin/conmonrs oci/bin/crun",
			})},
		"conmon-rs of another CRI-O release": {joining, nil, with(official(crio.spec.Runtime.CRIO), map[string]any{
			"SOURCE": "crio-official", "MONITOR": "monitor-official", "MONITOR_VERSION": "1.31.13",
			"MONITOR_SHA256_AMD64": joined.SHA256["amd64"], "MONITOR_SHA256_ARM64": joined.SHA256["arm64"],
			"REQUIRED": "crio/bin/crio crio/bin/pinns crio/bin/conmonrs oci/bin/crun",
		})},
		"conmon-rs of one's own": {monitored, []string{"MONITOR_VERSION"}, map[string]any{
			"MONITOR": "monitor-url", "MONITOR_URL": "https://mirror.example/conmon-rs.tar.gz", "MONITOR_SHA256": strings.Repeat("b", 64),
		}},
		"a bundle of one's own may have youki, and an old one has no conmon-rs": {own, []string{"CRIO_VERSION", "YOUKI"}, map[string]any{
			"RUNTIME": "crio", "SOURCE": "url", "URL": own.bundle.URL, "SHA256": own.bundle.SHA256,
			"REQUIRED": "crio/bin/crio crio/bin/pinns crio/bin/conmon oci/bin/youki",
		}},
	}
	for behaviour, test := range tests {
		t.Run(behaviour, func(t *testing.T) {
			t.Parallel()
			build, ok := test.stack.record(t).one(t, tokenImage, "node-image-build").input("build").(map[string]any)
			require.True(t, ok)
			arguments, ok := build["args"].(map[string]any)
			require.True(t, ok)
			for name, value := range test.want {
				assert.Equal(t, value, arguments[name], name)
			}
			for _, name := range test.absent {
				assert.NotContains(t, arguments, name)
			}
		})
	}
}

func TestADirectoryMustHoldEveryRuntimeThatIsTakenFromIt(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(directory, "bin"), 0o755))
	for _, name := range []string{"crio", "crio-conmonrs", "crio-conmon", "crun"} {
		require.NoError(t, os.WriteFile(filepath.Join(directory, "bin", name), []byte(name), 0o755))
	}
	args := newCRIO(t, tracing.OCICrun, tracing.OCIYouki).nodeImage()
	args.Bundle = &components.Bundle{Directory: directory}
	_, err := args.Tag()
	require.EqualError(t, err, "runtime bundle "+directory+" must hold bin/pinns, bin/youki")

	args.OCIBundles = map[tracing.OCIRuntime]components.Bundle{tracing.OCIYouki: {URL: "https://mirror.example/youki"}}
	_, err = args.Tag()
	require.EqualError(t, err, "runtime bundle "+directory+" must hold bin/pinns", "youki comes from elsewhere")
}

func TestTheChecksOfTheNodesAreThoseOfTheirRuntime(t *testing.T) {
	t.Parallel()
	containerd := newEverything(t).record(t).one(t, tokenCommand, "cluster-k3d").text(t, "create")
	assert.Contains(t, containerd, "HANDLERS=''\n", "runc is k3s' own")
	assert.Contains(t, containerd, "ctr plugins ls")
	crio := newCRIO(t, tracing.OCIRunc, tracing.OCICrun).record(t).one(t, tokenCommand, "cluster-k3d").text(t, "create")
	assert.Contains(t, crio, "HANDLERS='runc crun'\n")
	assert.Contains(t, crio, "RECEIVER='otel-collector:4317'\n")
	assert.NotContains(t, crio, "ctr plugins ls")
}

// newBundle is a directory whose containerd has some content.
func newBundle(t *testing.T, content string) (directory string) {
	t.Helper()
	directory = t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(directory, "bin"), 0o755))
	for _, name := range []string{"containerd", "containerd-shim-runc-v2"} {
		require.NoError(t, os.WriteFile(filepath.Join(directory, "bin", name), []byte(content), 0o755))
	}
	return directory
}

func TestTheNodeImageGoesWithTheStack(t *testing.T) {
	t.Parallel()
	stack := newEverything(t)
	tag, err := stack.nodeImage().Tag()
	require.NoError(t, err)
	present := stack.record(t).one(t, tokenCommand, "node-image-present")
	for _, script := range []string{"create", "update", "delete"} {
		assert.True(t, strings.HasPrefix(present.text(t, script), "IMAGE='"+tag+"'\n"), "%s names its image itself", script)
	}
	assert.Contains(t, present.text(t, "delete"), "docker image rm")
	assert.Equal(t, []any{tag}, present.input("triggers"))
	assert.Nil(t, present.input("environment"))
	assert.Contains(t, present.dependencies(), "node-image-build")
	assertChildOf(t, present, "NodeImage", "node-image")
}

func TestTheNodeConfigurationCarriesOneVariableAFile(t *testing.T) {
	t.Parallel()
	stack := newEverything(t)
	stack.spec.Agents = 1
	files, err := tracing.RenderCluster(stack.spec)
	require.NoError(t, err)
	want := map[string]string{}
	for _, file := range files.Node {
		want[tracing.ConfigDirectory+"/"+file.Name] = file.Content
	}
	require.Len(t, want, 7)

	recorded := stack.record(t)
	command := recorded.one(t, tokenCommand, "node-config-files")
	got := map[string]string{}
	var others []string
	for variable, value := range command.environment(t) {
		if file, ok := components.NodeFileOf(variable); ok {
			got[file] = value
			continue
		}
		others = append(others, variable)
	}
	assert.Equal(t, want, got, "NodeFileOf undoes what names the variables")
	slices.Sort(others)
	assert.Equal(t, []string{"IMAGE", "VOLUME"}, others)
	assert.Equal(t, "traced-tracing", command.environment(t)["VOLUME"])
	assert.Equal(t, "busybox:1.37.0", command.environment(t)["IMAGE"])
	assert.Equal(t, command.text(t, "create"), command.input("update"), "changed files are written again in place")
	assert.Equal(t, []any{"node-config-volume-id"}, command.input("triggers"), "a new volume is empty")
	assertChildOf(t, command, "NodeConfig", "node-config")

	volume := recorded.one(t, tokenVolume, "node-config-volume")
	assert.Equal(t, map[string]any{"name": "traced-tracing", "labels": ownerLabels}, volume.Inputs.MapRepl(nil, nil))
	assert.True(t, volume.RegisterRPC.GetDeleteBeforeReplace(), "its name is fixed")
	assertChildOf(t, volume, "NodeConfig", "node-config")
}

func TestNodeFileOfLeavesOtherVariablesAlone(t *testing.T) {
	t.Parallel()
	for _, variable := range []string{"VOLUME", "IMAGE", "file_kubelet__yaml", "A_FILE_B", ""} {
		file, ok := components.NodeFileOf(variable)
		assert.False(t, ok, variable)
		assert.Empty(t, file, variable)
	}
	file, ok := components.NodeFileOf("FILE_apiserver_tracing__yaml")
	assert.True(t, ok)
	assert.Equal(t, path.Join(tracing.ConfigDirectory, "apiserver-tracing.yaml"), file)
}

func TestTheDigestNamesTheFilesContent(t *testing.T) {
	t.Parallel()
	digest := func(files ...tracing.File) string {
		digest, err := components.Digest(files)
		require.NoError(t, err)
		return digest
	}
	one := digest(tracing.File{Name: "a", Content: "b"})
	assert.Regexp(t, `^[0-9a-f]{12}$`, one)
	assert.Equal(t, one, digest(tracing.File{Name: "a", Content: "b"}))
	assert.NotEqual(t, one, digest(tracing.File{Name: "a", Content: "c"}))
	assert.NotEqual(t, one, digest(tracing.File{Name: "ab", Content: ""}))
	assert.NotEqual(t, one, digest(tracing.File{Name: "a", Content: "b"}, tracing.File{Name: "c"}))
}

func TestAChangedRateChangesTheNodesButNotTheClustersIdentity(t *testing.T) {
	t.Parallel()
	recordWith := func(change func(*tracing.ClusterSpec)) *recorder {
		stack := newEverything(t)
		change(&stack.spec)
		return stack.record(t)
	}
	before := recordWith(func(*tracing.ClusterSpec) {})
	tests := map[string]struct {
		change   func(*tracing.ClusterSpec)
		replaced bool
		restarts bool
	}{
		"a sampling rate restarts the nodes":      {func(s *tracing.ClusterSpec) { s.Sampling.Kubelet = 10 }, false, true},
		"the API port replaces the cluster":       {func(s *tracing.ClusterSpec) { s.APIPort = 6551 }, true, false},
		"another node image replaces the cluster": {func(s *tracing.ClusterSpec) { s.NodeImage = "traced-node:x" }, true, false},
		"another node replaces the cluster":       {func(s *tracing.ClusterSpec) { s.Agents = 1 }, true, true},
	}
	for behaviour, test := range tests {
		t.Run(behaviour, func(t *testing.T) {
			t.Parallel()
			after := recordWith(test.change)
			input := func(r *recorder, key string) any { return r.one(t, tokenCommand, "cluster-k3d").input(key) }
			node := func(r *recorder) any { return r.one(t, tokenCommand, "cluster-k3d").environment(t)["NODE_CONFIG"] }
			assert.Equal(t, test.replaced, !assert.ObjectsAreEqual(input(before, "triggers"), input(after, "triggers")))
			assert.Equal(t, test.restarts, node(before) != node(after))
		})
	}
}

func TestTheClustersCommand(t *testing.T) {
	t.Parallel()
	stack := newEverything(t)
	files, err := tracing.RenderCluster(stack.spec)
	require.NoError(t, err)
	digest, err := components.Digest(files.Node)
	require.NoError(t, err)

	recorded := stack.record(t)
	identity, ok := recorded.one(t, tokenProvider, "cluster-kubernetes").input("clusterIdentifier").(string)
	require.True(t, ok)

	command := recorded.one(t, tokenCommand, "cluster-k3d")
	assert.Equal(t, files.K3d, command.input("stdin"))
	assert.Equal(t, map[string]string{"NODE_CONFIG": digest}, command.environment(t))
	assert.Equal(t, []any{identity}, command.input("triggers"), "only a digest, so that a diff stays short")
	assert.Regexp(t, `^[0-9a-f]{12}$`, identity)
	assert.Equal(t, "stderr", command.input("logging"))

	request := command.RegisterRPC
	assert.True(t, request.GetDeleteBeforeReplace(), "or the deletion of the old cluster would take the new one")
	assert.Equal(t, []string{"triggers[*]"}, request.GetReplaceOnChanges())
	assert.Equal(t, "15m", request.GetCustomTimeouts().GetCreate())
	assert.Equal(t, "15m", request.GetCustomTimeouts().GetUpdate())
	assert.Equal(t, "5m", request.GetCustomTimeouts().GetDelete())
	assert.False(t, request.GetRetainOnDelete())
	assert.Subset(t, command.dependencies(), []string{
		"node-image-build", "node-image-present", "node-config-files", "network-bridge",
	}, "no node starts before its image, its files and its network")
	assertChildOf(t, command, "Cluster", "cluster")
}

func TestTheClustersScriptsNameTheirClusterThemselves(t *testing.T) {
	t.Parallel()
	command := newEverything(t).record(t).one(t, tokenCommand, "cluster-k3d")
	for _, script := range []string{"create", "update", "delete"} {
		assert.True(t, strings.HasPrefix(command.text(t, script),
			"CLUSTER='traced'\nNODES='1'\nOWNER='kubetracing/test'\nOWNER_LABEL='kubetracing.stack'\n"), script)
	}
	assert.Contains(t, command.text(t, "create"), "ADDRESSES='k3d-traced-server-0=10.112.4.16'\nNETWORK='traced'\n")
}

func TestTheKubeconfigStaysSecret(t *testing.T) {
	t.Parallel()
	recorded := &recorder{stdout: map[string]string{"cluster-kubeconfig": "client-key-data: c2VjcmV0"}}
	require.NoError(t, recorded.run(func(ctx *pulumi.Context) error { return newEverything(t).compose(ctx, "") }))

	command := recorded.one(t, tokenCommand, "cluster-kubeconfig")
	assert.Equal(t, "CLUSTER='traced'\nexec k3d kubeconfig get \"$CLUSTER\"\n", command.input("create"))
	assert.Equal(t, "none", command.input("logging"))
	assert.Equal(t, false, command.input("addPreviousOutputInEnv"))
	assert.Equal(t, []any{"cluster-k3d-id"}, command.input("triggers"), "a rebuilt cluster has new certificates")
	assert.Equal(t, []string{"stdout"}, command.RegisterRPC.GetAdditionalSecretOutputs())
	assertChildOf(t, command, "Cluster", "cluster")

	provider := recorded.one(t, tokenProvider, "cluster-kubernetes")
	require.True(t, provider.Inputs["kubeconfig"].IsSecret())
	assert.Equal(t, "client-key-data: c2VjcmV0", provider.input("kubeconfig"))
	assertChildOf(t, provider, "Cluster", "cluster")
	for _, args := range recorded.got {
		for key, value := range args.Inputs {
			if value.ContainsSecrets() {
				assert.Equal(t, "cluster-kubernetes kubeconfig", args.Name+" "+string(key), "the kubeconfig goes nowhere else")
			}
		}
	}
}

func TestTheKubernetesProviderOutlivesUnknownKubeconfigsAndLostClusters(t *testing.T) {
	t.Parallel()
	recorded := newEverything(t).record(t)
	provider := recorded.one(t, tokenProvider, "cluster-kubernetes")
	assert.Equal(t, recorded.one(t, tokenCommand, "cluster-k3d").input("triggers"), []any{provider.input("clusterIdentifier")},
		"it is replaced exactly when the cluster is")
	assert.Equal(t, true, provider.input("deleteUnreachable"))
	assert.Equal(t, true, provider.input("upsertExistingObjects"))
}
