package cluster_test

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/components/cluster"
	"github.com/kubetracing/kubetracing/components/internal/enginetest"
	"github.com/kubetracing/kubetracing/components/spec"
	"github.com/kubetracing/kubetracing/components/tracing"
)

// buildArguments returns the build arguments of a recorded node image.
func buildArguments(t *testing.T, p program) (arguments, build map[string]any) {
	t.Helper()
	build, ok := p.record(t).One(t, enginetest.Image, "node-image-build").Input("build").(map[string]any)
	require.True(t, ok)
	arguments, ok = build["args"].(map[string]any)
	require.True(t, ok)
	return arguments, build
}

func TestNodeImage_Containerd(t *testing.T) {
	t.Parallel()
	elsewhere := newBundle(t, "containerd")
	base := newProgram(t)
	containerd := base.spec.Release.ContainerdRelease()
	common := map[string]any{
		"BASE": base.spec.Release.Image, "TOOLS": "busybox:1.37.0", "RUNTIME": "containerd",
		"REQUIRED":    "containerd/bin/containerd containerd/bin/containerd-shim-runc-v2",
		"STACK_LABEL": "kubetracing.stack", "STACK_VALUE": enginetest.Stack,
		"STATE_LABEL": "kubetracing.state", "STATE_VALUE": enginetest.State,
		"BASE_LABEL": "kubetracing.base", "BASE_VALUE": "",
		"IMAGE": base.spec.NodeImage,
	}
	for name, test := range map[string]struct {
		bundle  *cluster.Bundle
		want    map[string]any
		context string
	}{
		"official release, checked on either architecture": {
			nil,
			map[string]any{
				"SOURCE": "containerd-official", "CONTAINERD_VERSION": containerd.Version,
				"CONTAINERD_SHA256_AMD64": containerd.SHA256["amd64"], "CONTAINERD_SHA256_ARM64": containerd.SHA256["arm64"],
			},
			"../sources/components/cluster/nodeimage",
		},
		"URL with its checksum": {
			&cluster.Bundle{URL: "https://mirror.example/c.tar.gz", SHA256: strings.Repeat("a", 64)},
			map[string]any{"SOURCE": "url", "URL": "https://mirror.example/c.tar.gz", "SHA256": strings.Repeat("a", 64)},
			"../sources/components/cluster/nodeimage",
		},
		"directory below the project, relative so that every machine has the same plan": {
			&cluster.Bundle{Directory: "bundles/containerd"}, map[string]any{"SOURCE": "directory"}, "../project/bundles/containerd",
		},
		"directory elsewhere": {&cluster.Bundle{Directory: elsewhere}, map[string]any{"SOURCE": "directory"}, elsewhere},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newProgram(t)
			p.bundle = test.bundle
			want := maps.Clone(common)
			maps.Copy(want, test.want)
			arguments, build := buildArguments(t, p)
			assert.Equal(t, want, arguments)
			assert.Equal(t, test.context, build["context"])
			assert.Equal(t, "../sources/components/cluster/nodeimage/Dockerfile", build["dockerfile"])
			assert.Equal(t, "BuilderBuildKit", build["builderVersion"])
		})
	}
	image := base.record(t).One(t, enginetest.Image, "node-image-build")
	assert.Equal(t, base.spec.NodeImage, image.Input("imageName"))
	assert.Equal(t, true, image.Input("skipPush"))
	image.AssertChildOf(t, "NodeImage", "node-image")
}

func TestNodeImage_Runtimes(t *testing.T) {
	t.Parallel()
	youki := cluster.Bundle{URL: "https://mirror.example/youki.tar.gz", SHA256: strings.Repeat("b", 64)}
	crun := tracing.CrunRelease()
	official := func(release tracing.CRIORelease, more map[string]any) map[string]any {
		arguments := map[string]any{
			"CRIO_VERSION": release.Version, "CRIO_SHA256_AMD64": release.SHA256["amd64"], "CRIO_SHA256_ARM64": release.SHA256["arm64"],
		}
		maps.Copy(arguments, more)
		return arguments
	}
	side := newProgram(t)
	side.spec.Runtime.Default, side.spec.Runtime.Classes = tracing.OCICrun, []tracing.OCIRuntime{tracing.OCIRunc, tracing.OCIYouki}
	side.ociBundles = map[tracing.OCIRuntime]cluster.Bundle{tracing.OCIYouki: youki}
	crio := newCRIO(t, tracing.OCICrun)
	own := newCRIO(t, tracing.OCIYouki)
	own.spec.Runtime.CRIO = tracing.CRIORelease{Version: "1.27.0"}
	own.bundle = &cluster.Bundle{URL: "https://mirror.example/cri-o.tar.gz", SHA256: strings.Repeat("a", 64)}
	joined := tracing.PublishedCRIOWithJoinedTraces()
	joining, monitored := crio, crio
	joining.monitor = &cluster.Monitor{Release: joined}
	monitored.monitor = &cluster.Monitor{URL: "https://mirror.example/conmon-rs.tar.gz", SHA256: strings.Repeat("b", 64)}
	for name, test := range map[string]struct {
		program program
		absent  []string
		want    map[string]any
	}{
		"crun for containerd comes from a CRI-O bundle, youki from its own": {side, []string{"URL"}, official(crun, map[string]any{
			"RUNTIME": "containerd", "SOURCE": "containerd-official", "CRUN": "crio-official",
			"YOUKI": "youki-url", "YOUKI_URL": youki.URL, "YOUKI_SHA256": youki.SHA256,
			"REQUIRED": "containerd/bin/containerd containerd/bin/containerd-shim-runc-v2 oci/bin/crun oci/bin/youki",
		})},
		"CRI-O's bundle has its OCI runtimes": {
			crio,
			[]string{"CRUN", "YOUKI", "CONTAINERD_VERSION"},
			official(crio.spec.Runtime.CRIO, map[string]any{
				"RUNTIME": "crio", "SOURCE": "crio-official",
				"REQUIRED": "crio/bin/crio crio/bin/pinns crio/bin/conmonrs oci/bin/crun",
			}),
		},
		"conmon-rs of another CRI-O release": {joining, nil, official(crio.spec.Runtime.CRIO, map[string]any{
			"SOURCE": "crio-official", "MONITOR": "monitor-official", "MONITOR_VERSION": "1.31.13",
			"MONITOR_SHA256_AMD64": joined.SHA256["amd64"], "MONITOR_SHA256_ARM64": joined.SHA256["arm64"],
			"REQUIRED": "crio/bin/crio crio/bin/pinns crio/bin/conmonrs oci/bin/crun",
		})},
		"a user's conmon-rs": {monitored, []string{"MONITOR_VERSION"}, map[string]any{
			"MONITOR": "monitor-url", "MONITOR_URL": "https://mirror.example/conmon-rs.tar.gz", "MONITOR_SHA256": strings.Repeat("b", 64),
		}},
		"a user's bundle may have youki, and an old one has no conmon-rs": {own, []string{"CRIO_VERSION", "YOUKI"}, map[string]any{
			"RUNTIME": "crio", "SOURCE": "url", "URL": own.bundle.URL, "SHA256": own.bundle.SHA256,
			"REQUIRED": "crio/bin/crio crio/bin/pinns crio/bin/conmon oci/bin/youki",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			arguments, _ := buildArguments(t, test.program)
			for argument, value := range test.want {
				assert.Equal(t, value, arguments[argument], argument)
			}
			for _, argument := range test.absent {
				assert.NotContains(t, arguments, argument)
			}
		})
	}
}

func TestNodeImageSpec_Tag(t *testing.T) {
	t.Parallel()
	tag := func(change func(*cluster.NodeImageSpec)) string {
		image := newProgram(t).image()
		change(&image)
		tag, err := image.Tag("", spec.LocalImages{})
		require.NoError(t, err)
		return tag.Reference
	}
	url := cluster.Bundle{URL: "https://mirror.example/c.tar.gz", SHA256: strings.Repeat("a", 64)}
	one, two := newBundle(t, "one"), newBundle(t, "two")
	same := func(*cluster.NodeImageSpec) {}
	require.Regexp(t, `^traced-node:[0-9a-f]{12}$`, tag(same))
	first := tag(same)
	require.Equal(t, first, tag(same), "the same inputs name the same image")
	tags := map[string]string{}
	for input, change := range map[string]func(*cluster.NodeImageSpec){
		"unchanged":            same,
		"base":                 func(s *cluster.NodeImageSpec) { s.Base = "rancher/k3s:other" },
		"containerd's version": func(s *cluster.NodeImageSpec) { s.Containerd.Version = "9.9.9" },
		"containerd's checksum": func(s *cluster.NodeImageSpec) {
			s.Containerd.SHA256 = map[string]string{"amd64": "1", "arm64": s.Containerd.SHA256["arm64"]}
		},
		"containerd's other checksum": func(s *cluster.NodeImageSpec) {
			s.Containerd.SHA256 = map[string]string{"amd64": s.Containerd.SHA256["amd64"], "arm64": "1"}
		},
		"stack":           func(s *cluster.NodeImageSpec) { s.Stack = "kubetracing/other" },
		"repository":      func(s *cluster.NodeImageSpec) { s.Repository = "other-node" },
		"bundle of a URL": func(s *cluster.NodeImageSpec) { s.Bundle = &url },
		"bundle's checksum": func(s *cluster.NodeImageSpec) {
			s.Bundle = &cluster.Bundle{URL: url.URL, SHA256: strings.Repeat("b", 64)}
		},
		"bundle's URL": func(s *cluster.NodeImageSpec) {
			s.Bundle = &cluster.Bundle{URL: url.URL + "?2", SHA256: url.SHA256}
		},
		"bundle of a directory":         func(s *cluster.NodeImageSpec) { s.Bundle = &cluster.Bundle{Directory: one} },
		"content of bundle's directory": func(s *cluster.NodeImageSpec) { s.Bundle = &cluster.Bundle{Directory: two} },
	} {
		name := tag(change)
		assert.Empty(t, tags[name], "%s and %s name the same image", input, tags[name])
		tags[name] = input
	}
}

func TestNodeImageSpec_Tag_Base(t *testing.T) {
	t.Parallel()
	image := newProgram(t).image()
	image.Base = "rancher/k3s:mine"
	tag := func(local spec.LocalImages) cluster.NodeImageTag {
		tag, err := image.Tag("", local)
		require.NoError(t, err)
		return tag
	}
	unknown, one, two := tag(spec.LocalImages{}), tag(spec.LocalImages{Base: "sha256:1"}), tag(spec.LocalImages{Base: "sha256:2"})
	assert.Empty(t, unknown.Base)
	assert.Equal(t, "sha256:1", one.Base)
	assert.NotEqual(t, one.Reference, two.Reference, "another image of the same name")
	assert.NotEqual(t, unknown.Reference, one.Reference)
	node := func(tag cluster.NodeImageTag) spec.LocalNodeImage {
		return spec.LocalNodeImage{Reference: tag.Reference, Base: tag.Base}
	}
	stranger := spec.LocalNodeImage{Reference: "traced-node:0123456789ab", Base: "sha256:1"}
	for name, test := range map[string]struct {
		base  string
		nodes []spec.LocalNodeImage
		want  cluster.NodeImageTag
	}{
		"a known base, whose node image is there":       {"sha256:1", []spec.LocalNodeImage{stranger, node(one)}, one},
		"another base than before":                      {"sha256:2", []spec.LocalNodeImage{node(one)}, two},
		"another base, whose node image is there, too":  {"sha256:2", []spec.LocalNodeImage{node(one), node(two)}, two},
		"a base that the daemon has no more":            {"", []spec.LocalNodeImage{stranger, node(two), node(one)}, two},
		"a base that the daemon has only now":           {"sha256:1", []spec.LocalNodeImage{node(unknown)}, unknown},
		"a known base beside one of an earlier build":   {"sha256:1", []spec.LocalNodeImage{node(unknown), node(one)}, one},
		"a node image from other inputs":                {"", []spec.LocalNodeImage{stranger}, unknown},
		"a known base and a node image of other inputs": {"sha256:1", []spec.LocalNodeImage{stranger}, one},
	} {
		assert.Equal(t, test.want, tag(spec.LocalImages{Base: test.base, Nodes: test.nodes}), name)
	}

	image.Base += "@sha256:" + strings.Repeat("a", 64)
	assert.Equal(t, tag(spec.LocalImages{}), tag(spec.LocalImages{Base: "sha256:1"}), "a digest says all")
}

func TestNodeImage_Base(t *testing.T) {
	t.Parallel()
	p := newProgram(t)
	p.base = "sha256:1"
	arguments, _ := buildArguments(t, p)
	assert.Equal(t, "sha256:1", arguments["BASE_VALUE"])
	assert.Equal(t, "sha256:1", p.record(t).Component(t, "NodeImage", "node-image").Plain()["baseId"], "a preview shows what replaces the cluster")
}

func TestNodeImageSpec_Tag_Directory(t *testing.T) {
	t.Parallel()
	tag := func(t *testing.T, root, directory string) string {
		t.Helper()
		image := newProgram(t).image()
		image.Bundle = &cluster.Bundle{Directory: directory}
		tag, err := image.Tag(root, spec.LocalImages{})
		require.NoError(t, err)
		return tag.Reference
	}
	t.Run("names the content, not the place", func(t *testing.T) {
		t.Parallel()
		directory := newBundle(t, "containerd")
		before := tag(t, "", directory)
		assert.Equal(t, before, tag(t, "", newBundle(t, "containerd")))
		require.NoError(t, os.WriteFile(filepath.Join(directory, "README"), []byte("not in the image"), 0o644))
		assert.Equal(t, before, tag(t, "", directory))
		require.NoError(t, os.WriteFile(filepath.Join(directory, "bin", "ctr"), []byte("in the image"), 0o755))
		assert.NotEqual(t, before, tag(t, "", directory))
	})
	t.Run("is below the root, not below the current folder", func(t *testing.T) {
		t.Parallel()
		root := t.TempDir()
		writeBundle(t, filepath.Join(root, "bundles", "mine"), "containerd")
		assert.Equal(t, tag(t, "", newBundle(t, "containerd")), tag(t, root, "bundles/mine"))
	})
	t.Run("without the binaries is an error", func(t *testing.T) {
		t.Parallel()
		image := newProgram(t).image()
		for _, directory := range []string{t.TempDir(), "bundles/absent"} {
			image.Bundle = &cluster.Bundle{Directory: directory}
			_, err := image.Tag(t.TempDir(), spec.LocalImages{})
			require.EqualError(t, err, "runtime bundle "+directory+" must hold bin/containerd, bin/containerd-shim-runc-v2")
		}
	})
	t.Run("must hold every runtime that comes from it", func(t *testing.T) {
		t.Parallel()
		directory := t.TempDir()
		require.NoError(t, os.Mkdir(filepath.Join(directory, "bin"), 0o755))
		for _, name := range []string{"crio", "crio-conmonrs", "crio-conmon", "crun"} {
			require.NoError(t, os.WriteFile(filepath.Join(directory, "bin", name), []byte(name), 0o755))
		}
		image := newCRIO(t, tracing.OCICrun, tracing.OCIYouki).image()
		image.Bundle = &cluster.Bundle{Directory: directory}
		_, err := image.Tag("", spec.LocalImages{})
		require.EqualError(t, err, "runtime bundle "+directory+" must hold bin/pinns, bin/youki")

		image.OCIBundles = map[tracing.OCIRuntime]cluster.Bundle{tracing.OCIYouki: {URL: "https://mirror.example/youki"}}
		_, err = image.Tag("", spec.LocalImages{})
		require.EqualError(t, err, "runtime bundle "+directory+" must hold bin/pinns", "youki comes from elsewhere")
	})
}

func TestNodeImage_Present(t *testing.T) {
	t.Parallel()
	p := newProgram(t)
	present := p.record(t).One(t, enginetest.Command, "node-image-present")
	assert.Equal(t, "../bin/kubetracing image present "+p.spec.NodeImage, present.Input("create"))
	assert.Equal(t, present.Input("create"), present.Input("update"))
	assert.True(t, strings.HasPrefix(present.Text(t, "delete"), "IMAGE="+p.spec.NodeImage+"\n"), "it names its image itself")
	assert.Equal(t, []any{p.spec.NodeImage}, present.Input("triggers"))
	assert.Equal(t, map[string]string{spec.StateVariable: enginetest.State}, present.Environment(t))
	assert.Contains(t, present.Dependencies(), "node-image-build")
	present.AssertChildOf(t, "NodeImage", "node-image")
}

func TestNodeImage_Delete(t *testing.T) {
	t.Parallel()
	p := newProgram(t)
	remove := p.record(t).One(t, enginetest.Command, "node-image-present").Text(t, "delete")
	tag := p.spec.NodeImage
	const list = "docker image ls --quiet --filter label=kubetracing.state=STATE --filter "
	for name, test := range map[string]struct {
		docker string
		state  string
		// cache are further lines of what the command printed.
		cache  string
		code   int
		calls  []string
		stderr string
	}{
		"removes its image": {
			`case "$*" in *reference=*) echo id ;; esac`, "STATE", "", 0,
			[]string{list + "reference=" + tag, "docker image rm " + tag, list + "dangling=true"},
			"",
		},
		"leaves an image of another state": {
			"", "STATE", "", 0, []string{list + "reference=" + tag, list + "dangling=true"}, "",
		},
		"removes images that lost their name, except those in use": {
			`case "$2 $*" in "ls "*dangling*) echo used; echo unused ;; *"rm used") echo 'image is in use' >&2; exit 1 ;; esac`, "STATE", "", 0,
			[]string{list + "reference=" + tag, list + "dangling=true", "docker image rm used", "docker image rm unused"},
			"",
		},
		"prunes what the build left in the cache": {
			`case "$*" in *" df "*|*prune*) echo "of $BUILDX_BUILDER"; echo no >&2; exit 1 ;; esac`, "STATE", "\ncache a1|b2", 0,
			[]string{list + "reference=" + tag, list + "dangling=true", "docker builder prune --all --force --filter id=^(a1|b2)"},
			"",
		},
		"fails if the image cannot be removed": {
			`case "$*" in *reference=*) echo id ;; *" rm "*) echo 'image is in use' >&2; exit 1 ;; esac`, "STATE", "", 1,
			[]string{list + "reference=" + tag, "docker image rm " + tag},
			"image is in use",
		},
		"fails if Docker does not answer": {
			"echo 'Cannot connect to the Docker daemon' >&2; exit 1", "STATE", "", 1,
			[]string{list + "reference=" + tag},
			"Cannot connect to the Docker daemon",
		},
		"refuses without an identity": {"", "", "", -1, []string{""}, "must name the state of the image to remove"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			enginetest.EveryShell(t, func(t *testing.T, shell *enginetest.Shell) {
				shell.Check(t, remove)
				shell.Tool(t, "docker", test.docker)
				// The environment may name any image.
				got := shell.Run(t, remove, map[string]string{
					"IMAGE": "someone/elses:image", spec.StateVariable: test.state, "PULUMI_COMMAND_STDOUT": "sha256:1" + test.cache,
				})
				if test.code < 0 {
					assert.NotZero(t, got.Code)
				} else {
					assert.Equal(t, test.code, got.Code, got.Stderr)
				}
				assert.Equal(t, test.calls, shell.Calls(t))
				assert.Contains(t, got.Stderr, test.stderr)
				assert.Empty(t, got.Stdout)
			})
		})
	}
}
