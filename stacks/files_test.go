package stacks_test

import (
	"os"
	"path/filepath"
	"strings"
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

const ruleHome = "must not begin with ~, which only a shell replaces: write the whole path, or one below the project's root"

// Editors on other systems write other line ends, and a mark before the text.
func TestOpenFiles_encodings(t *testing.T) {
	t.Parallel()
	const text = "config:\n  lab:cluster:\n    servers: 3\n  lab:verify: {expectations: mine.yaml}\n"
	const mine = "- name: mine\n  spans:\n    - {service: kubelet}\n"
	for name, change := range map[string]func(string) string{
		"CRLF":                 func(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") },
		"a byte order mark":    func(s string) string { return "\ufeff" + s },
		"no last line end":     func(s string) string { return strings.TrimSuffix(s, "\n") },
		"an end of a document": func(s string) string { return "---\n" + s + "...\n" },
	} {
		stack, err := stacks.OpenFiles(folder(t, map[string]string{
			"Pulumi.yaml": project, "Pulumi.dev.yaml": change(text), "mine.yaml": change(mine),
		}), "dev")
		require.NoError(t, err, name)
		assert.Equal(t, 3, stack.Settings.Cluster.Servers, name)
		require.Len(t, stack.Expectations, 1, name)
		assert.Equal(t, "kubelet", stack.Expectations[0].Spans[0].Service, name)
	}
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
		"a key in another case": {
			"Config:\n  lab:cluster: {servers: 3}\n",
			"the stack configuration has 1 mistake:\n  - Pulumi.dev.yaml: Config: unknown top-level key; the nearest valid one is config",
		},
		"a config inside config": {
			"config:\n  config:\n    lab:cluster: {servers: 3}\n",
			"the stack configuration has 1 mistake:\n  - lab:config: stands inside config itself: write what is below it one level further out",
		},
		"a misspelt namespace": {
			"config:\n  lap:cluster: {servers: 3}\n  lap:region: x\n  aws:cluster: y\n",
			"the stack configuration has 1 mistake:\n  - lap:cluster: unknown namespace; the nearest valid key is lab:cluster",
		},
		"a key twice": {
			"config:\n  lab:cluster: {servers: 3}\nencryptionsalt: a\nconfig:\n  lab:verify: {timeout: 1s}\n",
			`read stack "dev": Pulumi.dev.yaml: line 4 has config, which line 1 has already`,
		},
		"two documents": {
			"config:\n  lab:cluster: {servers: 3}\n---\nconfig: {}\n",
			`read stack "dev": Pulumi.dev.yaml: must be one YAML document: Pulumi ignores what follows a line with ---`,
		},
		"a tab": {
			"config:\n  lab:cluster:\n  \tservers: 3\n", `read stack "dev": Pulumi.dev.yaml: line 3 is indented with a tab: YAML is indented with spaces`,
		},
		"a config that is a text": {"config: hunter2\n", `read stack "dev": Pulumi.dev.yaml: config: must be a mapping of keys to values`},
		"a config that is a list": {"config: [hunter2]\n", `read stack "dev": Pulumi.dev.yaml: config: must be a mapping of keys to values`},
		"paths of a shell": {
			"config:\n  lab:runtime: {bundle: {directory: ~/b}}\n  lab:verify: {expectations: ~me/e.yaml}\n  lab:cluster: {certificateAuthorities: [~/ca.pem]}\n",
			"the stack configuration has 3 mistakes:\n  - lab:runtime.bundle.directory: ~/b: " + ruleHome +
				"\n  - lab:verify.expectations: ~me/e.yaml: " + ruleHome + "\n  - lab:cluster.certificateAuthorities[0]: ~/ca.pem: " + ruleHome,
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

func TestCheckFile(t *testing.T) {
	t.Parallel()

	for file, want := range map[string]string{
		"confg: {}":                              "the stack configuration has 1 mistake:\n  - Pulumi.dev.yaml: confg: unknown top-level key; the nearest valid one is config",
		"config: {}":                             "",
		"config: [broken,":                       "",
		"config: {lab:cluster: {servers: 0}}":    "",
		"config: {lab:jaeger: {secure: v1:a:b}}": "the stack configuration has 1 mistake:\n  - lab:jaeger: " + ruleWholeSection,
		"config: {lab:jaeger: {image: {secure: v1:a:b}, storage: opensearch, server: {password: {secure: v1:a:c}}}}": "the stack configuration has 1 mistake:\n" +
			"  - lab:jaeger.image: " + ruleNotSecret,
		"config: {lab:jaeger: {storage: opensearch, server: {password: {secure: v1:a:c}}}}": "",
	} {
		err := stacks.CheckFile(folder(t, map[string]string{"Pulumi.yaml": project, "Pulumi.dev.yaml": file}), "dev")
		if want == "" {
			require.NoError(t, err, file)
		} else {
			require.EqualError(t, err, want)
		}
	}
	require.NoError(t, stacks.CheckFile(t.TempDir(), "dev"), "the configuration is somewhere else")
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
