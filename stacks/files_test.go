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

func TestReadFiles(t *testing.T) {
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
	assert.Equal(t, "lab", files.Project.Name)

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

func TestReadFiles_encrypted_value(t *testing.T) {
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
func TestReadFiles_encrypted_value_inside_section(t *testing.T) {
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

func TestReadFiles_empty_stack_file(t *testing.T) {
	t.Parallel()

	files, err := stacks.ReadFiles(folder(t, map[string]string{"Pulumi.yaml": project, "Pulumi.dev.yaml": ""}), "dev")
	require.NoError(t, err)
	config, err := files.Config()
	require.NoError(t, err)
	assert.Empty(t, config)
}

func TestReadFiles_errors(t *testing.T) {
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
			begin: `read stack "dev": Pulumi.dev.yaml: `,
		},
		"a stack's file that is a list": {
			files: map[string]string{"Pulumi.yaml": project, "Pulumi.dev.yaml": "- config"},
			begin: `read stack "dev": Pulumi.dev.yaml: must be a mapping`,
		},
		"a stack's file with a merge conflict": {
			files: map[string]string{"Pulumi.yaml": project, "Pulumi.dev.yaml": "config:\n<<<<<<< HEAD\n  lab:cluster: {}\n=======\n>>>>>>> other\n"},
			begin: `read stack "dev": Pulumi.dev.yaml has an unresolved merge conflict in line 2: `,
		},
		"a project with a merge conflict": {
			files: map[string]string{"Pulumi.yaml": project + "<<<<<<< HEAD\n", "Pulumi.dev.yaml": ""},
			begin: `read the project: Pulumi.yaml has an unresolved merge conflict in line 3: `,
		},
		"a project without a name": {
			files: map[string]string{"Pulumi.yaml": "runtime: go\n", "Pulumi.dev.yaml": ""},
			begin: `read the project: Pulumi.yaml: name is miss`,
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

func TestReadFiles_yml(t *testing.T) {
	t.Parallel()

	files, err := stacks.ReadFiles(folder(t, map[string]string{
		"Pulumi.yaml": project, "Pulumi.dev.yml": "config:\n  lab:workloads: []\n",
	}), "dev")
	require.NoError(t, err)
	config, err := files.Config()
	require.NoError(t, err)
	assert.Equal(t, map[string]string{"lab:workloads": "[]"}, config)
}

func TestReadFiles_key_without_namespace(t *testing.T) {
	t.Parallel()

	files, err := stacks.ReadFiles(folder(t, map[string]string{
		"Pulumi.yaml": project, "Pulumi.dev.yaml": "config:\n  sampling: {kubelet: 0}\n",
	}), "dev")
	require.NoError(t, err)
	config, err := files.Config()
	require.NoError(t, err)
	assert.Equal(t, map[string]string{"lab:sampling": `{"kubelet":0}`}, config)
}

func TestOpenFiles_problems(t *testing.T) {
	t.Parallel()

	tests := map[string]struct{ file, want string }{
		"a misspelled top-level key": {
			"confg:\n  lab:cluster: {servers: 3}\n",
			"the stack configuration has 1 mistake:\n  - Pulumi.dev.yaml: confg: unknown top-level key; the nearest valid one is config",
		},
		"a key that is not indented": {
			"config:\nlab:cluster: {servers: 3}\n",
			"the stack configuration has 1 mistake:\n  - Pulumi.dev.yaml: lab:cluster: configuration keys must be indented below config:",
		},
		"together with those of the configuration": {
			"encryptionsalts: v1\nconfig:\n  lab:cluster: {servers: 0}\n",
			"the stack configuration has 2 mistakes:\n  - Pulumi.dev.yaml: encryptionsalts: unknown top-level key; the nearest valid one is encryptionsalt\n" +
				"  - lab:cluster.servers: 0: must be at least 1",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := stacks.OpenFiles(folder(t, map[string]string{"Pulumi.yaml": project, "Pulumi.dev.yaml": test.file}), "dev")
			require.EqualError(t, err, test.want)
		})
	}
}

func TestUnknownKeys(t *testing.T) {
	t.Parallel()

	for file, want := range map[string]string{
		"confg: {}":        "the stack configuration has 1 mistake:\n  - Pulumi.dev.yaml: confg: unknown top-level key; the nearest valid one is config",
		"config: {}":       "",
		"config: [broken,": "",
	} {
		err := stacks.UnknownKeys(folder(t, map[string]string{"Pulumi.yaml": project, "Pulumi.dev.yaml": file}), "dev")
		if want == "" {
			require.NoError(t, err, file)
		} else {
			require.EqualError(t, err, want)
		}
	}
	require.NoError(t, stacks.UnknownKeys(t.TempDir(), "dev"), "the configuration is somewhere else")
}

func TestOpenFiles_empty_sections(t *testing.T) {
	t.Parallel()

	stack, err := stacks.OpenFiles(folder(t, map[string]string{
		"Pulumi.yaml": project, "Pulumi.dev.yaml": "config:\n  lab:cluster:\n  lab:workloads:\n  lab:jaeger:\n",
	}), "dev")
	require.NoError(t, err)
	assert.Equal(t, stacks.Defaults(), stack.Settings)
}

func TestProject_WithMain(t *testing.T) {
	t.Parallel()

	files, err := stacks.ReadFiles(folder(t, map[string]string{
		"Pulumi.yaml":     "# first\nname: lab\nruntime: {name: go, options: {binary: ./run}}\nmain: infra\nconfig:\n  # second\n  sampling: {type: object}\n",
		"Pulumi.dev.yaml": "# third\nconfig:\n  lab:cluster: {servers: 3}\n",
	}), "dev")
	require.NoError(t, err)
	text, err := files.Project.WithMain("../../infra")
	require.NoError(t, err)
	assert.Equal(t, "# first\nname: lab\nruntime: {name: go, options: {binary: ./run}}\nmain: ../../infra\n"+
		"config:\n    # second\n    sampling: {type: object}\n", string(text))
	text, err = files.Stack.WithSalt("v1:salt")
	require.NoError(t, err)
	assert.Equal(t, "# third\nconfig:\n    lab:cluster: {servers: 3}\nencryptionsalt: v1:salt\n", string(text))
	assert.Equal(t, "infra", files.Project.Main, "the values stay as they are")
}

func TestStackFile_WithSalt_empty_file(t *testing.T) {
	t.Parallel()

	files, err := stacks.ReadFiles(folder(t, map[string]string{"Pulumi.yaml": project, "Pulumi.dev.yaml": "# nothing\n"}), "dev")
	require.NoError(t, err)
	text, err := files.Stack.WithSalt("v1:salt")
	require.NoError(t, err)
	assert.Contains(t, string(text), "encryptionsalt: v1:salt\n")
}
