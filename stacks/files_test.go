package stacks_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/stacks"
)

const project = "name: lab\nruntime: go\n"

// folder writes files into a new folder.
func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		require.NoError(t, os.WriteFile(filepath.Join(root, name), []byte(text), 0o600))
	}
	return root
}

func TestFilesGiveTheConfigurationThatNewTakes(t *testing.T) {
	t.Parallel()

	root := folder(t, map[string]string{
		"Pulumi.yaml": project,
		"Pulumi.dev.yaml": `config:
  lab:cluster:
    kubernetes: "1.30"
    servers: 3
  lab:sampling: {kubelet: 0}
  lab:workloads: [echo]
  docker:host: tcp://127.0.0.1:2375
`,
	})
	files, err := stacks.ReadFiles(root, "dev")
	require.NoError(t, err)
	assert.Equal(t, "lab", string(files.Project.Name))

	config, err := files.Config()
	require.NoError(t, err)
	assert.Equal(t, map[string]string{
		"lab:cluster":   `{"kubernetes":"1.30","servers":3}`,
		"lab:sampling":  `{"kubelet":0}`,
		"lab:workloads": `["echo"]`,
		"docker:host":   "tcp://127.0.0.1:2375",
	}, config)

	stack, err := stacks.New("lab", "dev", config)
	require.NoError(t, err)
	want := stacks.Defaults()
	want.Cluster.Kubernetes = "1.30"
	want.Cluster.Servers = 3
	want.Sampling.Kubelet = 0
	assert.Equal(t, want, stack.Settings)
}

func TestFilesDoNotDecrypt(t *testing.T) {
	t.Parallel()

	root := folder(t, map[string]string{
		"Pulumi.yaml":     project,
		"Pulumi.dev.yaml": "config:\n  other:token:\n    secure: AAABciphertext\n",
	})
	files, err := stacks.ReadFiles(root, "dev")
	require.NoError(t, err)
	config, err := files.Config()
	require.NoError(t, err)
	assert.Equal(t, map[string]string{"other:token": "[secret]"}, config)
}

// A secret can stand inside an object; the rest of the object must still be read.
func TestASecretInsideASectionLeavesTheSectionReadable(t *testing.T) {
	t.Parallel()

	root := folder(t, map[string]string{
		"Pulumi.yaml": project,
		"Pulumi.dev.yaml": `config:
  lab:collector:
    exporters:
      - name: vendor
        protocol: grpc
        endpoint: otlp.test:4317
        headers:
          authorization:
            secure: AAABciphertext
`,
	})
	files, err := stacks.ReadFiles(root, "dev")
	require.NoError(t, err)
	config, err := files.Config()
	require.NoError(t, err)
	stack, err := stacks.New("lab", "dev", config)
	require.NoError(t, err)
	assert.Equal(t, map[string]stacks.Secret{"authorization": "[secret]"}, stack.Settings.Collector.Exporters[0].Headers)
}

func TestFilesOfAStackThatConfiguresNothing(t *testing.T) {
	t.Parallel()

	files, err := stacks.ReadFiles(folder(t, map[string]string{"Pulumi.yaml": project, "Pulumi.dev.yaml": ""}), "dev")
	require.NoError(t, err)
	config, err := files.Config()
	require.NoError(t, err)
	assert.Empty(t, config)
}

func TestReadFilesExplainsWhatItCannotRead(t *testing.T) {
	t.Parallel()

	tests := map[string]struct {
		files map[string]string
		begin string
	}{
		"a folder without a project": {
			files: map[string]string{"Pulumi.dev.yaml": ""},
			begin: "read the project: ",
		},
		"a project that is not YAML": {
			files: map[string]string{"Pulumi.yaml": "name: [", "Pulumi.dev.yaml": ""},
			begin: "read the project: ",
		},
		"a stack without a file": {
			files: map[string]string{"Pulumi.yaml": project, "Pulumi.other.yaml": ""},
			begin: `stack "dev" has no file: `,
		},
		"a stack's file that is not YAML": {
			files: map[string]string{"Pulumi.yaml": project, "Pulumi.dev.yaml": "config: ["},
			begin: `read stack "dev": `,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			files, err := stacks.ReadFiles(folder(t, test.files), "dev")
			require.Error(t, err)
			assert.Regexp(t, "^"+test.begin+".", err.Error())
			assert.Equal(t, stacks.Files{}, files)
		})
	}
}
