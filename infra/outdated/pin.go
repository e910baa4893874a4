package main

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/Masterminds/semver/v3"
)

// pin is a version that this project has decided on.
type pin struct {
	// name is what is pinned, as "k3s 1.36".
	name string
	// version is the pinned one, as upstream writes it but for a leading v; empty where
	// nothing is pinned yet.
	version string
	// sums are its digests: of an image under "image", of files by platform
	// (linux/amd64). An image without one is pinned by its tag alone.
	sums map[string]string
	// source says what is newest.
	source source
	// edit rewrites the pin; nil means that it must be done by hand.
	edit func(files, pin, release) error
}

// release is what a source found.
type release struct {
	version string
	// sums are the digests, with the keys of the pin's.
	sums map[string]string
	// missing says why there are none; the pin must then stay.
	missing error
	// etcd and containerd are what a k3s release embeds: a version, and a line as 2.3.
	etcd, containerd string
}

// source is a place that knows releases.
type source interface {
	// newest returns the newest release that could replace the pinned one. It is the
	// pinned version itself where nothing is newer.
	newest(ctx context.Context, w web, p pin) (release, error)
	// String returns the place, for people.
	fmt.Stringer
}

// state is what is known of a pin.
type state string

const (
	current     state = "current"
	outdated    state = "outdated"
	unreachable state = "unreachable"
)

// finding is a pin beside what its source said.
type finding struct {
	Name   string `json:"name"`
	Pinned string `json:"pinned"`
	Newest string `json:"newest,omitempty"`
	State  state  `json:"state"`
	Source string `json:"source"`
	// Sums are those of the newest release.
	Sums map[string]string `json:"sums,omitempty"`
	// Problem says why nothing, or no digest, was found.
	Problem string `json:"problem,omitempty"`

	pin     pin
	release release
}

// compare decides what a pin is. A release is newer by its version; the same version is
// only a finding where the pin lacks a digest, or has another one.
func compare(p pin, found release, err error) finding {
	f := finding{Name: p.name, Pinned: p.version, Source: p.source.String(), State: unreachable, pin: p, release: found}
	if err != nil {
		f.Problem = err.Error()
		return f
	}
	f.Newest, f.State = found.version, current
	if found.missing != nil {
		f.Problem = found.missing.Error()
	}
	switch {
	case newer(found.version, p.version):
		f.State, f.Sums = outdated, found.sums
	case found.missing == nil && p.edit != nil && !maps.Equal(found.sums, p.sums):
		f.State, f.Sums = outdated, found.sums
	}
	return f
}

// newer reports whether a version is newer than another. The build of a k3s release
// (+k3s2), which semantic versions ignore, counts.
func newer(version, than string) bool {
	if version == "" || than == "" {
		return version != ""
	}
	a, errA := semver.NewVersion(version)
	b, errB := semver.NewVersion(than)
	if errA != nil || errB != nil {
		return version != than
	}
	if c := a.Compare(b); c != 0 {
		return c > 0
	}
	return len(a.Metadata()) > len(b.Metadata()) || len(a.Metadata()) == len(b.Metadata()) && a.Metadata() > b.Metadata()
}

// platforms returns the keys of checksums, sorted.
func platforms(sums map[string]string) []string { return slices.Sorted(maps.Keys(sums)) }
