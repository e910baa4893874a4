package tracing

import (
	"embed"
	"fmt"

	"github.com/Masterminds/semver/v3"
)

// Releases of Jaeger that changed how its MCP server is configured. From 2.20.0 on it
// answers on the port of the UI; before, it had a port of its own.
//
// Sources: jaegertracing/jaeger cmd/jaeger/internal/extension/jaegerquery/internal/flags.go
// (AIConfig) at v2.20.0 and, on the way to 2.21.0, with #9194 (mcp instead of
// enable_mcp) and #9169 (skills_dir).
var (
	jaegerServesMCP       = semver.MustParse("2.20.0")
	jaegerServesPlaybooks = semver.MustParse("2.21.0")
)

type jaegerAI struct {
	// AgentURL is empty: the default is that of an agent for a chat in the UI, which
	// Jaeger would look for again and again.
	AgentURL  string           `json:"agent_url"`
	EnableMCP bool             `json:"enable_mcp,omitempty"`
	MCP       *jaegerMCPServer `json:"mcp,omitempty"`
}

type jaegerMCPServer struct {
	SkillsDirectory string `json:"skills_dir"`
}

// ai returns the part of the configuration that turns the MCP server on; nil if the
// release has none or is unknown.
func (s JaegerSpec) ai() *jaegerAI {
	switch {
	case s.servesPlaybooks():
		return &jaegerAI{MCP: &jaegerMCPServer{SkillsDirectory: JaegerPlaybooksDirectory}}
	case s.atLeast(jaegerServesMCP):
		return &jaegerAI{EnableMCP: true}
	default:
		return nil
	}
}

// servesPlaybooks reports whether the MCP server serves files of ours.
func (s JaegerSpec) servesPlaybooks() bool { return s.atLeast(jaegerServesPlaybooks) }

// atLeast reports whether the release is known and not older than another.
func (s JaegerSpec) atLeast(release *semver.Version) bool {
	version, err := semver.NewVersion(s.Version)
	return err == nil && !version.LessThan(release)
}

//go:embed playbooks
var playbooks embed.FS

// playbookFiles are the files of the directory of playbooks. SKILL.md is the one that
// a program reads first.
//
// Source: jaegertracing/jaeger
// cmd/jaeger/internal/extension/jaegerquery/internal/mcptools/README.md.
var playbookFiles = []string{
	"SKILL.md", "slow-pod/SKILL.md", "which-runtime/SKILL.md", "who-said-no/SKILL.md",
}

func jaegerPlaybooks() ([]JaegerFile, error) {
	files := make([]JaegerFile, len(playbookFiles))
	for i, name := range playbookFiles {
		content, err := playbooks.ReadFile("playbooks/" + name)
		if err != nil {
			return nil, fmt.Errorf("read playbook %s: %w", name, err)
		}
		files[i] = JaegerFile{JaegerPlaybooksDirectory + "/" + name, string(content)}
	}
	return files, nil
}
