package docker

import (
	"archive/tar"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Container is a container as docker inspect describes it.
type Container struct {
	ID, Name, Image string
	Labels          map[string]string
	State           State
	// Restarts counts how often Docker has restarted it.
	Restarts int
	// Networks maps the names of its networks to its addresses there.
	Networks map[string]string
	// Ports are those that it publishes on the host.
	Ports []Port
	// Volumes are the names of the volumes that it mounts.
	Volumes []string
}

// State is the state of a container.
type State struct {
	// Status is one of created, restarting, running, removing, paused, exited and dead.
	Status string
	// OOMKilled reports whether it was killed for using more memory than it may.
	OOMKilled bool
	ExitCode  int
	// Error is why Docker could not start it.
	Error string
	// StartedAt is when it last started; zero if never.
	StartedAt time.Time
	// Health is starting, healthy or unhealthy; empty without a health check.
	Health string
	// HealthLog holds the last checks, oldest first.
	HealthLog []HealthCheck
}

// HealthCheck is one run of a container's health check.
type HealthCheck struct {
	ExitCode int
	Output   string
}

// Port is a published port.
type Port struct {
	HostIP    string
	Host      int
	Container int
	// Protocol is tcp, udp or sctp.
	Protocol string
}

// Running reports whether the container's process runs.
func (s State) Running() bool { return s.Status == "running" }

// Started reports whether the container has a process, or is about to have one again:
// it holds its ports.
func (s State) Started() bool {
	return s.Running() || s.Status == "paused" || s.Status == "restarting"
}

// String describes the state in words.
func (s State) String() string {
	text := s.Status
	if s.Status != "running" && s.Status != "created" {
		text += fmt.Sprintf(", exit code %d", s.ExitCode)
	}
	if s.Health != "" {
		text += ", " + s.Health
	}
	if s.Error != "" {
		text += ": " + s.Error
	}
	return text
}

// Labels that k3d puts on the containers of a cluster.
//
// Source: github.com/k3d-io/k3d/v5@v5.9.0/pkg/types/labels.go and pkg/types/types.go.
const (
	clusterLabel = "k3d.cluster"
	roleLabel    = "k3d.role"

	roleServer       = "server"
	roleAgent        = "agent"
	roleLoadBalancer = "loadbalancer"
)

// Cluster returns the name of the k3d cluster that the container belongs to; empty if
// none.
func (c Container) Cluster() string { return c.Labels[clusterLabel] }

// Server reports whether the container is a k3d node with a control plane.
func (c Container) Server() bool { return c.Labels[roleLabel] == roleServer }

// Node reports whether the container is a k3d node that runs Kubernetes.
func (c Container) Node() bool { return c.Server() || c.Labels[roleLabel] == roleAgent }

// LoadBalancer reports whether the container is the load balancer of a k3d cluster.
func (c Container) LoadBalancer() bool { return c.Labels[roleLabel] == roleLoadBalancer }

// inspected is the part of docker container inspect that is read.
//
// Source: github.com/docker/docker api/types/container (InspectResponse).
type inspected struct {
	ID              string          `json:"Id"`
	Name            string          `json:"Name"`
	RestartCount    int             `json:"RestartCount"`
	State           inspectedState  `json:"State"`
	Config          inspectedConfig `json:"Config"`
	HostConfig      hostConfig      `json:"HostConfig"`
	NetworkSettings networkSettings `json:"NetworkSettings"`
	Mounts          []mount         `json:"Mounts"`
}

type inspectedState struct {
	Status    string           `json:"Status"`
	OOMKilled bool             `json:"OOMKilled"`
	ExitCode  int              `json:"ExitCode"`
	Error     string           `json:"Error"`
	StartedAt time.Time        `json:"StartedAt"`
	Health    *inspectedHealth `json:"Health,omitempty"`
}

type inspectedHealth struct {
	Status string        `json:"Status"`
	Log    []HealthCheck `json:"Log"`
}

type inspectedConfig struct {
	Image  string            `json:"Image"`
	Labels map[string]string `json:"Labels"`
	User   string            `json:"User"`
}

type hostConfig struct {
	PortBindings map[string][]binding `json:"PortBindings"`
}

type networkSettings struct {
	Ports    map[string][]binding  `json:"Ports"`
	Networks map[string]attachment `json:"Networks"`
}

type attachment struct {
	IPAddress string `json:"IPAddress"`
}

type binding struct {
	HostIP   string `json:"HostIp"`
	HostPort string `json:"HostPort"`
}

type mount struct {
	Type string `json:"Type"`
	Name string `json:"Name"`
}

func (i inspected) container() Container {
	c := Container{
		ID: i.ID, Name: strings.TrimPrefix(i.Name, "/"), Image: i.Config.Image, Labels: i.Config.Labels,
		Restarts: i.RestartCount,
		State: State{
			Status: i.State.Status, OOMKilled: i.State.OOMKilled, ExitCode: i.State.ExitCode, Error: i.State.Error,
			StartedAt: i.State.StartedAt,
		},
	}
	if health := i.State.Health; health != nil && health.Status != "none" {
		c.State.Health, c.State.HealthLog = health.Status, health.Log
	}
	for name, network := range i.NetworkSettings.Networks {
		if c.Networks == nil {
			c.Networks = map[string]string{}
		}
		c.Networks[name] = network.IPAddress
	}
	for _, mount := range i.Mounts {
		if mount.Type == "volume" {
			c.Volumes = append(c.Volumes, mount.Name)
		}
	}
	c.Ports = ports(i.HostConfig.PortBindings, i.NetworkSettings.Ports)
	return c
}

// ports returns the published ports of several maps, sorted. What was asked for is
// known of a stopped container, too; which port was chosen only of one that runs.
func ports(published ...map[string][]binding) []Port {
	var all []Port
	for _, bindingsOf := range published {
		for key, bindings := range bindingsOf {
			number, protocol, _ := strings.Cut(key, "/")
			inside, err := strconv.Atoi(number)
			if err != nil {
				continue
			}
			for _, b := range bindings {
				// Empty, 0 or a range where Docker is to choose.
				if host, err := strconv.Atoi(b.HostPort); err == nil && host > 0 {
					all = append(all, Port{b.HostIP, host, inside, protocol})
				}
			}
		}
	}
	slices.SortFunc(all, func(a, b Port) int {
		return strings.Compare(fmt.Sprintf("%05d %05d %v", a.Host, a.Container, a), fmt.Sprintf("%05d %05d %v", b.Host, b.Container, b))
	})
	return slices.Compact(all)
}

// Filter selects objects by a label.
type Filter struct {
	// Label is the name of the label and Value its value; an empty value stands for any.
	Label, Value string
}

// OfCluster selects the containers of a k3d cluster.
func OfCluster(name string) Filter { return Filter{clusterLabel, name} }

// arguments returns the filters as docker takes them.
func arguments(filters []Filter) []string {
	var args []string
	for _, f := range filters {
		text := "label=" + f.Label
		if f.Value != "" {
			text += "=" + f.Value
		}
		args = append(args, "--filter", text)
	}
	return args
}

// Containers lists the containers that all filters select, running or not.
func (c *Client) Containers(ctx context.Context, filters ...Filter) ([]Container, error) {
	list := append([]string{"ps", "--all", "--quiet", "--no-trunc"}, arguments(filters)...)
	found, err := listAndInspect[inspected](ctx, c, list, "container", "inspect")
	if err != nil {
		return nil, wrap(err, "list containers")
	}
	return containers(found), nil
}

// Inspect describes containers, in the order of their names or ids. One that does not
// exist is an error that is [ErrNotFound].
func (c *Client) Inspect(ctx context.Context, names ...string) ([]Container, error) {
	found, err := inspect[inspected](ctx, c, names, "container", "inspect")
	if err != nil {
		return nil, wrap(err, "inspect container")
	}
	return containers(found), nil
}

// InspectExisting describes those of the containers that exist.
func (c *Client) InspectExisting(ctx context.Context, names ...string) ([]Container, error) {
	found, err := inspect[inspected](ctx, c, names, "container", "inspect")
	if err != nil && !errors.Is(err, ErrNotFound) {
		return nil, wrap(err, "inspect containers")
	}
	return containers(found), nil
}

// InspectOne describes one container.
func (c *Client) InspectOne(ctx context.Context, name string) (Container, error) {
	found, err := c.Inspect(ctx, name)
	if err != nil {
		return Container{}, err
	}
	if len(found) != 1 {
		return Container{}, fmt.Errorf("inspect container %s: docker described %d containers", name, len(found))
	}
	return found[0], nil
}

func containers(found []inspected) []Container {
	all := make([]Container, len(found))
	for i, f := range found {
		all[i] = f.container()
	}
	return all
}

// listAndInspect runs a command that lists ids, and describes what it lists. What is
// removed meanwhile is left out.
func listAndInspect[T any](ctx context.Context, c *Client, list []string, command ...string) ([]T, error) {
	result, err := c.query(ctx, list...)
	if err != nil {
		return nil, err
	}
	ids := lines(result.Stdout)
	if len(ids) == 0 {
		return nil, nil
	}
	found, err := inspect[T](ctx, c, unique(ids), command...)
	if errors.Is(err, ErrNotFound) {
		err = nil
	}
	return found, err
}

// unique removes repetitions: an image with several names is listed several times.
func unique(ids []string) []string {
	seen := map[string]bool{}
	return slices.DeleteFunc(ids, func(id string) bool {
		repeated := seen[id]
		seen[id] = true
		return repeated
	})
}

// inspect runs a command that describes objects. With an error that is ErrNotFound it
// returns those that exist.
func inspect[T any](ctx context.Context, c *Client, names []string, command ...string) ([]T, error) {
	if len(names) == 0 {
		return nil, nil
	}
	result, err := c.query(ctx, slices.Concat(command, names)...)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return nil, err
	}
	var found []T
	if decodeErr := json.Unmarshal([]byte(result.Stdout), &found); decodeErr != nil {
		if err != nil {
			return nil, err
		}
		return nil, fmt.Errorf("docker %s: read JSON: %w", strings.Join(command, " "), decodeErr)
	}
	return found, err
}

// LogOptions select lines of a log.
type LogOptions struct {
	// Tail bounds the number of lines, counted from the end; 0 stands for all.
	Tail int
	// Since is the earliest time; zero stands for the beginning.
	Since time.Time
}

// Logs returns what a container wrote to both of its outputs.
func (c *Client) Logs(ctx context.Context, container string, options LogOptions) (string, error) {
	args := []string{"logs"}
	if options.Tail > 0 {
		args = append(args, "--tail", strconv.Itoa(options.Tail))
	}
	if !options.Since.IsZero() {
		args = append(args, "--since", options.Since.Format(time.RFC3339Nano))
	}
	result, err := c.run(ctx, Command{Program: "docker", Args: append(args, container), Merge: true, Limit: changeLimit})
	if err != nil {
		return "", wrap(err, "read the log of container %s", container)
	}
	return result.Stdout, nil
}

// Exec runs a command in a container and returns what it writes to standard output.
func (c *Client) Exec(ctx context.Context, container string, argv ...string) (string, error) {
	result, err := c.docker(ctx, execLimit, append([]string{"exec", container}, argv...)...)
	return result.Stdout, err
}

// ExecInput is [Client.Exec] with a standard input.
func (c *Client) ExecInput(ctx context.Context, container, stdin string, argv ...string) (string, error) {
	result, err := c.run(ctx, Command{
		Program: "docker", Args: append([]string{"exec", "--interactive", container}, argv...), Stdin: stdin, Limit: execLimit,
	})
	return result.Stdout, err
}

// Throwaway is a container that is removed when it ends. It has no network.
type Throwaway struct {
	Image string
	// Volumes maps the names of volumes to the paths where they are mounted.
	Volumes map[string]string
	// Stdin is its standard input.
	Stdin string
	// Command is what it runs instead of the image's entrypoint.
	Command []string
}

// Run runs a throw-away container and returns what it writes to standard output.
func (c *Client) Run(ctx context.Context, t Throwaway) (string, error) {
	args := []string{"run", "--rm", "--interactive", "--network", "none"}
	for _, name := range slices.Sorted(maps.Keys(t.Volumes)) {
		args = append(args, "--volume", name+":"+t.Volumes[name])
	}
	args = append(args, "--entrypoint", t.Command[0], t.Image)
	result, err := c.run(ctx, Command{Program: "docker", Args: append(args, t.Command[1:]...), Stdin: t.Stdin, Limit: runLimit})
	return result.Stdout, err
}

// Start starts containers.
func (c *Client) Start(ctx context.Context, containers ...string) error {
	_, err := c.docker(ctx, changeLimit, append([]string{"start"}, containers...)...)
	return err
}

// Kill sends SIGKILL to the process of a container.
func (c *Client) Kill(ctx context.Context, container string) error {
	_, err := c.docker(ctx, changeLimit, "kill", "--signal", "KILL", container)
	return err
}

// Unpause resumes paused containers.
func (c *Client) Unpause(ctx context.Context, containers ...string) error {
	_, err := c.docker(ctx, changeLimit, append([]string{"unpause"}, containers...)...)
	return err
}

// RemoveContainers removes containers, running or not, with their anonymous volumes.
func (c *Client) RemoveContainers(ctx context.Context, containers ...string) error {
	_, err := c.docker(ctx, changeLimit, append([]string{"rm", "--force", "--volumes"}, containers...)...)
	return err
}

// maxCopy bounds what CopyFrom reads of a file.
const maxCopy = 256 << 20

// CopyFrom returns the content of a file of a container, running or not.
func (c *Client) CopyFrom(ctx context.Context, container, path string) (string, error) {
	result, err := c.docker(ctx, changeLimit, "cp", "--follow-link", container+":"+path, "-")
	if err != nil {
		return "", err
	}
	archive := tar.NewReader(strings.NewReader(result.Stdout))
	for {
		header, err := archive.Next()
		if err != nil {
			return "", fmt.Errorf("copy %s from container %s: %w", path, container, err)
		}
		if header.Typeflag == tar.TypeReg {
			content, err := io.ReadAll(io.LimitReader(archive, maxCopy))
			if err != nil {
				return "", fmt.Errorf("copy %s from container %s: %w", path, container, err)
			}
			return string(content), nil
		}
	}
}
