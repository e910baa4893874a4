package main

import (
	"errors"
	"fmt"
	"go/format"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/Masterminds/semver/v3"

	"github.com/kubetracing/kubetracing/components/tracing"
)

// files are the texts of the project's files, with the edits made so far.
type files struct {
	root  string
	texts map[string]string
}

func newFiles(root string) files { return files{root, map[string]string{}} }

// text returns a file's text.
func (f files) text(path string) (string, error) {
	if text, read := f.texts[path]; read {
		return text, nil
	}
	text, err := os.ReadFile(filepath.Join(f.root, path))
	if err != nil {
		return "", fmt.Errorf("read a file with pins: %w", err)
	}
	return string(text), nil
}

// replace puts one text in the place of another, which must be there.
func (f files) replace(path, before, after string) error {
	text, err := f.text(path)
	if err != nil {
		return err
	}
	if !strings.Contains(text, before) {
		return fmt.Errorf("%s: does not contain %q", path, before)
	}
	f.texts[path] = strings.ReplaceAll(text, before, after)
	return nil
}

// replaceSums puts the checksums of a release in the place of the pin's.
func (f files) replaceSums(path string, p pin, r release) error {
	for _, platform := range platforms(p.sums) {
		if p.sums[platform] == r.sums[platform] {
			continue
		}
		if err := f.replace(path, p.sums[platform], r.sums[platform]); err != nil {
			return err
		}
	}
	return nil
}

// write writes the edited files, those in Go formatted.
func (f files) write() error {
	for path, text := range f.texts {
		if strings.HasSuffix(path, ".go") {
			formatted, err := format.Source([]byte(text))
			if err != nil {
				return fmt.Errorf("format %s: %w", path, err)
			}
			text = string(formatted)
		}
		if err := os.WriteFile(filepath.Join(f.root, path), []byte(text), 0o644); err != nil { //nolint:gosec // sources are for everyone to read
			return fmt.Errorf("write pins: %w", err)
		}
	}
	return nil
}

// attempt makes an edit wholly or not at all.
func (f files) attempt(edit func(files) error) error {
	trial := files{f.root, map[string]string{}}
	for path, text := range f.texts {
		trial.texts[path] = text
	}
	if err := edit(trial); err != nil {
		return err
	}
	for path, text := range trial.texts {
		f.texts[path] = text
	}
	return nil
}

func editContainerd(f files, p pin, r release) error {
	if err := f.replace(containerdFile, fmt.Sprintf("{Version: %q", p.version), fmt.Sprintf("{Version: %q", r.version)); err != nil {
		return err
	}
	return f.replaceSums(containerdFile, p, r)
}

// editTool edits a tool whose version is a constant of a file.
func editTool(file, constant string) func(files, pin, release) error {
	return func(f files, p pin, r release) error {
		text, err := f.text(file)
		if err != nil {
			return err
		}
		form := regexp.MustCompile(`(\b` + constant + `\s*= )"` + regexp.QuoteMeta(p.version) + `"`)
		if !form.MatchString(text) {
			return fmt.Errorf("%s: %s is not %q", file, constant, p.version)
		}
		f.texts[file] = form.ReplaceAllString(text, `${1}"`+r.version+`"`)
		return f.replaceSums(toolsFile, p, r)
	}
}

// editImage edits an image, which some places name in one piece and others in two.
func editImage(repository string) func(files, pin, release) error {
	return func(f files, p pin, r release) error {
		oldTag, newTag := repository+":"+p.version, repository+":"+r.version
		oldDigest, newDigest := p.sums[imageKey], r.sums[imageKey]
		if oldDigest == "" {
			return f.replace(defaultsFile, `"`+oldTag+`"`, `"`+newTag+`" +`+"\n\t\t"+`"@`+newDigest+`"`)
		}
		if err := errors.Join(
			f.replace(defaultsFile, `"`+oldTag+`"`, `"`+newTag+`"`), f.replace(defaultsFile, oldDigest, newDigest),
		); err != nil {
			return err
		}
		text, err := f.text(projectFile)
		if err != nil {
			return err
		}
		f.texts[projectFile] = strings.ReplaceAll(text, oldTag+"@"+oldDigest, newTag+"@"+newDigest)
		return nil
	}
}

// editK3s edits a row of the version table: the release, its digest and, where they
// have changed, what it embeds.
func editK3s(f files, p pin, r release) error {
	text, err := f.text(versionsFile)
	if err != nil {
		return err
	}
	version, err := semver.NewVersion(r.version)
	if err != nil {
		return fmt.Errorf("k3s %q: %w", r.version, err)
	}
	start := strings.Index(text, fmt.Sprintf("\n\t%d: {\n", version.Minor()))
	if start < 0 {
		return fmt.Errorf("%s: has no row for 1.%d", versionsFile, version.Minor())
	}
	end := start + strings.Index(text[start:], "\n\t},")
	row := text[start:end]
	digest := `digest: "` + r.sums[imageKey] + `",`
	row, err = substitute(row, `(newest:\s*)"v`+regexp.QuoteMeta(p.version)+`",`, `${1}"v`+r.version+`",`)
	if err != nil {
		return fmt.Errorf("%s: %w", versionsFile, err)
	}
	if p.sums[imageKey] == "" {
		row, err = substitute(row, `(newest:[^\n]*\n)`, "${1}\t\t"+digest+"\n")
	} else {
		row, err = substitute(row, `digest:[^\n]*`, digest)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", versionsFile, err)
	}
	if r.version != p.version {
		if row, err = embed(row, version, r); err != nil {
			return fmt.Errorf("%s: %w", versionsFile, err)
		}
	}
	f.texts[versionsFile] = text[:start] + row + text[end:]
	return nil
}

// embed adds to a row what a release embeds, where its rules say otherwise so far.
func embed(row string, version *semver.Version, r release) (string, error) {
	resolved, err := tracing.ResolveRelease("v" + r.version)
	if err != nil {
		return "", err //nolint:wrapcheck // it names the version
	}
	if r.etcd != resolved.Rules.Etcd {
		if version.Metadata() != "k3s1" {
			return "", fmt.Errorf("etcd %s in another build of %s: add it to rebuiltEtcd", r.etcd, version)
		}
		if row, err = substitute(row, `(etcd:\s*\[\]sincePatch\{.*)\},\n`, fmt.Sprintf("${1}, {%d, %q}},\n", version.Patch(), r.etcd)); err != nil {
			return "", err
		}
	}
	if r.containerd != resolved.Rules.Containerd {
		if _, has := tracing.ContainerdReleases()[r.containerd]; !has {
			return "", fmt.Errorf("it embeds containerd %s, which has no release in %s yet", r.containerd, containerdFile)
		}
		row, err = substitute(row, `(containerd:\s*\[\]sincePatch\{.*)\},(\n|$)`, fmt.Sprintf("${1}, {%d, %q}},${2}", version.Patch(), r.containerd))
	}
	return row, err
}

// substitute replaces the one match of a form.
func substitute(text, form, by string) (string, error) {
	compiled := regexp.MustCompile(form)
	if n := len(compiled.FindAllStringIndex(text, -1)); n != 1 {
		return "", fmt.Errorf("%d places look like %s", n, form)
	}
	return compiled.ReplaceAllString(text, by), nil
}
