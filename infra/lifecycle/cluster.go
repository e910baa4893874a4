package lifecycle

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/kubetracing/kubetracing/components/poll"
	"github.com/kubetracing/kubetracing/components/spec"
	"github.com/kubetracing/kubetracing/components/tracing"
	"github.com/kubetracing/kubetracing/infra/docker"
	"github.com/kubetracing/kubetracing/infra/steps"
)

// Times of a cluster's creation and update.
const (
	// nodeTimeout bounds each wait for the nodes.
	nodeTimeout = 5 * time.Minute
	// nodeInterval is the pause between two questions for the nodes' state.
	nodeInterval = 500 * time.Millisecond
	// addressInterval is the pause between two attempts to give nodes their addresses.
	// They wait for them.
	addressInterval = 200 * time.Millisecond
	// addressTimeout bounds what is left of that once k3d is done. A node gives up after
	// as long.
	addressTimeout = time.Minute
	// crashInterval is the pause between two counts of restarts.
	crashInterval = time.Second
	// explainTimeout bounds the search for the reason of a failure.
	explainTimeout = time.Minute
	// removeTimeout bounds the removal of a cluster that did not come up, which goes on
	// when the command is interrupted.
	removeTimeout = 2 * time.Minute
)

// crashes is how often Docker has to restart a node until it is not waited for any
// more.
const crashes = 3

// process is what a node's configuration files are for. The values are those that the
// script of the supervisor prints.
type process string

const (
	// k3s runs with everything that it starts: kube-apiserver, etcd, kubelet, containerd.
	k3s process = "k3s"
	// crio is the runtime that k3s does not start.
	crio process = "crio"
)

// script is the path, in a node, of the script that restarts a process.
func (p process) script() string {
	if p == crio {
		return tracing.ConfigDirectory + "/" + tracing.FileCRIOScript
	}
	return supervisorScript
}

// supervisorScript is the path, in a node, of the script that k3s runs under.
const supervisorScript = tracing.ConfigDirectory + "/" + tracing.FileK3sSupervisor

// errTracing marks a failure whose reasons are known: the log of a node would add
// nothing.
var errTracing = errors.New("the cluster does not trace")

// cluster is a cluster that is being worked on.
type cluster struct {
	spec.Cluster
	*Manager
	owner docker.Owner
	// ids are the ids of the nodes' containers by name, once they are known.
	ids map[string]string
}

func (m *Manager) open(document spec.Cluster, state string) (*cluster, error) {
	if document.Name == "" || len(document.Nodes) == 0 || !document.Nodes[0].Server {
		return nil, errors.New("the cluster must have a name, and a server as its first node")
	}
	if state == "" {
		return nil, fmt.Errorf("cluster %s: the environment variable %s must hold the identity of the stack's state", document.Name, spec.StateVariable)
	}
	return &cluster{Cluster: document, Manager: m, owner: docker.Owner{Stack: document.Stack, State: state}}, nil
}

// names lists the containers of the nodes.
func (c *cluster) names() []string { return nodeNames(c.Nodes) }

func nodeNames(nodes []spec.Node) []string {
	names := make([]string, len(nodes))
	for i, node := range nodes {
		names[i] = node.Container
	}
	return names
}

// servers lists the containers of the servers.
func (c *cluster) servers() []string {
	var names []string
	for _, node := range c.Nodes {
		if node.Server {
			names = append(names, node.Container)
		}
	}
	return names
}

// CreateCluster creates a cluster and returns once all of its nodes are ready and
// trace. It first removes what an earlier update of the same state left of it, and
// refuses a cluster of anybody else. If the cluster does not come up, or the context
// ends, it is removed again, after an explanation.
func (m *Manager) CreateCluster(ctx context.Context, document spec.Cluster, state string) error {
	c, err := m.open(document, state)
	if err != nil {
		return err
	}
	config, err := c.config()
	if err != nil {
		return err
	}
	if err := c.makeRoom(ctx); err != nil {
		return err
	}
	m.log.printf("creating cluster %s", c.Name)
	err = c.bringUp(ctx, config)
	if err == nil {
		return nil
	}
	err = fmt.Errorf("create cluster %s: %w", c.Name, err)
	// Whatever ended the creation must not end this.
	rest := context.WithoutCancel(ctx)
	if ctx.Err() == nil && !errors.Is(err, errTracing) {
		c.explain(rest)
	}
	removal, cancel := context.WithTimeout(rest, removeTimeout)
	defer cancel()
	m.log.printf("removing cluster %s, which did not come up", c.Name)
	return errors.Join(err, c.remove(removal))
}

// config returns the configuration for k3d, with the labels of the owner on every
// node.
func (c *cluster) config() (string, error) {
	// Source: github.com/k3d-io/k3d/v5@v5.9.0/pkg/config/v1alpha5/types.go.
	var config map[string]any
	if err := json.Unmarshal(c.K3d, &config); err != nil {
		return "", fmt.Errorf("read the k3d configuration of cluster %s: %w", c.Name, err)
	}
	filters := []any{"server:*"}
	if len(c.servers()) < len(c.Nodes) {
		filters = append(filters, "agent:*")
	}
	runtime := child(child(config, "options"), "runtime")
	labels, _ := runtime["labels"].([]any)
	for _, label := range []string{spec.StackLabel, spec.StateLabel} {
		labels = slices.DeleteFunc(labels, func(l any) bool {
			entry, _ := l.(map[string]any)
			text, _ := entry["label"].(string)
			return strings.HasPrefix(text, label+"=")
		})
		labels = append(labels, map[string]any{"label": label + "=" + c.owner.Labels()[label], "nodeFilters": filters})
	}
	runtime["labels"] = labels
	text, err := json.Marshal(config)
	if err != nil {
		return "", fmt.Errorf("write the k3d configuration of cluster %s: %w", c.Name, err)
	}
	return string(text), nil
}

// child returns an object in an object, which is created if need be.
func child(parent map[string]any, key string) map[string]any {
	object, ok := parent[key].(map[string]any)
	if !ok {
		object = map[string]any{}
		parent[key] = object
	}
	return object
}

// makeRoom removes what an interrupted update left of the cluster.
func (c *cluster) makeRoom(ctx context.Context) error {
	found, err := c.docker.Containers(ctx, docker.OfCluster(c.Name))
	if err != nil || len(found) == 0 {
		return err
	}
	mine, err := c.ours(ctx, found)
	if err != nil {
		return err
	}
	if !mine {
		return c.stranger(found)
	}
	c.log.printf("removing what an interrupted update left of cluster %s", c.Name)
	return c.remove(ctx)
}

// stranger returns the error about a cluster of the same name that is not the owner's.
func (c *cluster) stranger(found []docker.Container) error {
	return fmt.Errorf("a k3d cluster named %s exists and is not this stack's (%s): it seems to belong to %s. "+
		"Rename the stack, or delete that cluster where it was created or with `k3d cluster delete %s`",
		c.Name, c.Stack, docker.Whose(c.owner.Witness(found)), c.Name)
}

// ours reports whether a cluster, or what an interrupted creation left of it, is the
// owner's, given all of its containers.
func (c *cluster) ours(ctx context.Context, found []docker.Container) (bool, error) {
	if c.owner.Cluster(found) == docker.Ours {
		return true, nil
	}
	networks, err := c.docker.Networks(ctx, c.owner.Filter())
	if err != nil {
		return false, err
	}
	return c.owner.Helpers(found, c.Network, networks), nil
}

// remove removes the cluster, or what there is of it, if it is the owner's and still
// the one that was created: another update may have created it again.
func (c *cluster) remove(ctx context.Context) error {
	found, err := c.docker.Containers(ctx, docker.OfCluster(c.Name))
	if err != nil || len(found) == 0 {
		return err
	}
	mine, err := c.ours(ctx, found)
	if err != nil {
		return err
	}
	replaced := slices.ContainsFunc(found, func(f docker.Container) bool {
		id, known := c.ids[f.Name]
		return known && id != f.ID
	})
	if !mine || replaced {
		c.log.printf("leaving cluster %s alone: it is not the one that this update created", c.Name)
		return nil
	}
	if c.owner.Cluster(found) == docker.Ours {
		return c.docker.DeleteCluster(ctx, c.Name, c.log.line)
	}
	var helpers []string
	for _, helper := range found {
		helpers = append(helpers, helper.Name)
	}
	return c.docker.RemoveContainers(ctx, helpers...)
}

// bringUp creates the cluster and waits until it traces and is ready.
func (c *cluster) bringUp(ctx context.Context, config string) error {
	err := steps.Do(ctx, "k3d cluster create", func(ctx context.Context) error { return c.runK3d(ctx, config) })
	if err != nil {
		return err
	}
	if err := c.waitFor(ctx, registered); err != nil {
		return err
	}
	// Between its registration and its being ready a node has seconds to answer in.
	if err := c.checkTracing(ctx); err != nil {
		return err
	}
	return c.waitFor(ctx, ready)
}

// runK3d runs k3d, which waits for the servers. Meanwhile the nodes get their addresses,
// and k3d, whose wait says nothing, ends when a node keeps restarting.
func (c *cluster) runK3d(ctx context.Context, config string) error {
	group, ctx := errgroup.WithContext(ctx)
	running, finished := context.WithCancel(ctx)
	defer finished()
	group.Go(func() error {
		defer finished()
		return c.docker.CreateCluster(ctx, config, c.log.line)
	})
	group.Go(func() error {
		c.giveAddresses(ctx, running.Done())
		return nil
	})
	group.Go(func() error { return c.watchRestarts(running) })
	return group.Wait()
}

// giveAddresses gives every node, as soon as it runs, the address that it keeps. k3d
// knows of addresses on its own networks only. The nodes wait for theirs before they
// start k3s. It returns when all have one, when the context ends, and some time after
// k3d is done, which does not wait for agents.
func (c *cluster) giveAddresses(ctx context.Context, k3dDone <-chan struct{}) {
	waiting := slices.Clone(c.Nodes)
	var deadline time.Time
	loop := poll.Loop{Interval: addressInterval, Progress: func(trouble string) {
		if ctx.Err() == nil {
			c.log.printf("%s; trying again", trouble)
		}
	}}
	// The context's end is the only error.
	_ = loop.Until(ctx, func(ctx context.Context) (string, bool, error) {
		select {
		case <-k3dDone:
			if deadline.IsZero() {
				deadline = time.Now().Add(addressTimeout)
			}
			if time.Now().After(deadline) {
				return "", true, nil
			}
		default:
		}
		found, err := c.docker.InspectExisting(ctx, nodeNames(waiting)...)
		if err != nil {
			return err.Error(), false, nil //nolint:nilerr // it is tried again
		}
		trouble := ""
		waiting = slices.DeleteFunc(waiting, func(node spec.Node) bool {
			given, err := c.giveAddress(ctx, node, found)
			if err != nil {
				trouble = err.Error()
			}
			return given
		})
		return trouble, len(waiting) == 0, nil
	})
}

// giveAddress gives a node its address if it runs, and reports whether it has it.
func (c *cluster) giveAddress(ctx context.Context, node spec.Node, found []docker.Container) (bool, error) {
	i := slices.IndexFunc(found, func(f docker.Container) bool { return f.Name == node.Container })
	if i < 0 || !found[i].State.Running() || !c.owner.Owns(found[i].Labels) {
		return false, nil
	}
	address, connected := found[i].Networks[c.Network]
	if address == node.Address {
		return true, nil
	}
	// It is not connected if an earlier attempt got as far as this.
	if connected {
		if err := c.docker.Disconnect(ctx, c.Network, node.Container); err != nil {
			return false, err
		}
	}
	err := c.docker.Connect(ctx, c.Network, node.Container, node.Address)
	return err == nil, err
}

// watchRestarts fails when a node keeps restarting. It returns when the context ends.
func (c *cluster) watchRestarts(ctx context.Context) error {
	err := poll.Loop{Interval: crashInterval}.Until(ctx, func(ctx context.Context) (string, bool, error) {
		// k3d itself fails if Docker does.
		found, _ := c.docker.InspectExisting(ctx, c.names()...)
		for _, node := range found {
			if c.owner.Owns(node.Labels) && node.Restarts >= crashes {
				return "", false, restartingError(node.Name)
			}
		}
		return "", false, nil
	})
	if ctx.Err() != nil {
		return nil //nolint:nilerr // the watch was ended on purpose
	}
	return err
}

func restartingError(node string) error { return fmt.Errorf("node %s keeps restarting", node) }

// UpdateCluster restarts what was started with another configuration, k3s or CRI-O, on
// every node, and waits until all nodes are ready and trace. Pods go on. Agents restart
// side by side; servers one after the other, so that etcd keeps its majority and the API
// answers throughout if there are three.
func (m *Manager) UpdateCluster(ctx context.Context, document spec.Cluster, state string) error {
	c, err := m.open(document, state)
	if err != nil {
		return err
	}
	if _, err := c.existing(ctx); err != nil {
		return fmt.Errorf("update cluster %s: %w", c.Name, err)
	}
	changed, err := c.changed(ctx)
	if err != nil {
		return fmt.Errorf("update cluster %s: %w", c.Name, err)
	}
	err = steps.Do(ctx, "restart what has another configuration", func(ctx context.Context) error { return c.restartAll(ctx, changed) })
	if err != nil {
		return fmt.Errorf("update cluster %s: %w", c.Name, err)
	}
	// What Kubernetes knows of its nodes may still be from before.
	if err := c.waitOrExplain(ctx, answering, ready); err != nil {
		return fmt.Errorf("update cluster %s: %w", c.Name, err)
	}
	if err := c.checkTracing(ctx); err != nil {
		return fmt.Errorf("update cluster %s: %w", c.Name, err)
	}
	return nil
}

// changed returns, per node, the processes that were started with another
// configuration. A node that cannot say is one whose k3s has to restart.
func (c *cluster) changed(ctx context.Context) (map[string][]process, error) {
	printed := make([]string, len(c.Nodes))
	group, limited := errgroup.WithContext(ctx)
	for i, node := range c.Nodes {
		group.Go(func() error {
			text, err := c.docker.Exec(limited, node.Container, "sh", supervisorScript, "changed")
			if limited.Err() != nil {
				return context.Cause(limited)
			}
			if err != nil {
				text = string(k3s)
			}
			printed[i] = text
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	changed := map[string][]process{}
	for i, node := range c.Nodes {
		for name := range strings.FieldsSeq(printed[i]) {
			changed[node.Container] = append(changed[node.Container], process(name))
		}
		// k3s finds a runtime that has its configuration.
		slices.Sort(changed[node.Container])
	}
	return changed, nil
}

// restartAll restarts processes on the nodes that have some to restart.
func (c *cluster) restartAll(ctx context.Context, changed map[string][]process) error {
	servers := c.servers()
	group, ctx := errgroup.WithContext(ctx)
	for _, node := range c.names() {
		if !slices.Contains(servers, node) {
			group.Go(func() error { return c.restart(ctx, node, changed[node]) })
		}
	}
	group.Go(func() error {
		for i, server := range servers {
			if err := c.restart(ctx, server, changed[server]); err != nil {
				return err
			}
			if len(changed[server]) == 0 || i == len(servers)-1 {
				continue
			}
			only := *c
			only.Nodes = []spec.Node{{Container: server, Server: true}}
			if err := only.waitOrExplain(ctx, answering); err != nil {
				return err
			}
		}
		return nil
	})
	return group.Wait()
}

// restart restarts processes in a node, so that what runs in pods goes on; the node
// itself only if that fails.
func (c *cluster) restart(ctx context.Context, node string, processes []process) error {
	for _, process := range processes {
		c.log.printf("restarting %s on node %s with its new configuration", process, node)
		_, err := c.docker.Exec(ctx, node, "sh", process.script(), "restart")
		if err == nil {
			continue
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		c.log.printf("%s on node %s does not restart; restarting the node: %v", process, node, err)
		// Killed, not stopped: on SIGTERM k3d's entrypoint drains the node, which deletes
		// every pod that no controller would bring back. A node that does not run cannot be
		// killed, which is as good.
		killErr := c.docker.Kill(ctx, node)
		if err := c.docker.Start(ctx, node); err != nil {
			return errors.Join(fmt.Errorf("restart node %s: %w", node, err), killErr)
		}
		// It starts all of them.
		return nil
	}
	return nil
}

// StartCluster starts the nodes of a cluster that do not run, and waits until all are
// ready.
func (m *Manager) StartCluster(ctx context.Context, document spec.Cluster, state string) error {
	c, err := m.open(document, state)
	if err != nil {
		return err
	}
	found, err := c.existing(ctx)
	if err != nil {
		return fmt.Errorf("start cluster %s: %w", c.Name, err)
	}
	// Nodes first: the load balancer resolves their names when it starts.
	docker.ByRole(found)
	for _, container := range found {
		m.log.printf("starting %s", container.Name)
		if err := m.docker.Start(ctx, container.Name); err != nil {
			return fmt.Errorf("start cluster %s: %w", c.Name, err)
		}
	}
	if err := c.waitOrExplain(ctx, answering, ready); err != nil {
		return fmt.Errorf("start cluster %s: %w", c.Name, err)
	}
	return nil
}

// existing returns the containers of the cluster, which must be the owner's.
func (c *cluster) existing(ctx context.Context) ([]docker.Container, error) {
	found, err := c.docker.Containers(ctx, docker.OfCluster(c.Name))
	if err != nil {
		return nil, err
	}
	switch c.owner.Cluster(found) {
	case docker.Absent:
		return nil, errors.New("it does not exist")
	case docker.Foreign:
		return nil, c.stranger(found)
	default:
		return found, nil
	}
}

// DeleteCluster deletes a cluster, or what an interrupted update left of it. It leaves
// a cluster alone that another state created. network is the cluster's network.
func (m *Manager) DeleteCluster(ctx context.Context, name, network string, owner docker.Owner) error {
	c := &cluster{Cluster: spec.Cluster{Name: name, Network: network, Stack: owner.Stack}, Manager: m, owner: owner}
	found, err := m.docker.Containers(ctx, docker.OfCluster(name))
	if err != nil || len(found) == 0 {
		return err
	}
	mine, err := c.ours(ctx, found)
	if err != nil {
		return err
	}
	if !mine {
		m.log.printf("leaving the k3d cluster %s alone: it is not this stack's (%s)", name, owner.Stack)
		return nil
	}
	return c.remove(ctx)
}
