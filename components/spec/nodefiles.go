package spec

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// NodeFiles describes the files that all nodes of a cluster mount. The command
// nodes write reads it, as text: see MarshalText.
type NodeFiles struct {
	// Volume is the Docker volume that holds the files and nothing else.
	Volume string
	// Image is an image with tar.
	Image string
	// Files maps base names to contents.
	Files map[string]string
}

// MarshalText renders the volume and the image in a line each, and then every line of
// every file behind the file's name, as grep does for several files. So every file must
// end with a newline. Pulumi shows a changed JSON or YAML document whole, with all the
// files that stay the same; of other text it shows the changed lines and a few around
// them.
//
// Source: pulumi pkg/backend/display/object_diff.go (printTextDiff, printLineDiff).
func (f NodeFiles) MarshalText() ([]byte, error) {
	var text bytes.Buffer
	fmt.Fprintf(&text, "volume %s\nimage %s\n", f.Volume, f.Image)
	for _, name := range slices.Sorted(maps.Keys(f.Files)) {
		if name == "" || strings.ContainsAny(name, ":\n") {
			return nil, fmt.Errorf("%q is not the base name of a file", name)
		}
		if !strings.HasSuffix(f.Files[name], "\n") {
			return nil, fmt.Errorf("file %s does not end with a newline", name)
		}
		for line := range strings.Lines(f.Files[name]) {
			fmt.Fprintf(&text, "%s:%s", name, line)
		}
	}
	return text.Bytes(), nil
}

// UnmarshalText reads what MarshalText renders.
func (f *NodeFiles) UnmarshalText(text []byte) error {
	lines := slices.Collect(strings.Lines(string(text)))
	if len(lines) < 2 {
		return errors.New("the lines with the volume and the image are missing")
	}
	read := NodeFiles{Files: map[string]string{}}
	for i, header := range []struct {
		key   string
		value *string
	}{{"volume ", &read.Volume}, {"image ", &read.Image}} {
		value, found := strings.CutPrefix(strings.TrimSuffix(lines[i], "\n"), header.key)
		if !found {
			return fmt.Errorf("line %d is %q, not %sand a name", i+1, lines[i], header.key)
		}
		*header.value = value
	}
	for i, line := range lines[2:] {
		name, content, found := strings.Cut(line, ":")
		if !found || !strings.HasSuffix(content, "\n") {
			return fmt.Errorf("line %d is %q, not a whole line of a file", i+3, line)
		}
		read.Files[name] += content
	}
	*f = read
	return nil
}
