package stacks

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/config"
	"gopkg.in/yaml.v3"
)

// Files are a project's configuration files on disk.
type Files struct {
	// Project is Pulumi.yaml.
	Project Project
	// Stack is Pulumi.<stack>.yaml.
	Stack StackFile
}

// Project is a Pulumi.yaml, as far as the command line reads it.
type Project struct {
	// Name is the project's name.
	Name string
	// Main is the folder of the program, relative to the project's; empty means the
	// project's own folder.
	Main string

	document yaml.Node
}

// StackFile is a Pulumi.<stack>.yaml, as far as the command line reads it.
type StackFile struct {
	// Path is where the file was read.
	Path string
	// EncryptionSalt belongs to the passphrase that encrypts the stack's secrets.
	EncryptionSalt string
	// Config holds the configured values under their full keys.
	Config config.Map

	document yaml.Node
	unknown  []Problem
}

// extensions are those of YAML files that Pulumi reads.
//
// Source: github.com/pulumi/pulumi/sdk/v3 go/common/encoding/marshal.go (Exts).
var extensions = []string{".yaml", ".yml"}

// stackFileKeys are the top-level keys of a stack's file.
//
// Source: github.com/pulumi/pulumi/sdk/v3 go/common/workspace/project.go
// (ProjectStack).
var stackFileKeys = []string{"config", saltKey, "secretsprovider", "encryptedkey", "environment"}

const (
	mainKey = "main"
	saltKey = "encryptionsalt"
)

// ReadFiles reads the project in the folder root and one of its stacks' files. A
// stack that configures nothing has an empty file; a missing file is an error.
func ReadFiles(root, stack string) (Files, error) {
	project, err := ReadProject(root)
	if err != nil {
		return Files{}, err
	}
	path, err := findFile(root, "Pulumi."+stack)
	if err != nil {
		return Files{}, fmt.Errorf("stack %q has no file: %w", stack, err)
	}
	file, err := readStackFile(path, project.Name)
	if err != nil {
		return Files{}, fmt.Errorf("read stack %q: %w", stack, err)
	}
	return Files{Project: project, Stack: file}, nil
}

// ReadProject reads the project in the folder root.
func ReadProject(root string) (Project, error) {
	path, err := findFile(root, "Pulumi")
	if err != nil {
		return Project{}, fmt.Errorf("read the project: %w", err)
	}
	document, err := readDocument(path)
	if err != nil {
		return Project{}, fmt.Errorf("read the project: %w", err)
	}
	var fields struct {
		Name string `yaml:"name"`
		Main string `yaml:"main"`
	}
	if err := document.Decode(&fields); err != nil {
		return Project{}, fmt.Errorf("read the project: %s: %w", filepath.Base(path), err)
	}
	if fields.Name == "" {
		return Project{}, fmt.Errorf("read the project: %s: name is missing", filepath.Base(path))
	}
	return Project{Name: fields.Name, Main: fields.Main, document: document}, nil
}

// WithMain renders the project's file with another folder of the program.
// Everything else stays as it is.
func (p Project) WithMain(main string) ([]byte, error) { return withKey(p.document, mainKey, main) }

// WithSalt renders the stack's file with another salt. Everything else stays as
// it is.
func (f StackFile) WithSalt(salt string) ([]byte, error) { return withKey(f.document, saltKey, salt) }

// OpenFiles reads a stack whose files are in the folder root. The error is a
// [Problems] with every mistake in the stack's file, unless a file cannot be read.
func OpenFiles(root, stack string) (Stack, error) {
	files, err := ReadFiles(root, stack)
	if err != nil {
		return Stack{}, err
	}
	values, err := files.Config()
	if err != nil {
		return Stack{}, err
	}
	opened, err := Open(root, files.Project.Name, stack, values)
	if problems := Problems(nil); err == nil || errors.As(err, &problems) {
		if all := slices.Concat(files.Stack.unknown, problems); len(all) > 0 {
			return Stack{}, all
		}
	}
	return opened, err
}

// CheckFile returns a [Problems] with what a stack's file shows and Pulumi does not pass
// on: the top-level keys that it ignores, with everything below them, and the encrypted
// values, one by one, that would be shown in the clear. It returns nil if there are none.
// A file that cannot be read is none of its problems.
func CheckFile(root, stack string) error {
	files, err := ReadFiles(root, stack)
	if err != nil {
		return nil //nolint:nilerr // opening the stack reports it
	}
	problems := files.Stack.unknown
	if values, err := files.Config(); err == nil {
		_, _, mistakes := decode(files.Project.Name, Config{Values: values})
		problems = append(problems, slices.DeleteFunc(mistakes, func(p Problem) bool {
			return p.Rule != ruleNotSecret && p.Rule != ruleWholeSection
		})...)
	}
	if len(problems) == 0 {
		return nil
	}
	return Problems(problems)
}

// Config returns the stack's configuration in the form that [Open] reads.
// Encrypted values are blinded, inside objects too: what is planned does not
// depend on them.
func (f Files) Config() (map[string]string, error) {
	values, err := f.Stack.Config.Decrypt(config.NewBlindingDecrypter())
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	plain := make(map[string]string, len(values))
	for key, value := range values {
		plain[key.String()] = value
	}
	return plain, nil
}

// findFile returns the path of a YAML file, whatever its extension.
func findFile(folder, name string) (string, error) {
	for _, extension := range extensions {
		path := filepath.Join(folder, name+extension)
		if _, err := os.Stat(path); err == nil || !errors.Is(err, fs.ErrNotExist) {
			return path, err
		}
	}
	return "", &fs.PathError{Op: "open", Path: filepath.Join(folder, name+extensions[0]), Err: fs.ErrNotExist}
}

// readStackFile reads the file of a project's stack.
func readStackFile(path, project string) (StackFile, error) {
	document, err := readDocument(path)
	if err != nil {
		return StackFile{}, err
	}
	file := StackFile{Path: path, Config: config.Map{}, document: document}
	for key, value := range pairs(&document) {
		if key.Value == "config" && value.Tag != "!!null" && value.Kind != yaml.MappingNode && value.Kind != yaml.AliasNode {
			// Without the value, which may be a password.
			return StackFile{}, fmt.Errorf("%s: config: must be a mapping of keys to values", filepath.Base(path))
		}
		if !slices.Contains(stackFileKeys, key.Value) {
			file.unknown = append(file.unknown, unknownTopLevelKey(filepath.Base(path), key.Value))
		}
		switch {
		case key.Value == saltKey:
			file.EncryptionSalt = value.Value
		case key.Value == "config" && value.Tag != "!!null":
			if err := namespaced(value, project).Decode(&file.Config); err != nil {
				return StackFile{}, fmt.Errorf("%s: config: %w", filepath.Base(path), err)
			}
		}
	}
	return file, nil
}

// unknownTopLevelKey describes a key that Pulumi ignores, with everything below it.
func unknownTopLevelKey(file, key string) Problem {
	if strings.Contains(key, ":") {
		return Problem{Field: file + ": " + key, Rule: "configuration keys must be indented below config:"}
	}
	nearest := slices.MinFunc(stackFileKeys, func(a, b string) int {
		return levenshtein.ComputeDistance(key, a) - levenshtein.ComputeDistance(key, b)
	})
	return Problem{Field: file + ": " + key, Rule: "unknown top-level key; the nearest valid one is " + nearest}
}

// namespaced returns the mapping with full keys: Pulumi reads a key without a
// namespace as one of the project's.
//
// Source: github.com/pulumi/pulumi/sdk/v3 go/common/workspace/loaders.go
// (stackConfigNamespacedWithProject).
func namespaced(mapping *yaml.Node, project string) *yaml.Node {
	copied := *mapping
	copied.Content = slices.Clone(mapping.Content)
	for i := 0; mapping.Kind == yaml.MappingNode && i < len(copied.Content); i += 2 {
		if key := *copied.Content[i]; !strings.Contains(key.Value, ":") {
			key.Value = project + ":" + key.Value
			copied.Content[i] = &key
		}
	}
	return &copied
}

// readDocument reads a YAML file that holds one mapping, or nothing.
func readDocument(path string) (yaml.Node, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return yaml.Node{}, err
	}
	name := filepath.Base(path)
	if line := conflictMarker(text); line > 0 {
		return yaml.Node{}, fmt.Errorf("%s has an unresolved merge conflict in line %d: edit the file and remove the conflict markers", name, line)
	}
	var document yaml.Node
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	if err := decoder.Decode(&document); err != nil && !errors.Is(err, io.EOF) {
		if line := tabbed(text); line > 0 {
			return yaml.Node{}, fmt.Errorf("%s: line %d is indented with a tab: YAML is indented with spaces", name, line)
		}
		return yaml.Node{}, fmt.Errorf("%s: %w", name, err)
	}
	if err := decoder.Decode(&yaml.Node{}); !errors.Is(err, io.EOF) {
		return yaml.Node{}, fmt.Errorf("%s: must be one YAML document: Pulumi ignores what follows a line with ---", name)
	}
	if document.IsZero() || document.Content[0].Tag == "!!null" {
		empty := yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
		document = yaml.Node{Kind: yaml.DocumentNode, Content: []*yaml.Node{&empty}, HeadComment: document.HeadComment}
	}
	if document.Content[0].Kind != yaml.MappingNode {
		return yaml.Node{}, fmt.Errorf("%s: must be a mapping of keys to values", name)
	}
	lines := map[string]int{}
	for key := range pairs(&document) {
		if line := lines[key.Value]; line > 0 {
			return yaml.Node{}, fmt.Errorf("%s: line %d has %s, which line %d has already", name, key.Line, key.Value, line)
		}
		lines[key.Value] = key.Line
	}
	return document, nil
}

// tabbed returns the number of the first line that is indented with a tab, or 0.
func tabbed(text []byte) int {
	for i, line := range bytes.Split(text, []byte("\n")) {
		if bytes.HasPrefix(bytes.TrimLeft(line, " "), []byte("\t")) {
			return i + 1
		}
	}
	return 0
}

// conflictMarker returns the number of the first line that Git wrote into a file
// that it could not merge, or 0.
//
// Source: https://git-scm.com/docs/git-merge (HOW CONFLICTS ARE PRESENTED).
func conflictMarker(text []byte) int {
	for i, line := range bytes.Split(text, []byte("\n")) {
		if bytes.HasPrefix(line, []byte("<<<<<<< ")) || bytes.HasPrefix(line, []byte(">>>>>>> ")) {
			return i + 1
		}
	}
	return 0
}

// pairs iterates over the keys and values of a document's mapping.
func pairs(document *yaml.Node) func(yield func(key, value *yaml.Node) bool) {
	return func(yield func(key, value *yaml.Node) bool) {
		content := document.Content[0].Content
		for i := 0; i+1 < len(content); i += 2 {
			if !yield(content[i], content[i+1]) {
				return
			}
		}
	}
}

// withKey renders a document in which a top-level key has a value.
func withKey(document yaml.Node, key, value string) ([]byte, error) {
	mapping := *document.Content[0]
	mapping.Content = slices.Clone(mapping.Content)
	scalar := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: value}
	found := false
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		if mapping.Content[i].Value == key {
			mapping.Content[i+1], found = scalar, true
		}
	}
	if !found {
		mapping.Content = append(mapping.Content, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: key}, scalar)
	}
	document.Content = []*yaml.Node{&mapping}
	text, err := yaml.Marshal(&document)
	if err != nil {
		return nil, fmt.Errorf("write %s: %w", key, err)
	}
	return text, nil
}
