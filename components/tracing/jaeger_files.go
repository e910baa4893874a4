package tracing

import "fmt"

// Paths in Jaeger's container.
const (
	jaegerDirectory = "/etc/jaeger/"
	// JaegerConfigPath is where the configuration is.
	JaegerConfigPath = jaegerDirectory + "config.yaml"
	// JaegerUIConfigPath is where the configuration of the UI is.
	JaegerUIConfigPath = jaegerDirectory + "ui.json"
	// JaegerPlaybooksDirectory is where the playbooks of the MCP server are.
	JaegerPlaybooksDirectory = jaegerDirectory + "playbooks"
)

// JaegerFile is a file in Jaeger's container.
type JaegerFile struct {
	// Path is absolute.
	Path string
	// Content is its text.
	Content string
}

// RenderJaegerFiles renders the files of Jaeger's container: the configuration, and
// those that it names.
func RenderJaegerFiles(spec JaegerSpec) ([]JaegerFile, error) {
	config, err := RenderJaeger(spec)
	if err != nil {
		return nil, err
	}
	ui, err := renderJaegerUI()
	if err != nil {
		return nil, err
	}
	files := []JaegerFile{{JaegerConfigPath, config}, {JaegerUIConfigPath, ui}}
	if !spec.servesPlaybooks() {
		return files, nil
	}
	playbooks, err := jaegerPlaybooks()
	if err != nil {
		return nil, fmt.Errorf("read Jaeger's playbooks: %w", err)
	}
	return append(files, playbooks...), nil
}
