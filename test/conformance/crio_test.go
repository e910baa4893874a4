package conformance

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/components/tracing"
)

// crioReader has the configuration code of one CRI-O release: the keys that are
// rendered mean the same from 1.25 to 1.36. The tags leave out what needs C
// libraries.
var crioReader = newReader("crio", "1.34.0",
	"containers_image_openpgp", "exclude_graphdriver_btrfs", "exclude_graphdriver_devicemapper")

// crioDecoded is the reader's output.
type crioDecoded struct {
	Tracing struct {
		EnableTracing                 bool
		TracingEndpoint               string
		TracingSamplingRatePerMillion int
	} `json:"tracing"`
	Handlers map[string]struct {
		RuntimePath, RuntimeType, MonitorPath, MonitorCgroup string
		MonitorEnv                                           []string
	} `json:"handlers"`
	DefaultRuntime    string `json:"defaultRuntime"`
	CgroupManager     string `json:"cgroupManager"`
	DropInfraCtr      bool   `json:"dropInfraCtr"`
	CleanShutdownFile string `json:"cleanShutdownFile"`
}

// crioConf renders CRI-O's configuration for a Kubernetes minor.
func crioConf(t *testing.T, kubernetes string, rate int, classes ...tracing.OCIRuntime) string {
	t.Helper()
	spec := render(t, kubernetes, tracing.Sampling{Runtime: rate}).spec
	release, published := spec.Release.CRIORelease()
	require.True(t, published)
	spec.Runtime = tracing.Runtime{Name: tracing.RuntimeCRIO, CRIO: release, Default: tracing.OCICrun, Classes: classes}
	return renderSpec(t, spec).files[tracing.FileCRIO]
}

func TestCRIO_Reads(t *testing.T) {
	for name, test := range map[string]struct {
		kubernetes string
		rate       int
		classes    []tracing.OCIRuntime
	}{
		"one OCI runtime":          {"1.34", 250_000, nil},
		"every OCI runtime":        {"1.36", tracing.SamplingRateMax, []tracing.OCIRuntime{tracing.OCIRunc, tracing.OCIYouki}},
		"conmon in its old bundle": {"1.27", 1, nil},
		"off":                      {"1.34", 0, nil},
	} {
		t.Run(name, func(t *testing.T) {
			output, err := crioReader.read(t, crioConf(t, test.kubernetes, test.rate, test.classes...))
			require.NoError(t, err)
			var got crioDecoded
			require.NoError(t, json.Unmarshal(output, &got))
			assert.Equal(t, test.rate > 0, got.Tracing.EnableTracing)
			assert.Equal(t, collectorGRPC, got.Tracing.TracingEndpoint)
			assert.Equal(t, test.rate, got.Tracing.TracingSamplingRatePerMillion)
			assert.Equal(t, "crun", got.DefaultRuntime)
			assert.Equal(t, "cgroupfs", got.CgroupManager)
			assert.Empty(t, got.CleanShutdownFile)
			assert.Equal(t, len(test.classes) == 0, got.DropInfraCtr)
			kind, monitor := "pod", "conmonrs"
			// With another log driver, conmon-rs would install no tracing.
			environment := []string{"LOG_DRIVER=systemd"}
			if test.kubernetes == "1.27" {
				kind, monitor, environment = "oci", "conmon", nil
			}
			for _, oci := range []string{"runc", "crun"} {
				handler := got.Handlers[oci]
				assert.Equal(t, tracing.OCIDirectory+"/"+oci, handler.RuntimePath)
				assert.Equal(t, kind, handler.RuntimeType)
				assert.Equal(t, tracing.CRIODirectory+"/"+monitor, handler.MonitorPath)
				assert.Equal(t, "pod", handler.MonitorCgroup)
				assert.Equal(t, environment, handler.MonitorEnv)
			}
			if len(test.classes) > 0 {
				assert.Equal(t, "oci", got.Handlers["youki"].RuntimeType, "conmon-rs cannot run youki")
			}
		})
	}
}

func TestCRIO_Refuses(t *testing.T) {
	file := crioConf(t, "1.34", 250_000)
	for name, test := range map[string]struct{ file, message string }{
		"a default runtime without a handler": {
			replaceOnce(t, file, `default_runtime = "crun"`, `default_runtime = "kata"`), `default_runtime set to "kata", but no runtime entry`,
		},
		"a type of runtime that does not exist": {
			replaceOnce(t, file, `runtime_type = "pod"`, `runtime_type = "conmonrs"`), "invalid `runtime_type`",
		},
		"a key that does not exist": {
			replaceOnce(t, file, "tracing_endpoint", "endpoint"), "CRI-O knows no key crio.tracing.endpoint",
		},
		"a rate that is not a number": {
			replaceOnce(t, file, "tracing_sampling_rate_per_million = 250000", `tracing_sampling_rate_per_million = "all"`), "tracing_sampling_rate_per_million",
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := crioReader.read(t, test.file)
			require.ErrorIs(t, err, errRefused)
			assert.ErrorContains(t, err, test.message)
		})
	}
}
