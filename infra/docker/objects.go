package docker

import (
	"context"
	"net/netip"
	"time"
)

// Network is a Docker network.
type Network struct {
	ID, Name string
	Labels   map[string]string
	// Subnets are its address ranges.
	Subnets []netip.Prefix
}

// inspectedNetwork is the part of docker network inspect that is read.
//
// Source: github.com/docker/docker api/types/network (Inspect).
type inspectedNetwork struct {
	ID     string            `json:"Id"`
	Name   string            `json:"Name"`
	Labels map[string]string `json:"Labels"`
	IPAM   ipam              `json:"IPAM"`
}

type ipam struct {
	Config []ipamRange `json:"Config"`
}

type ipamRange struct {
	Subnet string `json:"Subnet"`
}

func (n inspectedNetwork) network() Network {
	network := Network{ID: n.ID, Name: n.Name, Labels: n.Labels}
	for _, config := range n.IPAM.Config {
		if subnet, err := netip.ParsePrefix(config.Subnet); err == nil {
			network.Subnets = append(network.Subnets, subnet)
		}
	}
	return network
}

// Networks lists the networks that all filters select.
func (c *Client) Networks(ctx context.Context, filters ...Filter) ([]Network, error) {
	list := append([]string{"network", "ls", "--quiet", "--no-trunc"}, arguments(filters)...)
	found, err := listAndInspect[inspectedNetwork](ctx, c, list, "network", "inspect")
	if err != nil {
		return nil, wrap(err, "list networks")
	}
	networks := make([]Network, len(found))
	for i, f := range found {
		networks[i] = f.network()
	}
	return networks, nil
}

// Connect connects a container to a network, with a fixed address.
func (c *Client) Connect(ctx context.Context, network, container, address string) error {
	_, err := c.docker(ctx, changeLimit, "network", "connect", "--ip", address, network, container)
	return err
}

// Disconnect disconnects a container from a network.
func (c *Client) Disconnect(ctx context.Context, network, container string) error {
	_, err := c.docker(ctx, changeLimit, "network", "disconnect", network, container)
	return err
}

// RemoveNetworks removes networks.
func (c *Client) RemoveNetworks(ctx context.Context, networks ...string) error {
	_, err := c.docker(ctx, changeLimit, append([]string{"network", "rm"}, networks...)...)
	return err
}

// Volume is a Docker volume.
type Volume struct {
	Name   string            `json:"Name"`
	Labels map[string]string `json:"Labels"`
}

// Volumes lists the volumes that all filters select.
func (c *Client) Volumes(ctx context.Context, filters ...Filter) ([]Volume, error) {
	list := append([]string{"volume", "ls", "--quiet"}, arguments(filters)...)
	found, err := listAndInspect[Volume](ctx, c, list, "volume", "inspect")
	return found, wrap(err, "list volumes")
}

// InspectVolume describes a volume. One that does not exist is [ErrNotFound].
func (c *Client) InspectVolume(ctx context.Context, name string) (Volume, error) {
	found, err := inspect[Volume](ctx, c, []string{name}, "volume", "inspect")
	if err != nil {
		return Volume{}, wrap(err, "inspect volume %s", name)
	}
	return found[0], nil
}

// RemoveVolumes removes volumes.
func (c *Client) RemoveVolumes(ctx context.Context, volumes ...string) error {
	_, err := c.docker(ctx, changeLimit, append([]string{"volume", "rm"}, volumes...)...)
	return err
}

// Image is an image.
type Image struct {
	ID string
	// Tags are its names, as repository:tag.
	Tags    []string
	Labels  map[string]string
	Created time.Time
	// Architecture is in Go's terms, as amd64.
	Architecture string
	// User is the user and, after a colon, the group as whom it runs: numbers or names;
	// empty for root.
	User string
}

// inspectedImage is the part of docker image inspect that is read.
//
// Source: github.com/docker/docker api/types/image (InspectResponse).
type inspectedImage struct {
	ID           string          `json:"Id"`
	RepoTags     []string        `json:"RepoTags"`
	Created      time.Time       `json:"Created"`
	Architecture string          `json:"Architecture"`
	Config       inspectedConfig `json:"Config"`
}

func (i inspectedImage) image() Image {
	return Image{ID: i.ID, Tags: i.RepoTags, Labels: i.Config.Labels, Created: i.Created, Architecture: i.Architecture, User: i.Config.User}
}

// Images lists the images that all filters select.
func (c *Client) Images(ctx context.Context, filters ...Filter) ([]Image, error) {
	list := append([]string{"image", "ls", "--quiet", "--no-trunc"}, arguments(filters)...)
	found, err := listAndInspect[inspectedImage](ctx, c, list, "image", "inspect")
	if err != nil {
		return nil, wrap(err, "list images")
	}
	images := make([]Image, len(found))
	for i, f := range found {
		images[i] = f.image()
	}
	return images, nil
}

// InspectImage describes an image. One that does not exist is [ErrNotFound].
func (c *Client) InspectImage(ctx context.Context, reference string) (Image, error) {
	found, err := inspect[inspectedImage](ctx, c, []string{reference}, "image", "inspect")
	if err != nil {
		return Image{}, wrap(err, "inspect image %s", reference)
	}
	return found[0].image(), nil
}

// RemoveImages removes images. An image that a container uses is an error.
func (c *Client) RemoveImages(ctx context.Context, references ...string) error {
	_, err := c.docker(ctx, changeLimit, append([]string{"image", "rm"}, references...)...)
	return err
}
