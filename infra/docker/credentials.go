package docker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"github.com/distribution/reference"
)

// credentialLimit bounds a credential helper, which may ask its user to unlock a
// keychain.
const credentialLimit = time.Minute

// clientConfig is the part of docker's config.json that is read.
//
// Source: github.com/docker/cli cli/config/configfile/file.go (ConfigFile).
type clientConfig struct {
	CredsStore  string            `json:"credsStore"`
	CredHelpers map[string]string `json:"credHelpers"`
}

// CheckCredentials returns an error for everything in docker's configuration that keeps
// Pulumi's provider from a build that is based on images. For any build, even of images
// that are here, it asks the program of credsStore for everything that it has. A program
// of credHelpers is only asked when an image of its registry is to be pulled.
//
// Source: github.com/pulumi/pulumi-docker/v4@v4.11.2 provider/image.go (dockerBuild);
// github.com/docker/cli@v28.5.2 cli/config/configfile/file.go (GetAllCredentials);
// github.com/moby/buildkit session/auth/authprovider/authprovider.go.
func (c *Client) CheckCredentials(ctx context.Context, getenv func(string) string, images ...string) error {
	path := filepath.Join(configFolder(getenv), "config.json")
	config, err := readClientConfig(path)
	if err != nil {
		return fmt.Errorf("%s cannot be read, and without it Pulumi's Docker provider builds no image: %w. Mend it or remove it", path, err)
	}
	var problems []error
	if helper := credentialHelper(config.CredsStore); config.CredsStore != "" {
		if err := c.askHelper(ctx, helper); err != nil {
			problems = append(problems, fmt.Errorf("%s: credsStore %q: %w, and without it Pulumi's Docker provider builds no image: "+
				"put the program on PATH, or remove the key and log in again with `docker login` where that is needed", path, config.CredsStore, err))
		}
	}
	if store := defaultStore(runtime.GOOS, getenv("PATH")); config.CredsStore == "" && store != "" {
		if err := c.askHelper(ctx, credentialHelper(store)); err != nil {
			problems = append(problems, fmt.Errorf("%s has no credsStore, so Pulumi's Docker provider asks %s, which is on PATH, and builds no image: %w. "+
				"Mend the program, or take it off PATH", path, credentialHelper(store), err))
		}
	}
	for _, registry := range slices.Sorted(maps.Keys(config.CredHelpers)) {
		helper := config.CredHelpers[registry]
		// What is here is not pulled.
		image := c.absentOf(ctx, registry, images)
		if image == "" {
			continue
		}
		if err := c.askHelper(ctx, credentialHelper(helper)); errors.Is(err, ErrNotInstalled) {
			problems = append(problems, fmt.Errorf("%s: credHelpers: %s: %q: %w, and without it image %s cannot be pulled: put the program on PATH, or remove the key",
				path, registry, helper, err, image))
		}
	}
	return errors.Join(problems...)
}

func readClientConfig(path string) (clientConfig, error) {
	var config clientConfig
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return config, nil
	}
	if err != nil {
		return config, err
	}
	defer file.Close()
	// An empty file is one without settings.
	if err := json.NewDecoder(file).Decode(&config); err != nil && !errors.Is(err, io.EOF) {
		return config, fmt.Errorf("it is not valid JSON: %w", err)
	}
	return config, nil
}

// credentialHelper returns the program of a credential store.
//
// Source: github.com/docker/cli cli/config/credentials/native_store.go.
func credentialHelper(store string) string { return "docker-credential-" + store }

// defaultStore returns the credential store that the provider uses where none is chosen:
// that of the platform, if its program is in one of the folders of path.
//
// Source: github.com/docker/cli@v28.5.2 cli/config/credentials/default_store.go and
// default_store_linux.go.
func defaultStore(platform, path string) string {
	store := ""
	switch platform {
	case "darwin":
		store = "osxkeychain"
	case "linux":
		store = "secretservice"
		if onPath(path, "pass") {
			store = "pass"
		}
	}
	if store == "" || !onPath(path, credentialHelper(store)) {
		return ""
	}
	return store
}

// onPath reports whether a program is in one of the folders of a path.
func onPath(path, program string) bool {
	return slices.ContainsFunc(filepath.SplitList(path), func(folder string) bool {
		info, err := os.Stat(filepath.Join(folder, program))
		return err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o111 != 0
	})
}

// askHelper asks a credential helper for the names of what it has, as the provider does.
func (c *Client) askHelper(ctx context.Context, program string) error {
	_, err := c.run(ctx, Command{Program: program, Args: []string{"list"}, Stdin: "unused", Limit: credentialLimit})
	return err
}

// dockerHub is Docker Hub's key in docker's configuration, and dockerHubDomain its name
// in references.
//
// Source: github.com/docker/docker registry/config.go (IndexServer).
const (
	dockerHub       = "https://index.docker.io/v1/"
	dockerHubDomain = "docker.io"
)

// absentOf returns the first image of a registry that the daemon does not have; empty if
// there is none.
func (c *Client) absentOf(ctx context.Context, registry string, images []string) string {
	for _, image := range images {
		named, err := reference.ParseNormalizedNamed(image)
		if err != nil {
			continue
		}
		domain := reference.Domain(named)
		if domain == dockerHubDomain {
			domain = dockerHub
		}
		if domain != registry {
			continue
		}
		if _, err := c.InspectImage(ctx, image); errors.Is(err, ErrNotFound) {
			return image
		}
	}
	return ""
}
