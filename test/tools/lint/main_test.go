package main

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func write(t *testing.T, root, path, content string) {
	t.Helper()
	full := filepath.Join(root, path)
	if err := os.MkdirAll(filepath.Dir(full), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(full, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func equal(t *testing.T, want, got []string) {
	t.Helper()
	if strings.Join(want, "\n") != strings.Join(got, "\n") {
		t.Errorf("want %q, got %q", want, got)
	}
}

func TestList(t *testing.T) {
	root := t.TempDir()
	for path, content := range map[string]string{
		"go.mod": "", "main.go": "", "infra/bench/go.mod": "", "infra/bench/main.go": "",
		"test/readers/etcd/go.mod": "", "test/readers/etcd/versions/v3.7.1.mod": "", "test/readers/etcd/main.go": "",
		"kubetracing": "#!/bin/sh\n", "LICENSE": "Apache", "empty": "", "scripts/library.sh": "a=1\n",
		".ci/run": "#!/usr/bin/env bash\n", ".kubetracing/tool": "#!/bin/sh\n", "testdata/bin/runc": "#!/bin/sh\n",
	} {
		write(t, root, path, content)
	}
	found, err := list(root)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, []string{".", "infra/bench"}, found.modules)
	equal(t, []string{"infra/bench/main.go", "main.go", "test/readers/etcd/main.go"}, found.sources)
	equal(t, []string{".ci/run", "kubetracing", "scripts/library.sh"}, found.scripts)
}

func TestLinter_Format(t *testing.T) {
	root := t.TempDir()
	write(t, root, "good.go", "package a\n\nvar b = 1\n")
	write(t, root, "bad.go", "package a\n\nvar  b = 1\n")
	write(t, root, "broken.go", "package\n")
	err := linter{root: root}.format([]string{"good.go", "bad.go", "broken.go"})
	if err == nil || !strings.HasPrefix(err.Error(), "bad.go: not formatted: run gofmt -w bad.go\nbroken.go: ") {
		t.Errorf("got %v", err)
	}
}

func TestLinter_Shell(t *testing.T) {
	root := t.TempDir()
	write(t, root, "good", "#!/bin/sh\necho a\n")
	write(t, root, "arrays", "#!/usr/bin/env bash\na=(b)\n")
	write(t, root, "broken.sh", "if true\n")
	shell, err := exec.LookPath("sh")
	if err != nil {
		t.Fatal(err)
	}
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Fatal(err)
	}
	// PATH has no shellcheck.
	path := t.TempDir()
	for name, target := range map[string]string{"sh": shell, "bash": bash} {
		if err := os.Symlink(target, filepath.Join(path, name)); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", path)
	var printed strings.Builder
	l := linter{root: root, out: &printed, scripts: []string{"good", "arrays"}}
	if err := l.shell(false); err != nil {
		t.Error(err)
	}
	if want := "lint: shellcheck is not on PATH: only the scripts' syntax was checked\n"; printed.String() != want {
		t.Errorf("want %q, got %q", want, printed.String())
	}
	l.out = io.Discard
	if err := l.shell(true); err == nil || err.Error() != "shellcheck is not on PATH, and CI must check the scripts: apt-get install shellcheck" {
		t.Errorf("got %v", err)
	}
	l.scripts = append(l.scripts, "broken.sh")
	if err := l.shell(false); err == nil || !strings.HasPrefix(err.Error(), "broken.sh: exit status 2: ") {
		t.Errorf("got %v", err)
	}
}

// Every program with sources that is built with upstream's modules is checked, with
// a release that it has.
func TestUpstreamBuilds(t *testing.T) {
	root, err := repository()
	if err != nil {
		t.Fatal(err)
	}
	checked := map[string]bool{}
	for _, build := range upstreamBuilds {
		checked[build.folder] = true
		if _, err := os.Stat(filepath.Join(root, build.folder, "versions", build.version+".mod")); err != nil {
			t.Error(err)
		}
	}
	found, err := list(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, source := range found.sources {
		if folder := filepath.Dir(source); isUpstream(filepath.Join(root, folder)) && !checked[folder] {
			t.Errorf("%s is not among the upstream builds", folder)
		}
	}
}
