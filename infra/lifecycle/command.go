package lifecycle

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/kubetracing/kubetracing/components/spec"
	"github.com/kubetracing/kubetracing/infra/docker"
)

// PreviousOutput is the variable in which Pulumi's command provider passes what a
// command wrote when it last ran, on updates only.
//
// Source: github.com/pulumi/pulumi-command provider/pkg/provider/local/commandController.go.
const PreviousOutput = "PULUMI_COMMAND_STDOUT"

// Command is the environment of a command that Pulumi's command provider runs. Each
// method is one command.
type Command struct {
	Docker *docker.Client
	// Stdin holds a document of package spec.
	Stdin io.Reader
	// Getenv reads the environment.
	Getenv func(string) string
	// Stdout gets the result, and Stderr progress.
	Stdout, Stderr io.Writer
}

func (c Command) manager() *Manager { return New(c.Docker, c.Stderr) }

// read reads the document on standard input.
func (c Command) read(document any) error {
	text, err := io.ReadAll(c.Stdin)
	if err != nil {
		return fmt.Errorf("read standard input: %w", err)
	}
	return spec.Decode(text, document)
}

// print prints the result.
func (c Command) print(result string) error {
	if _, err := fmt.Fprintln(c.Stdout, result); err != nil {
		return fmt.Errorf("write the result: %w", err)
	}
	return nil
}

func (c Command) state() string { return c.Getenv(spec.StateVariable) }

// ClusterCreate is `cluster create`. It reads a spec.Cluster.
func (c Command) ClusterCreate(ctx context.Context) error {
	var document spec.Cluster
	if err := c.read(&document); err != nil {
		return err
	}
	return c.manager().CreateCluster(ctx, document, c.state())
}

// ClusterUpdate is `cluster update`. It reads a spec.Cluster.
func (c Command) ClusterUpdate(ctx context.Context) error {
	var document spec.Cluster
	if err := c.read(&document); err != nil {
		return err
	}
	return c.manager().UpdateCluster(ctx, document, c.state())
}

// ClusterKubeconfig is `cluster kubeconfig NAME`. Its result is a secret.
func (c Command) ClusterKubeconfig(ctx context.Context, name string) error {
	kubeconfig, err := c.Docker.Kubeconfig(ctx, name)
	if err != nil {
		return fmt.Errorf("kubeconfig of cluster %s: %w", name, err)
	}
	if _, err := io.WriteString(c.Stdout, kubeconfig); err != nil {
		return fmt.Errorf("write the kubeconfig of cluster %s: %w", name, err)
	}
	return nil
}

// NodesWrite is `nodes write`. It reads a spec.NodeFiles. If some of the files are
// secret, it prints a random text, by which those who use them know that they may have
// changed.
func (c Command) NodesWrite(ctx context.Context) error {
	var document spec.NodeFiles
	if err := c.read(&document); err != nil {
		return err
	}
	var secrets map[string]string
	if text := c.Getenv(spec.NodeSecretsVariable); text != "" {
		if err := json.Unmarshal([]byte(text), &secrets); err != nil {
			// Without the error, which quotes the text.
			return fmt.Errorf("%s must be a JSON object of texts", spec.NodeSecretsVariable)
		}
	}
	if err := c.manager().WriteNodeFiles(ctx, document, secrets, docker.Owner{State: c.state()}); err != nil {
		return err
	}
	if len(secrets) == 0 {
		return nil
	}
	return c.print(rand.Text())
}

// ContainerWait is `container wait`. It reads a spec.Container.
func (c Command) ContainerWait(ctx context.Context) error {
	var document spec.Container
	if err := c.read(&document); err != nil {
		return err
	}
	return c.manager().WaitHealthy(ctx, document)
}

// PodsWait is `pods wait`. It reads a spec.Pods.
func (c Command) PodsWait(ctx context.Context) error {
	var document spec.Pods
	if err := c.read(&document); err != nil {
		return err
	}
	return c.manager().WaitPods(ctx, document)
}

// CertificateIssue is `certificate issue`. It reads a spec.ClientCertificate. Its result,
// a spec.KeyPair, is a secret.
func (c Command) CertificateIssue(ctx context.Context) error {
	var document spec.ClientCertificate
	if err := c.read(&document); err != nil {
		return err
	}
	pair, err := c.manager().IssueCertificate(ctx, document)
	if err != nil {
		return err
	}
	text, err := spec.Encode(pair)
	if err != nil {
		return err
	}
	return c.print(text)
}

// VolumeChown is `volume chown`. It reads a spec.Volume.
func (c Command) VolumeChown(ctx context.Context) error {
	var document spec.Volume
	if err := c.read(&document); err != nil {
		return err
	}
	return c.manager().ChownVolume(ctx, document, docker.Owner{State: c.state()})
}

// ImagePresent is `image present IMAGE`. It prints the image's id, and what its removal
// needs to know.
func (c Command) ImagePresent(ctx context.Context, reference string) error {
	if reference == "" {
		return errors.New("the reference of the image is empty")
	}
	description, err := c.manager().ImagePresent(ctx, reference)
	if err != nil {
		return err
	}
	return c.print(description)
}

// IdentityCreate is `identity create`. It reads a spec.Names and prints the identity of
// the state: a new one, or on an update, which has other names, the one that it has.
func (c Command) IdentityCreate(ctx context.Context) error {
	var names spec.Names
	if err := c.read(&names); err != nil {
		return err
	}
	if identity := c.Getenv(PreviousOutput); identity != "" {
		if err := c.manager().CheckNames(ctx, names, identity); err != nil {
			return err
		}
		return c.print(identity)
	}
	identity, err := c.manager().CreateIdentity(ctx, names)
	if err != nil {
		return err
	}
	return c.print(identity)
}
