package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/distribution/reference"
)

// web is what sources read from.
type web interface {
	// get returns the body of a page.
	get(ctx context.Context, address string) ([]byte, error)
	// digest returns the digest of an image's manifest, or index of manifests.
	digest(ctx context.Context, image string) (string, error)
}

// requestTimeout bounds one request; the whole comparison has a limit of its own.
const requestTimeout = 20 * time.Second

// maxBody bounds a page.
const maxBody = 32 << 20

// tokenVariable names the token for GitHub's API, which answers 60 requests an hour
// without one.
const tokenVariable = "GITHUB_TOKEN" //nolint:gosec // a name, no token

// network is the real web. Each page is read once.
type network struct {
	client *http.Client
	token  string
	pages  sync.Map // address to func() ([]byte, error)
}

func newNetwork(transport http.RoundTripper) *network {
	return &network{client: &http.Client{Transport: transport, Timeout: requestTimeout}, token: os.Getenv(tokenVariable)}
}

func (n *network) get(ctx context.Context, address string) ([]byte, error) {
	page, _ := n.pages.LoadOrStore(address, sync.OnceValues(func() ([]byte, error) {
		header := http.Header{}
		if parsed, err := url.Parse(address); err == nil && parsed.Host == "api.github.com" && n.token != "" {
			header.Set("Authorization", "Bearer "+n.token)
		}
		response, err := n.do(ctx, http.MethodGet, address, header)
		if err != nil {
			return nil, err
		}
		defer response.Body.Close()
		if response.StatusCode != http.StatusOK {
			return nil, fmt.Errorf("%s: %s", address, response.Status)
		}
		body, err := io.ReadAll(io.LimitReader(response.Body, maxBody))
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", address, err)
		}
		return body, nil
	}))
	return page.(func() ([]byte, error))()
}

func (n *network) do(ctx context.Context, method, address string, header http.Header) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, method, address, http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", address, err)
	}
	request.Header = header
	return n.client.Do(request) //nolint:wrapcheck // its error names method and address
}

// manifests are the kinds of manifests, an index of platforms before a single one.
//
// Sources: https://distribution.github.io/distribution/spec/api/#pulling-a-manifest;
// https://github.com/opencontainers/image-spec/blob/main/media-types.md.
var manifests = strings.Join([]string{
	"application/vnd.oci.image.index.v1+json",
	"application/vnd.docker.distribution.manifest.list.v2+json",
	"application/vnd.oci.image.manifest.v1+json",
	"application/vnd.docker.distribution.manifest.v2+json",
}, ", ")

var digestForm = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)

func (n *network) digest(ctx context.Context, image string) (string, error) {
	named, err := reference.ParseNormalizedNamed(image)
	if err != nil {
		return "", fmt.Errorf("image %q: %w", image, err)
	}
	tagged, ok := named.(reference.Tagged)
	if !ok {
		return "", fmt.Errorf("image %q: has no tag", image)
	}
	registry := reference.Domain(named)
	if registry == "docker.io" {
		registry = "registry-1.docker.io"
	}
	address := fmt.Sprintf("https://%s/v2/%s/manifests/%s", registry, reference.Path(named), tagged.Tag())
	header := http.Header{"Accept": {manifests}}
	response, err := n.do(ctx, http.MethodHead, address, header)
	if err != nil {
		return "", err
	}
	response.Body.Close()
	if response.StatusCode == http.StatusUnauthorized {
		token, err := n.registryToken(ctx, response.Header.Get("WWW-Authenticate"))
		if err != nil {
			return "", fmt.Errorf("ask %s for a token: %w", registry, err)
		}
		header.Set("Authorization", "Bearer "+token)
		if response, err = n.do(ctx, http.MethodHead, address, header); err != nil {
			return "", err
		}
		response.Body.Close()
	}
	found := response.Header.Get("Docker-Content-Digest")
	switch {
	case response.StatusCode != http.StatusOK:
		return "", fmt.Errorf("%s: %s", address, response.Status)
	case !digestForm.MatchString(found):
		return "", fmt.Errorf("%s: has no digest, but %q", address, found)
	}
	return found, nil
}

var challengeValue = regexp.MustCompile(`(\w+)="([^"]*)"`)

// registryToken gets the token that a registry gives anybody.
//
// Source: https://distribution.github.io/distribution/spec/auth/token/.
func (n *network) registryToken(ctx context.Context, challenge string) (string, error) {
	values := url.Values{}
	for _, match := range challengeValue.FindAllStringSubmatch(challenge, -1) {
		values.Set(match[1], match[2])
	}
	realm := values.Get("realm")
	if !strings.HasPrefix(challenge, "Bearer ") || realm == "" {
		return "", fmt.Errorf("it asks for %q", challenge)
	}
	values.Del("realm")
	response, err := n.do(ctx, http.MethodGet, realm+"?"+values.Encode(), http.Header{})
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	var answer struct {
		Token       string `json:"token"`
		AccessToken string `json:"access_token"`
	}
	if response.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s: %s", realm, response.Status)
	}
	if err := json.NewDecoder(io.LimitReader(response.Body, maxBody)).Decode(&answer); err != nil {
		return "", fmt.Errorf("%s: %w", realm, err)
	}
	if answer.Token == "" {
		answer.Token = answer.AccessToken
	}
	if answer.Token == "" {
		return "", errors.New(realm + ": no token in the answer")
	}
	return answer.Token, nil
}
