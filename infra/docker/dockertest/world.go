package dockertest

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/kubetracing/kubetracing/infra/docker"
)

// World is a Docker daemon's content, which a runner lists and inspects as docker
// does. Its methods are safe for concurrent use.
type World struct {
	mu         sync.Mutex
	containers []docker.Container
	networks   []docker.Network
	volumes    []docker.Volume
	images     []docker.Image
}

// NewWorld prepares a runner to list and inspect a world, which is empty at first.
func NewWorld(r *Runner) *World {
	w := &World{}
	list(r, w, "ps --all --quiet --no-trunc", "container inspect", "No such container", func() []object {
		return describe(w.containers, containerObject)
	})
	list(r, w, "network ls --quiet --no-trunc", "network inspect", "No such network", func() []object {
		return describe(w.networks, networkObject)
	})
	list(r, w, "volume ls --quiet", "volume inspect", "no such volume", func() []object {
		return describe(w.volumes, func(v docker.Volume) object {
			return object{[]string{v.Name}, v.Labels, map[string]any{"Name": v.Name, "Labels": v.Labels}}
		})
	})
	list(r, w, "image ls --quiet --no-trunc", "image inspect", "No such image", func() []object {
		return describe(w.images, imageObject)
	})
	return w
}

// Set replaces the containers.
func (w *World) Set(containers ...docker.Container) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.containers = slices.Clone(containers)
}

// Add adds containers.
func (w *World) Add(containers ...docker.Container) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.containers = append(w.containers, containers...)
}

// Remove removes the containers that match.
func (w *World) Remove(matches func(docker.Container) bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.containers = slices.DeleteFunc(w.containers, matches)
}

// Change changes the container of a name.
func (w *World) Change(name string, change func(*docker.Container)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range w.containers {
		if w.containers[i].Name == name {
			change(&w.containers[i])
		}
	}
}

// Containers returns the containers.
func (w *World) Containers() []docker.Container {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.containers)
}

// SetNetworks replaces the networks.
func (w *World) SetNetworks(networks ...docker.Network) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.networks = networks
}

// SetVolumes replaces the volumes.
func (w *World) SetVolumes(volumes ...docker.Volume) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.volumes = volumes
}

// SetImages replaces the images.
func (w *World) SetImages(images ...docker.Image) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.images = images
}

// object is what docker knows of an object.
type object struct {
	// names find it; the first one is listed.
	names     []string
	labels    map[string]string
	inspected map[string]any
}

func describe[T any](all []T, describe func(T) object) []object {
	objects := make([]object, len(all))
	for i, one := range all {
		objects[i] = describe(one)
	}
	return objects
}

// list prepares the commands that list and inspect one kind of object.
func list(r *Runner, w *World, ls, inspect, missing string, objects func() []object) {
	all := func() []object {
		w.mu.Lock()
		defer w.mu.Unlock()
		return objects()
	}
	ls = "docker " + ls
	r.OnFunc(Command(ls+" "+Rest), func(_ context.Context, call Call) Answer {
		var ids strings.Builder
		for _, o := range all() {
			selected, err := filter(call.Argv[len(Command(ls)):], o.labels)
			if err != nil {
				return Fail(err.Error())
			}
			if selected {
				fmt.Fprintln(&ids, o.names[0])
			}
		}
		return Print(ids.String())
	})
	r.OnFunc(Command("docker "+inspect+" "+Rest), func(_ context.Context, call Call) Answer {
		found, answer := []map[string]any{}, Answer{}
		for _, name := range call.Argv[3:] {
			known := slices.IndexFunc(all(), func(o object) bool { return slices.Contains(o.names, name) })
			if known < 0 {
				answer.Code = 1
				answer.Stderr += fmt.Sprintf("Error response from daemon: %s: %s\n", missing, name)
				continue
			}
			found = append(found, all()[known].inspected)
		}
		text, err := json.Marshal(found)
		if err != nil {
			return Fail(err.Error())
		}
		answer.Stdout = string(text)
		return answer
	})
}

// filter applies the arguments "--filter label=NAME[=VALUE]".
func filter(args []string, labels map[string]string) (bool, error) {
	for i := 0; i < len(args); i += 2 {
		label, isLabel := "", false
		if args[i] == "--filter" && i+1 < len(args) {
			label, isLabel = strings.CutPrefix(args[i+1], "label=")
		}
		if !isLabel {
			return false, fmt.Errorf("dockertest: cannot filter by %q", args)
		}
		name, want, hasValue := strings.Cut(label, "=")
		if got, has := labels[name]; !has || hasValue && got != want {
			return false, nil
		}
	}
	return true, nil
}

func containerObject(c docker.Container) object {
	id := c.ID
	if id == "" {
		id = "id-of-" + c.Name
	}
	state := map[string]any{
		"Status": c.State.Status, "Running": c.State.Status == "running", "OOMKilled": c.State.OOMKilled,
		"ExitCode": c.State.ExitCode, "Error": c.State.Error, "StartedAt": c.State.StartedAt.Format(time.RFC3339Nano),
	}
	if c.State.Health != "" {
		state["Health"] = map[string]any{"Status": c.State.Health, "Log": c.State.HealthLog}
	}
	networks, published, mounts := map[string]any{}, map[string][]map[string]string{}, []map[string]string{}
	for name, address := range c.Networks {
		networks[name] = map[string]string{"IPAddress": address}
	}
	for _, p := range c.Ports {
		key := fmt.Sprintf("%d/%s", p.Container, p.Protocol)
		published[key] = append(published[key], map[string]string{"HostIp": p.HostIP, "HostPort": fmt.Sprint(p.Host)})
	}
	for _, volume := range c.Volumes {
		mounts = append(mounts, map[string]string{"Type": "volume", "Name": volume})
	}
	return object{[]string{id, c.Name}, c.Labels, map[string]any{
		"Id": id, "Name": "/" + c.Name, "RestartCount": c.Restarts, "State": state,
		"Config":          map[string]any{"Image": c.Image, "Labels": c.Labels},
		"HostConfig":      map[string]any{"PortBindings": published},
		"NetworkSettings": map[string]any{"Ports": published, "Networks": networks},
		"Mounts":          mounts,
	}}
}

func networkObject(n docker.Network) object {
	id := n.ID
	if id == "" {
		id = "id-of-" + n.Name
	}
	var ranges []map[string]string
	for _, subnet := range n.Subnets {
		ranges = append(ranges, map[string]string{"Subnet": subnet.String()})
	}
	return object{[]string{id, n.Name}, n.Labels, map[string]any{
		"Id": id, "Name": n.Name, "Labels": n.Labels, "IPAM": map[string]any{"Config": ranges},
	}}
}

func imageObject(i docker.Image) object {
	return object{append([]string{i.ID}, i.Tags...), i.Labels, map[string]any{
		"Id": i.ID, "RepoTags": i.Tags, "Created": i.Created.Format(time.RFC3339Nano), "Architecture": i.Architecture,
		"Config": map[string]any{"Labels": i.Labels, "User": i.User},
	}}
}
