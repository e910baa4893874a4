package tools

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// MirrorVariable names the environment variable with the base URL of a mirror:
// https://host/path is then fetched as MIRROR/host/path.
const MirrorVariable = "KUBETRACING_MIRROR"

// downloadAttempts and downloadTimeout bound what a bad connection costs.
const (
	downloadAttempts = 4
	downloadTimeout  = 10 * time.Minute
)

// install installs the tool in a folder that appears only when it is complete.
func (t Tool) install(ctx context.Context, target string) error {
	want, ok := t.SHA256[platform()]
	if !ok {
		return fmt.Errorf("no release is known for %s", platform())
	}
	if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	partial, err := os.MkdirTemp(filepath.Dir(target), ".partial-")
	if err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	defer os.RemoveAll(partial)

	release := filepath.Join(partial, t.Name)
	if len(t.Members) > 0 {
		release += ".tar.gz"
	}
	if err := download(ctx, mirrored(t.URL), want, release); err != nil {
		return err
	}
	if len(t.Members) > 0 {
		if err := unpack(release, t.Members, partial); err != nil {
			return err
		}
		if err := os.Remove(release); err != nil {
			return fmt.Errorf("remove archive: %w", err)
		}
	} else if err := os.Chmod(release, 0o755); err != nil { //nolint:gosec // a tool is there to be run
		return fmt.Errorf("make executable: %w", err)
	}
	if err := os.Chmod(partial, 0o755); err != nil { //nolint:gosec // so that PATH can find it
		return fmt.Errorf("open folder: %w", err)
	}
	if err := os.Rename(partial, target); err != nil {
		// Another run may have installed it meanwhile, and complete.
		if _, statErr := os.Stat(filepath.Join(target, t.Name)); statErr == nil {
			return nil
		}
		return fmt.Errorf("move into place: %w", err)
	}
	return nil
}

func mirrored(source string) string {
	mirror := os.Getenv(MirrorVariable)
	if mirror == "" {
		return source
	}
	parsed, err := url.Parse(source)
	if err != nil {
		return source
	}
	out, err := url.JoinPath(mirror, parsed.Host, parsed.Path)
	if err != nil {
		return source
	}
	return out
}

// pluginsURL is where Pulumi finds its own plugins when GitHub has none.
//
// Source: github.com/pulumi/pulumi/sdk/v3 go/common/workspace/plugins.go
// (getPulumiSource).
const pluginsURL = "https://get.pulumi.com/releases/plugins"

// PluginURLOverrides makes Pulumi download every plugin from the mirror, in the form
// of PULUMI_PLUGIN_DOWNLOAD_URL_OVERRIDES; empty without a mirror.
func PluginURLOverrides() string {
	source := mirrored(pluginsURL)
	if source == pluginsURL {
		return ""
	}
	return ".*=" + source
}

// download fetches a file and checks it. Proxies are those of the environment.
func download(ctx context.Context, source, wantSHA256, target string) error {
	ctx, cancel := context.WithTimeout(ctx, downloadTimeout)
	defer cancel()
	_, err := backoff.Retry(ctx, func() (struct{}, error) {
		return struct{}{}, fetch(ctx, source, wantSHA256, target)
	}, backoff.WithMaxTries(downloadAttempts))
	if err != nil {
		return fmt.Errorf("download %s: %w", source, err)
	}
	return nil
}

func fetch(ctx context.Context, source, wantSHA256, target string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, source, http.NoBody)
	if err != nil {
		return backoff.Permanent(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		err := errors.New(response.Status)
		if response.StatusCode >= 400 && response.StatusCode < 500 && response.StatusCode != http.StatusTooManyRequests {
			return backoff.Permanent(err)
		}
		return err
	}
	file, err := os.Create(target)
	if err != nil {
		return backoff.Permanent(err)
	}
	sum := sha256.New()
	_, err = io.Copy(io.MultiWriter(file, sum), response.Body)
	if err := errors.Join(err, file.Close()); err != nil {
		return err
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != wantSHA256 {
		// Another download would get the same bytes.
		return backoff.Permanent(fmt.Errorf("the checksum is %s, it should be %s", got, wantSHA256))
	}
	return nil
}

// unpack extracts some files of a .tar.gz under their base names.
func unpack(archive string, members []string, folder string) error {
	file, err := os.Open(archive)
	if err != nil {
		return fmt.Errorf("open archive: %w", err)
	}
	defer file.Close()
	compressed, err := gzip.NewReader(file)
	if err != nil {
		return fmt.Errorf("read archive: %w", err)
	}
	missing := slices.Clone(members)
	for reader := tar.NewReader(compressed); len(missing) > 0; {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return fmt.Errorf("read archive: it has no %q", missing)
		}
		if err != nil {
			return fmt.Errorf("read archive: %w", err)
		}
		at := slices.Index(missing, header.Name)
		if at < 0 {
			continue
		}
		missing = slices.Delete(missing, at, at+1)
		if err := extract(reader, filepath.Join(folder, filepath.Base(header.Name))); err != nil {
			return fmt.Errorf("unpack %s: %w", header.Name, err)
		}
	}
	return nil
}

func extract(reader io.Reader, target string) error {
	file, err := os.OpenFile(target, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o755) //nolint:gosec // a tool is there to be run
	if err != nil {
		return err
	}
	_, err = io.Copy(file, reader) //nolint:gosec // the archive's checksum is known
	return errors.Join(err, file.Close())
}
