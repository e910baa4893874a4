package lifecycle

import (
	"archive/tar"
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/kubetracing/kubetracing/components/spec"
	"github.com/kubetracing/kubetracing/infra/docker"
)

// fileName is the base name of a file in a nodes' volume. Names that begin with a dot
// are the script's.
var fileName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]*$`)

// filesScript replaces the files in /config by those of the archive on standard input.
// Each is renamed into its place, so that a running node reads the old file or the new
// one.
const filesScript = `set -eu
cd /config
rm -rf .new
mkdir .new
tar -xf - -C .new
names=" $(ls .new | tr '\n' ' ')"
mv -f .new/* .
rmdir .new
for file in *; do
  case "$names" in
    *" $file "*) ;;
    *) rm -rf -- "$file" ;;
  esac
done
`

// WriteNodeFiles replaces the content of a volume that the nodes mount by the document's
// files and by secret ones, which only root may read. The files travel on standard
// input, so that a remote Docker host gets them, too.
func (m *Manager) WriteNodeFiles(ctx context.Context, document spec.NodeFiles, secret map[string]string, owner docker.Owner) error {
	if len(document.Files) == 0 {
		return fmt.Errorf("write the files of the nodes to volume %s: there are none", document.Volume)
	}
	if err := m.requireOwn(ctx, document.Volume, owner); err != nil {
		return fmt.Errorf("write the files of the nodes: %w", err)
	}
	archive, err := archive(document.Files, secret)
	if err != nil {
		return fmt.Errorf("write the files of the nodes to volume %s: %w", document.Volume, err)
	}
	_, err = m.docker.Run(ctx, docker.Throwaway{
		Image: document.Image, Volumes: map[string]string{document.Volume: "/config"}, Stdin: archive,
		Command: []string{"/bin/sh", "-c", filesScript},
	})
	if err != nil {
		return fmt.Errorf("write the files of the nodes to volume %s: %w", document.Volume, err)
	}
	return nil
}

// archive returns a tar archive of files, the same for the same files. Secret ones are
// readable for their owner only.
func archive(files, secret map[string]string) (string, error) {
	var text strings.Builder
	writer := tar.NewWriter(&text)
	for _, group := range []struct {
		files map[string]string
		mode  int64
	}{{files, 0o644}, {secret, 0o600}} {
		for _, name := range slices.Sorted(maps.Keys(group.files)) {
			if err := archiveFile(writer, name, group.files[name], group.mode); err != nil {
				return "", err
			}
		}
	}
	if err := writer.Close(); err != nil {
		return "", fmt.Errorf("archive: %w", err)
	}
	return text.String(), nil
}

func archiveFile(writer *tar.Writer, name, content string, mode int64) error {
	if !fileName.MatchString(name) {
		return fmt.Errorf("%q is not the base name of a file", name)
	}
	err := writer.WriteHeader(&tar.Header{
		Typeflag: tar.TypeReg, Name: name, Size: int64(len(content)), Mode: mode,
		ModTime: time.Unix(0, 0), Format: tar.FormatUSTAR,
	})
	if err == nil {
		_, err = writer.Write([]byte(content))
	}
	if err != nil {
		return fmt.Errorf("archive %s: %w", name, err)
	}
	return nil
}

// requireOwn returns an error unless a volume is the owner's.
func (m *Manager) requireOwn(ctx context.Context, name string, owner docker.Owner) error {
	if owner.State == "" {
		return fmt.Errorf("the environment variable %s must hold the identity of the stack's state", spec.StateVariable)
	}
	volume, err := m.docker.InspectVolume(ctx, name)
	if err != nil {
		return err
	}
	if !owner.Owns(volume.Labels) {
		return fmt.Errorf("volume %s is not this stack's: it seems to belong to %s", name, docker.Whose(volume))
	}
	return nil
}

// userID is a numeric user id.
var userID = regexp.MustCompile(`^[0-9]+$`)

// ChownVolume gives a volume, with everything in it, to a user: Docker gives a new one to
// root, unless the image has the path where it is mounted.
func (m *Manager) ChownVolume(ctx context.Context, document spec.Volume, owner docker.Owner) error {
	if document.UserOf == "" && !userID.MatchString(document.User) {
		return fmt.Errorf("change the owner of volume %s: %q is not a numeric user id", document.Volume, document.User)
	}
	if err := m.requireOwn(ctx, document.Volume, owner); err != nil {
		return fmt.Errorf("change the owner of a volume: %w", err)
	}
	user := document.User + ":" + document.User
	if document.UserOf != "" {
		var err error
		if user, err = m.userOf(ctx, document.UserOf); err != nil {
			return fmt.Errorf("change the owner of volume %s: %w", document.Volume, err)
		}
	}
	_, err := m.docker.Run(ctx, docker.Throwaway{
		Image: document.Image, Volumes: map[string]string{document.Volume: "/volume"},
		Command: []string{"chown", "-R", user, "/volume"},
	})
	if err != nil {
		return fmt.Errorf("change the owner of volume %s: %w", document.Volume, err)
	}
	return nil
}

// userOf returns the user and the group as whom an image runs, in numbers. A group that
// is not known, or only by name, does not matter: the user owns the volume.
func (m *Manager) userOf(ctx context.Context, reference string) (string, error) {
	image, err := m.docker.InspectImage(ctx, reference)
	if err != nil {
		return "", err
	}
	user, group, _ := strings.Cut(image.User, ":")
	if user == "" || user == "root" {
		user = "0"
	}
	if !userID.MatchString(user) {
		return "", fmt.Errorf("image %s runs as user %q, and only the image knows that user's number: "+
			"use an image whose USER is a number, or a setting that needs no volume", reference, user)
	}
	if !userID.MatchString(group) {
		group = user
	}
	return user + ":" + group, nil
}
