package spec_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubetracing/kubetracing/components/spec"
)

func TestNodeFiles_MarshalText(t *testing.T) {
	text, err := spec.Encode(spec.NodeFiles{
		Volume: "traced-tracing", Image: "busybox:1.37.0",
		Files: map[string]string{"kubelet.yaml": "tracing:\n  samplingRatePerMillion: 10\n", "newline": "\n", "a.env": "A=b:c\n"},
	})
	require.NoError(t, err)
	assert.Equal(t, `volume traced-tracing
image busybox:1.37.0
a.env:A=b:c
kubelet.yaml:tracing:
kubelet.yaml:  samplingRatePerMillion: 10
newline:
`, text)
}

func TestNodeFiles_UnmarshalText(t *testing.T) {
	contents := map[string]string{
		"one line": "a\n", "two lines": "a\nb\n", "a newline": "\n", "newlines": "\n\n", "colons": "a: b:\n:c\n",
		"blanks": "  a \t\n \n", "carriage returns": "a\r\nb\r\n", "the lines of a file": "x.yaml:y\n",
	}
	for name, content := range contents {
		t.Run(name, func(t *testing.T) {
			want := spec.NodeFiles{
				Volume: "traced-tracing", Image: "registry.test:5000/busybox:1.37.0",
				Files: map[string]string{"a.yaml": content, "b.yaml": "b\n"},
			}
			text, err := spec.Encode(want)
			require.NoError(t, err)
			var got spec.NodeFiles
			require.NoError(t, spec.Decode([]byte(text), &got))
			assert.Equal(t, want, got)
		})
	}
}

func TestNodeFiles_Errors(t *testing.T) {
	for name, content := range map[string]string{"": "text\n", "a:b": "text\n", "a\nb": "text\n"} {
		_, err := spec.Encode(spec.NodeFiles{Files: map[string]string{name: content}})
		require.ErrorContains(t, err, "is not the base name of a file", "file %q", name)
	}
	for _, content := range []string{"", "text", "a\nb"} {
		_, err := spec.Encode(spec.NodeFiles{Files: map[string]string{"a.yaml": content}})
		require.ErrorContains(t, err, "file a.yaml does not end with a newline", "content %q", content)
	}
	for text, want := range map[string]string{
		"":                                      "the lines with the volume and the image are missing",
		"volume traced\n":                       "the lines with the volume and the image are missing",
		"{\n}\n":                                `line 1 is "{\n", not volume and a name`,
		"volume traced\nbusybox\n":              `line 2 is "busybox\n", not image and a name`,
		"volume traced\nimage busybox\na b\n":   `line 3 is "a b\n", not a whole line of a file`,
		"volume traced\nimage busybox\na:b":     `line 3 is "a:b", not a whole line of a file`,
		"volume traced\nimage busybox\n\na:b\n": `line 3 is "\n", not a whole line of a file`,
	} {
		var files spec.NodeFiles
		require.ErrorContains(t, spec.Decode([]byte(text), &files), want, "text %q", text)
		assert.Empty(t, files)
	}
}
