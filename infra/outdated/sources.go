package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"github.com/Masterminds/semver/v3"
	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
)

// githubSource is the releases of a GitHub repository. Their files' digests are part of
// the API's answer.
//
// Source: https://docs.github.com/en/rest/releases/releases#list-releases (assets[].digest).
type githubSource struct {
	repository string
	// line limits the releases to a major.minor; empty means all.
	line string
	// assets names the files to pin, by platform; VERSION stands for the version.
	assets map[string]string
	// image is the image of a release, without its tag; empty means that files are pinned.
	image string
}

func (s githubSource) String() string { return "https://github.com/" + s.repository + "/releases" }

type githubRelease struct {
	TagName           string `json:"tag_name"`
	Draft, Prerelease bool
	Assets            []struct{ Name, Digest string }
}

// pickRelease returns the newest release of a line, and its version.
func pickRelease(releases []githubRelease, line string) (picked githubRelease, version string, ok bool) {
	for _, candidate := range releases {
		text := strings.TrimPrefix(candidate.TagName, "v")
		parsed, err := semver.StrictNewVersion(text)
		if err != nil || parsed.Prerelease() != "" || candidate.Draft || candidate.Prerelease {
			continue
		}
		if line != "" && !strings.HasPrefix(text, line+".") {
			continue
		}
		if !ok || newer(text, version) {
			picked, version, ok = candidate, text, true
		}
	}
	return picked, version, ok
}

func (s githubSource) releases(ctx context.Context, w web) ([]githubRelease, error) {
	body, err := w.get(ctx, "https://api.github.com/repos/"+s.repository+"/releases?per_page=100")
	if err != nil {
		return nil, err
	}
	var releases []githubRelease
	if err := json.Unmarshal(body, &releases); err != nil {
		return nil, fmt.Errorf("read the releases of %s: %w", s.repository, err)
	}
	return releases, nil
}

func (s githubSource) newest(ctx context.Context, w web, p pin) (release, error) {
	releases, err := s.releases(ctx, w)
	if err != nil {
		return release{}, err
	}
	picked, version, ok := pickRelease(releases, s.line)
	if !ok || !newer(version, p.version) {
		// An old line may have no release among those that are listed.
		version = p.version
		if picked.TagName != "v"+version {
			return release{version: version, sums: p.sums}, nil
		}
	}
	found := release{version: version}
	if s.image != "" {
		found.sums, found.missing = imageSum(ctx, w, s.image+":"+version)
		return found, nil
	}
	found.sums = map[string]string{}
	for platform, name := range s.assets {
		name = strings.ReplaceAll(name, "VERSION", version)
		for _, asset := range picked.Assets {
			if sum, ok := strings.CutPrefix(asset.Digest, "sha256:"); ok && asset.Name == name {
				found.sums[platform] = sum
			}
		}
		if found.sums[platform] == "" {
			found.missing = errors.Join(found.missing, fmt.Errorf("%s has no digest", name))
		}
	}
	return found, nil
}

// imageSum returns the digest of an image, or why there is none.
func imageSum(ctx context.Context, w web, image string) (map[string]string, error) {
	digest, err := w.digest(ctx, image)
	if err != nil {
		return nil, err
	}
	return map[string]string{imageKey: digest}, nil
}

// imageKey is the key of an image's digest among checksums.
const imageKey = "image"

// k3sSource is k3s' channel of a Kubernetes minor.
//
// Source: https://docs.k3s.io/upgrades/manual#release-channels.
type k3sSource struct{ minor string }

const k3sChannels = "https://update.k3s.io/v1-release/channels"

func (s k3sSource) String() string { return k3sChannels + " (v" + s.minor + ")" }

// channels returns the newest release of each channel, without its v.
func channels(ctx context.Context, w web) (map[string]string, error) {
	body, err := w.get(ctx, k3sChannels)
	if err != nil {
		return nil, err
	}
	var answer struct{ Data []struct{ ID, Latest string } }
	if err := json.Unmarshal(body, &answer); err != nil {
		return nil, fmt.Errorf("read k3s' channels: %w", err)
	}
	newest := map[string]string{}
	for _, channel := range answer.Data {
		newest[channel.ID] = strings.TrimPrefix(channel.Latest, "v")
	}
	return newest, nil
}

func (s k3sSource) newest(ctx context.Context, w web, p pin) (release, error) {
	all, err := channels(ctx, w)
	if err != nil {
		return release{}, err
	}
	version := all["v"+s.minor]
	if version == "" {
		return release{}, fmt.Errorf("k3s has no channel v%s", s.minor)
	}
	if !newer(version, p.version) {
		version = p.version
	}
	found := release{version: version}
	found.sums, found.missing = imageSum(ctx, w, "rancher/k3s:v"+strings.ReplaceAll(version, "+", "-"))
	if found.missing == nil && version != p.version {
		found.etcd, found.containerd, found.missing = embedded(ctx, w, version)
	}
	return found, nil
}

// embedded returns the versions of the etcd and the containerd that a k3s release is
// built with.
func embedded(ctx context.Context, w web, version string) (etcd, containerd string, err error) {
	address := "https://raw.githubusercontent.com/k3s-io/k3s/" + url.PathEscape("v"+version) + "/go.mod"
	body, err := w.get(ctx, address)
	if err != nil {
		return "", "", err
	}
	file, err := modfile.ParseLax(address, body, nil)
	if err != nil {
		return "", "", fmt.Errorf("read %s: %w", address, err)
	}
	built := map[string]string{}
	for _, required := range file.Require {
		built[required.Mod.Path] = required.Mod.Version
	}
	// ParseLax leaves replacements out.
	for _, match := range replacement.FindAllStringSubmatch(string(body), -1) {
		built[match[1]] = match[2]
	}
	etcdVersion, errEtcd := semver.NewVersion(built["go.etcd.io/etcd/server/v3"])
	line := built["github.com/containerd/containerd/v2"]
	if line == "" {
		line = built["github.com/containerd/containerd"]
	}
	containerdVersion, errContainerd := semver.NewVersion(line)
	if err := errors.Join(errEtcd, errContainerd); err != nil {
		return "", "", fmt.Errorf("%s names no etcd or no containerd: %w", address, err)
	}
	return fmt.Sprintf("%d.%d.%d", etcdVersion.Major(), etcdVersion.Minor(), etcdVersion.Patch()),
		fmt.Sprintf("%d.%d", containerdVersion.Major(), containerdVersion.Minor()), nil
}

var replacement = regexp.MustCompile(`(?m)^\s*(?:replace\s+)?(\S+) => \S+ (v\S+)`)

// minorSource is the newest Kubernetes minor that k3s has.
type minorSource struct{}

func (minorSource) String() string { return k3sChannels + " (latest)" }

func (minorSource) newest(ctx context.Context, w web, _ pin) (release, error) {
	all, err := channels(ctx, w)
	if err != nil {
		return release{}, err
	}
	latest, err := semver.NewVersion(all["latest"])
	if err != nil {
		return release{}, fmt.Errorf("k3s' channel latest: %q: %w", all["latest"], err)
	}
	return release{version: fmt.Sprintf("%d.%d", latest.Major(), latest.Minor())}, nil
}

// kubectlSource is the newest patch release of a Kubernetes minor.
//
// Source: https://kubernetes.io/docs/tasks/tools/install-kubectl-linux/.
type kubectlSource struct{ minor string }

func (s kubectlSource) address() string {
	return "https://dl.k8s.io/release/stable-" + s.minor + ".txt"
}

func (s kubectlSource) String() string { return s.address() }

func (s kubectlSource) newest(ctx context.Context, w web, p pin) (release, error) {
	body, err := w.get(ctx, s.address())
	if err != nil {
		return release{}, err
	}
	version := strings.TrimPrefix(strings.TrimSpace(string(body)), "v")
	if _, err := semver.StrictNewVersion(version); err != nil {
		return release{}, fmt.Errorf("%s: %q: %w", s.address(), version, err)
	}
	if !newer(version, p.version) {
		return release{version: p.version, sums: p.sums}, nil
	}
	found := release{version: version, sums: map[string]string{}}
	for platform := range p.sums {
		found.add(ctx, w, platform, "https://dl.k8s.io/release/v"+version+"/bin/"+platform+"/kubectl.sha256")
	}
	return found, nil
}

var sumForm = regexp.MustCompile(`^[0-9a-f]{64}$`)

// add reads the checksum of a platform's file from the page beside it.
func (r *release) add(ctx context.Context, w web, platform, address string) {
	body, err := w.get(ctx, address)
	if err != nil {
		r.missing = errors.Join(r.missing, err)
		return
	}
	fields := strings.Fields(string(body))
	if len(fields) == 0 || !sumForm.MatchString(fields[0]) {
		r.missing = errors.Join(r.missing, fmt.Errorf("%s is no checksum", address))
		return
	}
	r.sums[platform] = fields[0]
}

// crioSource is CRI-O's releases of a Kubernetes minor, with the checksums of the
// bundles.
//
// Source: https://github.com/cri-o/packaging#download-and-install-cri-o-bundles.
type crioSource struct{ githubSource }

func newCRIOSource(minor string) crioSource {
	return crioSource{githubSource{repository: "cri-o/cri-o", line: minor}}
}

func (s crioSource) newest(ctx context.Context, w web, p pin) (release, error) {
	releases, err := s.releases(ctx, w)
	if err != nil {
		return release{}, err
	}
	_, version, ok := pickRelease(releases, s.line)
	if !ok || !newer(version, p.version) {
		return release{version: p.version, sums: p.sums}, nil
	}
	found := release{version: version, sums: map[string]string{}}
	for _, arch := range []string{"amd64", "arm64"} {
		found.add(ctx, w, "linux/"+arch, fmt.Sprintf(
			"https://storage.googleapis.com/cri-o/artifacts/cri-o.%s.v%s.tar.gz.sha256sum", arch, version))
	}
	return found, nil
}

// composeSource is the image with which the newest Jaeger is tested.
type composeSource struct{ path, image string }

const jaegerRepository = "jaegertracing/jaeger"

func (s composeSource) String() string {
	return "https://github.com/" + jaegerRepository + " " + s.path + " of the newest release"
}

func (s composeSource) newest(ctx context.Context, w web, p pin) (release, error) {
	releases, err := githubSource{repository: jaegerRepository}.releases(ctx, w)
	if err != nil {
		return release{}, err
	}
	_, version, ok := pickRelease(releases, "")
	if !ok {
		return release{}, errors.New(jaegerRepository + " has no releases")
	}
	address := "https://raw.githubusercontent.com/" + jaegerRepository + "/v" + version + "/" + s.path
	body, err := w.get(ctx, address)
	if err != nil {
		return release{}, err
	}
	form := regexp.MustCompile(`image:\s*` + regexp.QuoteMeta(s.image) + `:([\w.-]+)@(sha256:[0-9a-f]{64})`)
	match := form.FindSubmatch(body)
	if match == nil {
		return release{}, fmt.Errorf("%s names no %s by digest", address, s.image)
	}
	if found := string(match[1]); newer(found, p.version) {
		return release{version: found, sums: map[string]string{imageKey: string(match[2])}}, nil
	}
	return release{version: p.version, sums: p.sums}, nil
}

// officialSource is an image of Docker's own library. Its tags are built again and
// again, so that they have no digest for good.
//
// Source: https://github.com/docker-library/official-images#library-definition-files.
type officialSource struct{ image string }

func (s officialSource) address() string {
	return "https://raw.githubusercontent.com/docker-library/official-images/master/library/" + s.image
}

func (s officialSource) String() string { return s.address() }

var officialTags = regexp.MustCompile(`(?m)^Tags: (.*)$`)

func (s officialSource) newest(ctx context.Context, w web, p pin) (release, error) {
	body, err := w.get(ctx, s.address())
	if err != nil {
		return release{}, err
	}
	found := release{version: p.version}
	for _, tags := range officialTags.FindAllStringSubmatch(string(body), -1) {
		for tag := range strings.SplitSeq(tags[1], ", ") {
			parsed, err := semver.StrictNewVersion(tag)
			// A suffix is a variant of the image here, no release before.
			if err == nil && parsed.Prerelease() == "" && newer(tag, found.version) {
				found.version = tag
			}
		}
	}
	return found, nil
}

// moduleSource is a module of Go.
//
// Source: https://go.dev/ref/mod#goproxy-protocol.
type moduleSource struct{ path string }

func (s moduleSource) address() string {
	escaped, err := module.EscapePath(s.path)
	if err != nil {
		escaped = s.path
	}
	return "https://proxy.golang.org/" + escaped + "/@v/list"
}

func (s moduleSource) String() string { return s.address() }

func (s moduleSource) newest(ctx context.Context, w web, p pin) (release, error) {
	body, err := w.get(ctx, s.address())
	if err != nil {
		return release{}, err
	}
	found := release{version: p.version}
	for line := range strings.Lines(string(body)) {
		text := strings.TrimPrefix(strings.TrimSpace(line), "v")
		parsed, err := semver.StrictNewVersion(text)
		if err == nil && parsed.Prerelease() == "" && newer(text, found.version) {
			found.version = text
		}
	}
	return found, nil
}
