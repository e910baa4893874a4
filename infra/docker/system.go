package docker

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// System describes the Docker daemon and its host.
type System struct {
	// Version is the daemon's.
	Version string
	// Architecture is the host's in Go's terms, as amd64.
	Architecture string
	// CgroupVersion is "1" or "2".
	CgroupVersion string
	// Rootless reports whether the daemon runs without root's rights.
	Rootless bool
	// Storage is the storage driver, as overlay2.
	Storage string
	// ContainerdStore reports whether containerd keeps the images.
	ContainerdStore bool
	// Time is the daemon's clock, when this process's was between Asked and Answered.
	Time, Asked, Answered time.Time
}

// Offset returns an estimate of how much the daemon's clock is ahead of this process's,
// negative if it is behind, and by how much the estimate may be wrong. It is 0 if the
// time that the answer took can explain the difference.
func (s System) Offset() (offset, uncertainty time.Duration) {
	took := s.Answered.Sub(s.Asked)
	if s.Ahead() == 0 {
		return 0, took
	}
	return s.Time.Sub(s.Asked.Add(took / 2)), took / 2
}

// Ahead returns by how much the daemon's clock is certainly ahead of this process's;
// negative if it is behind, and 0 if the time that the answer took can explain the
// difference.
func (s System) Ahead() time.Duration {
	if ahead := s.Time.Sub(s.Answered); ahead > 0 {
		return ahead
	}
	if behind := s.Time.Sub(s.Asked); behind < 0 {
		return behind
	}
	return 0
}

// version is the part of docker version that is read, and what Podman prints instead.
//
// Sources: github.com/docker/cli cli/command/system/version.go (versionInfo);
// github.com/containers/podman libpod/define/version.go (Version, of which only
// Podman's has OsArch) and pkg/api/handlers/compat/version.go ("Podman Engine").
type version struct {
	// Before release 2, Podman describes only itself.
	Version string `json:"Version"`
	OsArch  string `json:"OsArch"`
	Client  struct {
		Version string `json:"Version"`
		OsArch  string `json:"OsArch"`
	} `json:"Client"`
	Server *struct {
		Version    string `json:"Version"`
		Arch       string `json:"Arch"`
		Components []struct {
			Name    string `json:"Name"`
			Version string `json:"Version"`
		} `json:"Components"`
	} `json:"Server"`
}

// Architecture returns the architecture of the daemon's host in Go's terms. It is an
// error that is [ErrNotDocker] if docker, or the daemon behind it, is Podman.
func (c *Client) Architecture(ctx context.Context) (string, error) {
	v, err := c.version(ctx)
	if err != nil {
		return "", err
	}
	return v.Server.Arch, nil
}

func (c *Client) version(ctx context.Context) (version, error) {
	result, err := c.query(ctx, "version", "--format", "{{json .}}")
	if err != nil {
		return version{}, err
	}
	var v version
	if err := json.Unmarshal([]byte(result.Stdout), &v); err != nil {
		return version{}, fmt.Errorf("docker version: read JSON: %w", err)
	}
	if v.OsArch != "" || v.Client.OsArch != "" || podmanWords.MatchString(result.Stderr) {
		return version{}, failure{ErrNotDocker, podmanMessage + " Its version is " + cmp.Or(v.Client.Version, v.Version) + ".", nil}
	}
	if v.Server == nil {
		return version{}, failure{ErrUnavailable, "the Docker daemon does not answer: docker version describes no server", nil}
	}
	for _, component := range v.Server.Components {
		if component.Name == "Podman Engine" {
			return version{}, failure{ErrNotDocker, "the daemon that docker connects to is Podman " + component.Version +
				", which is not supported: choose a Docker daemon with `docker context use` or DOCKER_HOST", nil}
		}
	}
	if v.Server.Version == "" {
		return version{}, failure{ErrNotDocker, "the docker command on PATH does not connect to a Docker daemon, but to something else (" + v.parts() +
			"), which is not supported: install Docker Engine or Docker Desktop, or put its docker command first on PATH", nil}
	}
	return v, nil
}

// parts describes what a server without a version consists of, as nerdctl's does.
//
// Source: github.com/containerd/nerdctl pkg/inspecttypes/dockercompat/info.go
// (ServerVersion).
func (v version) parts() string {
	var parts []string
	for _, component := range v.Server.Components {
		parts = append(parts, strings.TrimSpace(component.Name+" "+component.Version))
	}
	if len(parts) == 0 {
		return "its version is not known"
	}
	return strings.Join(parts, ", ")
}

// System describes the daemon.
func (c *Client) System(ctx context.Context) (System, error) {
	v, err := c.version(ctx)
	if err != nil {
		return System{}, err
	}
	asked := time.Now()
	result, err := c.query(ctx, "info", "--format", "{{json .}}")
	if err != nil {
		return System{}, err
	}
	answered := time.Now()
	// Source: github.com/docker/docker api/types/system (Info).
	var info struct {
		CgroupVersion   string     `json:"CgroupVersion"`
		Driver          string     `json:"Driver"`
		DriverStatus    [][]string `json:"DriverStatus"`
		SystemTime      time.Time  `json:"SystemTime"`
		SecurityOptions []string   `json:"SecurityOptions"`
		ServerErrors    []string   `json:"ServerErrors"`
	}
	if err := json.Unmarshal([]byte(result.Stdout), &info); err != nil {
		return System{}, fmt.Errorf("docker info: read JSON: %w", err)
	}
	if len(info.ServerErrors) > 0 {
		return System{}, failure{ErrUnavailable, "the Docker daemon does not answer: " + strings.Join(info.ServerErrors, "; "), nil}
	}
	system := System{
		Version: v.Server.Version, Architecture: v.Server.Arch, CgroupVersion: info.CgroupVersion, Storage: info.Driver,
		Time: info.SystemTime, Asked: asked, Answered: answered,
	}
	// Source: github.com/docker/docker daemon/containerd/service.go (LayerStoreStatus).
	for _, status := range info.DriverStatus {
		system.ContainerdStore = system.ContainerdStore || slices.Equal(status, []string{"driver-type", "io.containerd.snapshotter.v1"})
	}
	for _, option := range info.SecurityOptions {
		system.Rootless = system.Rootless || strings.HasPrefix(option, "name=rootless")
	}
	return system, nil
}
