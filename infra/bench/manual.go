package main

import (
	_ "embed"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
)

// manual is the way of the published recipe
// (https://opentelemetry.io/blog/2023/k8s-runtime-observability/) in its present
// syntax, with its files, its load balancer and its debug log.
type manual struct {
	folder                 string
	jaeger, collector, k3s string
	etcd                   bool
}

//go:embed manual/up.sh
var manualUp string

//go:embed manual/down.sh
var manualDown string

// up leaves nothing behind if it fails.
func (m manual) up() error {
	err := m.script(manualUp)
	if err != nil {
		err = errors.Join(err, m.down())
	}
	return err
}

func (m manual) down() error { return m.script(manualDown) }

func (m manual) script(text string) error {
	if err := os.MkdirAll(filepath.Join(m.folder, "config"), 0o755); err != nil {
		return err
	}
	command := exec.Command("/bin/sh", "-c", text)
	command.Dir = m.folder
	command.Env = append(os.Environ(), "JAEGER="+m.jaeger, "COLLECTOR="+m.collector, "K3S="+m.k3s)
	if m.etcd {
		command.Env = append(command.Env, "ETCD=yes")
	}
	return quietly(command)
}
