package tracing_test

import (
	"testing"

	"github.com/BurntSushi/toml"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/components/tracing"
)

func TestConmonRs(t *testing.T) {
	t.Parallel()
	tests := map[tracing.ConmonRs]struct{ sends, joins bool }{
		"":      {false, false},
		"0.6.1": {true, true},
		"0.7.2": {true, true},
		"0.7.3": {true, false},
		"0.8.0": {true, false},
		"1.0.1": {false, false},
	}
	for release, want := range tests {
		t.Run(string(release), func(t *testing.T) {
			t.Parallel()
			assert.Equal(t, want.sends, release.SendsSpans(), "sends spans")
			assert.Equal(t, want.joins, release.JoinsTraces(), "joins CRI-O's traces")
		})
	}
}

func TestOwnCRIO(t *testing.T) {
	t.Parallel()
	tests := map[string]tracing.ConmonRs{"1.27.0": "", "1.31.0": "0.7.2", "1.36.0": "0.8.0", "1.37.0": "1.0.1", "1.40.2": "1.0.1"}
	for version, conmonRs := range tests {
		assert.Equal(t, tracing.CRIORelease{Version: version, ConmonRs: conmonRs}, tracing.OwnCRIO(version))
	}
}

func TestPublishedCRIO(t *testing.T) {
	t.Parallel()
	release, published := tracing.PublishedCRIO("1.31.13")
	assert.True(t, published)
	assert.Len(t, release.SHA256, 2)
	_, published = tracing.PublishedCRIO("1.31.12")
	assert.False(t, published)
	joining := tracing.PublishedCRIOWithJoinedTraces()
	assert.True(t, joining.ConmonRs.JoinsTraces())
	assert.Contains(t, tracing.CRIOWithConmonRs(), joining.Version)
	assert.NotContains(t, tracing.CRIOWithConmonRs(), "1.27.4")
}

// monitorEnvironment is the environment of crun's monitor in a rendered crio.conf.
func monitorEnvironment(t *testing.T, crio tracing.CRIORelease, oci tracing.OCIRuntime) []string {
	t.Helper()
	spec := single(t, "1.36")
	spec.Runtime = tracing.Runtime{Name: tracing.RuntimeCRIO, CRIO: crio, Default: oci}
	rendered, err := tracing.RenderCluster(spec)
	require.NoError(t, err)
	var config struct {
		CRIO struct {
			Runtime struct {
				Runtimes map[string]struct {
					MonitorEnv []string `toml:"monitor_env"`
				} `toml:"runtimes"`
			} `toml:"runtime"`
		} `toml:"crio"`
	}
	for _, file := range rendered.Node {
		if file.Name == tracing.FileCRIO {
			_, err := toml.Decode(file.Content, &config)
			require.NoError(t, err)
		}
	}
	require.Contains(t, config.CRIO.Runtime.Runtimes, string(oci))
	return config.CRIO.Runtime.Runtimes[string(oci)].MonitorEnv
}

func TestRenderCluster_MonitorEnvironment(t *testing.T) {
	t.Parallel()
	systemd := []string{"LOG_DRIVER=systemd"}
	tests := map[string]struct {
		crio tracing.CRIORelease
		oci  tracing.OCIRuntime
		want []string
	}{
		"CRI-O that starts conmon-rs without a log": {tracing.CRIORelease{Version: "1.34.0", ConmonRs: "0.7.2"}, tracing.OCICrun, systemd},
		"conmon-rs that does not know that driver":  {tracing.CRIORelease{Version: "1.36.3", ConmonRs: "0.6.6"}, tracing.OCIRunc, systemd},
		"conmon-rs with traces of its own":          {tracing.CRIORelease{Version: "1.36.3", ConmonRs: "0.8.0"}, tracing.OCICrun, systemd},
		"CRI-O that always chooses systemd":         {tracing.CRIORelease{Version: "1.33.12", ConmonRs: "0.8.0"}, tracing.OCICrun, nil},
		"conmon-rs without tracing":                 {tracing.CRIORelease{Version: "1.37.0", ConmonRs: "1.0.1"}, tracing.OCICrun, nil},
		"conmon, which has no tracing":              {tracing.CRIORelease{Version: "1.36.3"}, tracing.OCICrun, nil},
		"conmon beside conmon-rs, for youki":        {tracing.CRIORelease{Version: "1.36.3", ConmonRs: "0.7.2"}, tracing.OCIYouki, nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			assert.Equal(t, test.want, monitorEnvironment(t, test.crio, test.oci))
		})
	}
}
